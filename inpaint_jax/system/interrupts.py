"""Signals that ask the process to stop."""

from collections.abc import Iterator
import contextlib
import os
import signal
import sys
import threading
import types
from typing import Any, NoReturn


def end_while_importing() -> None:
  """Makes Ctrl-C during an import end the process with one line.

  Libraries swallow a KeyboardInterrupt while they are imported, or crash later
  because they are half imported.
  """

  def end(number: int, frame: types.FrameType | None) -> None:
    while frame:
      if frame.f_code.co_filename == '<frozen importlib._bootstrap>':
        end_now()
      frame = frame.f_back
    signal.default_int_handler(number, None)

  signal.signal(signal.SIGINT, end)


def end_now() -> NoReturn:
  """Ends the process as one that Ctrl-C has ended, without exit handlers."""
  print('interrupted', file=sys.stderr, flush=True)
  os._exit(130)


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
