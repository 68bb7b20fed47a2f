"""The processor, the memory, and the restart with large pages."""

import os
import platform
import subprocess
import sys

import pytest

from inpaint_jax.system import machine


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


# Prints its process id, glibc's variable, the level of -O, and its arguments.
_PROGRAM = """
import os
import sys
from inpaint_jax.system import machine
print('started', flush=True)
machine.use_huge_pages()
tunables = os.environ.get('GLIBC_TUNABLES', '')
print(os.getpid(), tunables, sys.flags.optimize, *sys.argv[1:])
"""


def _start(program, **env):
  kept = {k: v for k, v in os.environ.items() if k != 'GLIBC_TUNABLES'}
  process = subprocess.Popen(
    [sys.executable, '-O', '-c', program, '--flag', 'a b'],
    env=kept | env,
    stdout=subprocess.PIPE,
    text=True,
  )
  out, _ = process.communicate()
  assert process.returncode == 0
  *starts, last = out.splitlines()
  return process.pid, len(starts), last


_needs_glibc = pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='needs glibc'
)


@_needs_glibc
def test_large_pages_start_the_same_program_once_more():
  pid, starts, last = _start(_PROGRAM)
  assert starts == 2
  assert last == f'{pid} glibc.malloc.hugetlb=1 1 --flag a b'


@_needs_glibc
def test_what_the_user_has_set_is_left_alone():
  pid, starts, last = _start(_PROGRAM, GLIBC_TUNABLES='glibc.malloc.check=0')
  assert starts == 1
  assert last == f'{pid} glibc.malloc.check=0 1 --flag a b'


@pytest.mark.parametrize(
  'setting',
  [
    "machine.platform.libc_ver = lambda: ('', '')",
    "sys.executable = ''",
    'sys.settrace(lambda *args: None)',
  ],
  ids=['no glibc', 'no interpreter', 'debugger'],
)
def test_where_it_cannot_be_it_goes_on(setting):
  program = _PROGRAM.replace('\nmachine.use', f'\n{setting}\nmachine.use')
  pid, starts, last = _start(program)
  assert starts == 1
  assert last == f'{pid}  1 --flag a b'


@_needs_glibc
def test_an_interpreter_that_does_not_start_is_done_without():
  setting = "sys.executable = '/nowhere/python'"
  program = _PROGRAM.replace('\nmachine.use', f'\n{setting}\nmachine.use')
  _, starts, last = _start(program)
  assert starts == 1
  assert last.endswith(' 1 --flag a b')
