"""Signals that are recorded and handled later."""

from concurrent import futures
import os
import signal

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
