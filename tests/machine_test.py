"""What the machine is."""

import os

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
