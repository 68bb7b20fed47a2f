"""Signals that are recorded and handled later."""

from concurrent import futures
import os
import signal
import subprocess
import sys

import pytest

from inpaint_jax.system import interrupts


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
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
  interrupts.end_now(*error.args)
"""
  result = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.stderr == 'interrupted by SIGTERM\n'
  assert result.returncode == 128 + signal.SIGTERM
