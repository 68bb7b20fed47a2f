"""Signals that ask the process to stop."""

from collections.abc import Iterator
import contextlib
import os
import signal
import sys
import threading
import types
from typing import Any, NoReturn

# Windows has no SIGHUP, which the end of a terminal sends.
_SIGNALS = [
  getattr(signal, name)
  for name in ('SIGINT', 'SIGTERM', 'SIGHUP')
  if hasattr(signal, name)
]


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
        end_now(KeyboardInterrupt(number))
      frame = frame.f_back
    raise KeyboardInterrupt(number)

  def end_if_ignored(unraisable: Any) -> None:
    # Python ignores what is raised in __del__ and in callbacks from C.
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
      end_now(unraisable.exc_value)
    sys.__unraisablehook__(unraisable)

  sys.unraisablehook = end_if_ignored
  for number in _SIGNALS:
    if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
      signal.signal(number, end)


def end_now(error: KeyboardInterrupt) -> NoReturn:
  """Ends the process as one that a signal has ended, without exit handlers.

  Args:
    error: its argument is the number of the signal; without one, SIGINT's.
  """
  number = error.args[0] if error.args else signal.SIGINT
  if number not in _SIGNALS:
    number = signal.SIGINT
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
  """Records the first signal in the block that asks to stop.

  That is SIGINT, SIGTERM or SIGHUP, unless it is ignored, as by nohup. The
  block reads `stop.signal` where it can stop safely. A second signal acts at
  once. Python lets only the main thread handle signals: in any other one,
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
  for number in _SIGNALS if is_main else ():
    if signal.getsignal(number) != signal.SIG_IGN:
      previous[number] = signal.signal(number, record)
  try:
    yield stop
  finally:
    restore()
