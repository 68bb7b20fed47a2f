"""Functions called in turns, and the medians of their times."""

from collections.abc import Callable, Mapping
import dataclasses
import random
import time
from typing import Any

import numpy as np

# Calls of each function before the first that is timed: the first compiles, and
# the second may still be choosing its kernels.
WARM_CALLS = 2
# Fewer times have no quartiles; more than the last number say nothing new.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 1000
# Thread pools keep the cores busy for a while after a call, waiting for another
# one; in these seconds they fall asleep (ONNX Runtime's after some 40 ms).
_PAUSE = 0.05
# After it, the system may wake both threads of a library on one core, and take
# tens of milliseconds to part them: calls of so many seconds come first.
_AWAKE = 0.1


@dataclasses.dataclass(frozen=True)
class Times:
  """How long the calls of one function took.

  Attributes:
    seconds: of each call, in their order.
  """

  seconds: tuple[float, ...]

  @property
  def median(self) -> float:
    """Returns the median in seconds."""
    return float(np.median(self.seconds))

  @property
  def quartiles(self) -> tuple[float, float]:
    """Returns the first and the third quartile in seconds."""
    low, high = np.quantile(self.seconds, (0.25, 0.75))
    return float(low), float(high)


def interleave(
  calls: Mapping[str, Callable[[], Any]],
  *,
  seconds: float,
  rounds: int = 0,
  pause: float = _PAUSE,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
  """Returns the times of functions that were called in turns.

  Each round calls all of them, in an order of its own: what slows the machine
  for a while slows all alike, and none has always the same one before it. They
  have to be warm, see WARM_CALLS, and must wait for their results. In its turn
  each is called for 0.1 s, once at least, and once more: this call is timed. As
  with one picture after the other, its library's threads are then awake, on
  cores of their own, and the memory that the call before has freed is at hand.
  A virtual machine may hand memory to its host when it was free for two
  seconds, and to get it back took half as long as a training step.

  Args:
    calls: the functions, by name.
    seconds: of timed calls of each function, on average; there are three rounds
      at least.
    rounds: this many instead, if it is not 0.
    pause: seconds before a function's turn.
    clock: what tells the time.
  """
  times: dict[str, list[float]] = {name: [] for name in calls}
  order = random.Random(0)
  names = list(calls)

  def is_enough(made: int) -> bool:
    if rounds:
      return made >= rounds
    spent = sum(map(sum, times.values()))
    long = made >= _LEAST_ROUNDS and spent >= seconds * len(calls)
    return long or made >= _MOST_ROUNDS

  made = 0
  while calls and not is_enough(made):
    order.shuffle(names)
    for name in names:
      time.sleep(pause)
      turn = clock()
      calls[name]()
      while clock() - turn < _AWAKE:
        calls[name]()
      start = clock()
      calls[name]()
      times[name].append(clock() - start)
    made += 1
  return {name: Times(tuple(values)) for name, values in times.items()}
