"""Signals that are recorded and handled later."""

from concurrent import futures
import os
import signal
import subprocess
import sys

import pytest

from inpaint_jax.system import interrupts


@pytest.mark.parametrize(
  'number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
)
def test_the_first_signal_is_noted_and_handlers_come_back(number):
  before = signal.getsignal(number)
  with interrupts.deferred() as stop:
    assert stop.signal is None
    os.kill(os.getpid(), number)
    assert stop.signal == number
  assert signal.getsignal(number) is before


def test_another_thread_leaves_signals_alone():
  def read_signal():
    with interrupts.deferred() as stop:
      return stop.signal

  before = signal.getsignal(signal.SIGINT)
  with futures.ThreadPoolExecutor() as pool:
    assert pool.submit(read_signal).result() is None
  assert signal.getsignal(signal.SIGINT) is before


def test_the_second_signal_acts_at_once():
  def interrupt_twice():
    with interrupts.deferred():
      os.kill(os.getpid(), signal.SIGINT)
      os.kill(os.getpid(), signal.SIGINT)

  with pytest.raises(KeyboardInterrupt):
    interrupt_twice()


def test_an_ignored_signal_does_not_stop_the_block():
  """As under nohup."""
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    with interrupts.deferred() as stop:
      os.kill(os.getpid(), signal.SIGHUP)
      assert stop.signal is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


def test_what_is_ignored_stays_ignored_and_a_signal_may_come_twice():
  """nohup ignores SIGHUP; `timeout` sends SIGTERM twice."""
  program = """
import os, signal
from inpaint_jax.system import interrupts
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
interrupts.raise_at_end()
os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGHUP)
try:
  os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt as error:
  os.kill(os.getpid(), signal.SIGTERM)
  interrupts.end_now(error)
"""
  assert run(program) == ('interrupted by SIGTERM\n', 128 + signal.SIGTERM)


def test_a_signal_ends_the_process_where_python_ignores_errors():
  """In __del__ an exception is printed, and the program goes on."""
  program = """
import os, signal, time
from inpaint_jax.system import interrupts
interrupts.raise_at_end()
class Last:
  def __del__(self):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)
last = Last()
del last
print('goes on')
"""
  assert run(program) == ('interrupted by SIGTERM\n', 128 + signal.SIGTERM)


def test_an_interrupt_of_a_library_is_one_of_ctrl_c():
  program = """
from inpaint_jax.system import interrupts
interrupts.end_now(KeyboardInterrupt('by a library'))
"""
  assert run(program) == ('interrupted\n', 128 + signal.SIGINT)


def run(program: str) -> tuple[str, int]:
  """Returns what a program wrote to stderr, and its exit code."""
  result = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    check=False,
  )
  return result.stderr, result.returncode
