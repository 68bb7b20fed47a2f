"""Signals that ask a process to end, taken as a wish rather than a blow."""

from collections.abc import Iterator
import contextlib
import signal


class Stop:
  """Whether a signal came.

  Attributes:
    signal: the first one, None so far.
  """

  def __init__(self) -> None:
    self.signal: signal.Signals | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
  """Within the block, the first SIGTERM or SIGINT is only taken note of.

  The block looks at `stop.signal` where it can end well. A second signal acts
  at once, so that an impatient user is not kept.
  """
  stop = Stop()
  previous = {}

  def note(number: int, frame: object) -> None:
    stop.signal = signal.Signals(number)
    for handled, handler in previous.items():
      signal.signal(handled, handler)

  for handled in (signal.SIGTERM, signal.SIGINT):
    previous[handled] = signal.signal(handled, note)
  try:
    yield stop
  finally:
    for handled, handler in previous.items():
      signal.signal(handled, handler)
