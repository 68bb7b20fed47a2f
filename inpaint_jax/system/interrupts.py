"""Signals that ask the process to stop, handled at a safe point."""

from collections.abc import Iterator
import contextlib
import signal
from typing import Any


class Stop:
  """Whether the process was asked to stop."""

  def __init__(self) -> None:
    self.signal: signal.Signals | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
  """Records the first SIGTERM or SIGINT in the block instead of acting on it.

  The block reads `stop.signal` where it can stop safely. A second signal acts
  at once.
  """
  stop = Stop()
  previous: dict[signal.Signals, Any] = {}

  def restore() -> None:
    for number, handler in previous.items():
      signal.signal(number, handler)

  def record(number: int, frame: object) -> None:
    stop.signal = signal.Signals(number)
    restore()

  for number in (signal.SIGTERM, signal.SIGINT):
    previous[number] = signal.signal(number, record)
  try:
    yield stop
  finally:
    restore()
