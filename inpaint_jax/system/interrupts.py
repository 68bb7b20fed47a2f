"""Signals that ask the process to stop."""

from collections.abc import Iterator
import contextlib
import os
import signal
import sys
import threading
import types
from typing import Any, NoReturn


def raise_at_end() -> None:
  """Makes Ctrl-C, SIGTERM and SIGHUP raise a KeyboardInterrupt of the signal.

  So files and folders are cleaned up whichever of them ends the process. During
  an import they end it at once, with one line: libraries swallow a
  KeyboardInterrupt while they are imported, or crash later because they are
  half imported. A signal that is ignored, as by nohup, or has a handler is left
  as it is.
  """

  def end(number: int, frame: types.FrameType | None) -> None:
    if number != signal.SIGINT:
      # `timeout`, and shells that end, send it twice; the second one must not
      # interrupt the cleaning up.
      signal.signal(number, signal.SIG_IGN)
    while frame:
      if frame.f_code.co_filename == '<frozen importlib._bootstrap>':
        end_now(number)
      frame = frame.f_back
    raise KeyboardInterrupt(number)

  for name in ('SIGINT', 'SIGTERM', 'SIGHUP'):
    number = getattr(signal, name, None)  # Windows has no SIGHUP.
    if number and signal.getsignal(number) in (
      signal.SIG_DFL,
      signal.default_int_handler,
    ):
      signal.signal(number, end)


def end_now(number: int = signal.SIGINT) -> NoReturn:
  """Ends the process as one that a signal has ended, without exit handlers."""
  by = '' if number == signal.SIGINT else f' by {signal.Signals(number).name}'
  try:
    sys.stdout.flush()
    print(f'interrupted{by}', file=sys.stderr, flush=True)
  finally:
    # Even if the terminal is gone, so that nothing can be printed.
    os._exit(128 + number)


class Stop:
  """Whether the process was asked to stop."""

  def __init__(self) -> None:
    self.signal: signal.Signals | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
  """Records the first SIGTERM or SIGINT in the block instead of acting on it.

  The block reads `stop.signal` where it can stop safely. A second signal acts
  at once. Python lets only the main thread handle signals: in any other one,
  the block records none.
  """
  stop = Stop()
  previous: dict[signal.Signals, Any] = {}

  def restore() -> None:
    for number, handler in previous.items():
      signal.signal(number, handler)

  def record(number: int, frame: object) -> None:
    stop.signal = signal.Signals(number)
    restore()

  is_main = threading.current_thread() is threading.main_thread()
  for number in (signal.SIGTERM, signal.SIGINT) if is_main else ():
    previous[number] = signal.signal(number, record)
  try:
    yield stop
  finally:
    restore()
