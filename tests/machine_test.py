"""What the machine is."""

import os
import platform
import subprocess
import sys

import pytest

from inpaint_jax import machine


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='needs Linux')
def test_cores_are_those_that_the_process_may_use():
  cores = os.sched_getaffinity(0)
  os.sched_setaffinity(0, {min(cores)})
  try:
    assert machine.num_cores() == 1
  finally:
    os.sched_setaffinity(0, cores)
  assert machine.num_cores() == len(cores)


def test_a_processor_has_a_name_even_if_linux_says_none(monkeypatch):
  text = 'processor\t: 0\nmodel name\t: Best 9: fast\nflags\t\t: a b\n'
  monkeypatch.setattr(machine.pathlib.Path, 'read_text', lambda path: text)
  assert machine.cpu_name() == 'Best 9: fast'
  assert machine.cpu_field('flags') == 'a b'
  assert machine.cpu_field('fl') == ''

  def fail(path):
    raise FileNotFoundError

  monkeypatch.setattr(machine.pathlib.Path, 'read_text', fail)
  assert machine.cpu_field('flags') == ''
  assert machine.cpu_name()


# Prints whether memory is kept, and the pages that a second array of 64 MB has
# come to.
_PROGRAM = """
import resource
import numpy as np
from inpaint_jax import machine
kept = machine.keep_memory()
for _ in range(2):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  x = np.ones(2**23)
  pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
  del x
print(kept, pages)
"""


def _keep(**env):
  kept = {
    name: value
    for name, value in os.environ.items()
    if name not in ('LD_PRELOAD', 'GLIBC_TUNABLES')
    and not name.startswith('MALLOC_')
  }
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    env=kept | env,
    capture_output=True,
    text=True,
    check=True,
  )
  kept, pages = result.stdout.split()
  return kept == 'True', int(pages)


_needs_glibc = pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc' or machine.has_accelerator(),
  reason='needs glibc, and no accelerator',
)


@_needs_glibc
def test_kept_memory_is_not_fetched_again():
  kept, pages = _keep()
  assert kept
  assert pages < 100


@_needs_glibc
def test_an_allocator_that_the_user_has_set_is_left_alone():
  kept, pages = _keep(MALLOC_ARENA_MAX='2')
  assert not kept
  # 64 MB in pages of 4 KB, or some of 2 MB.
  assert pages >= 32


def test_other_libraries_are_left_alone(monkeypatch):
  monkeypatch.setattr(machine.platform, 'libc_ver', lambda: ('', ''))
  assert not machine.keep_memory()


@pytest.mark.parametrize('name', ['nvidia0', 'kfd', 'accel3', 'vfio/0'])
def test_beside_an_accelerator_nothing_is_kept(monkeypatch, tmp_path, name):
  monkeypatch.setattr(machine, '_DEVICES', tmp_path)
  (tmp_path / 'nvidiactl').touch()
  (tmp_path / 'vfio').mkdir()
  (tmp_path / 'vfio' / 'vfio').touch()
  assert not machine.has_accelerator()
  (tmp_path / name).touch()
  assert machine.has_accelerator()
  assert not machine.keep_memory()
