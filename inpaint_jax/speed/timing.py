"""Times functions that are called in turns."""

from collections.abc import Callable, Mapping
import random
import time
from typing import Any

# Calls of each function before the first that is timed: the first compiles, and
# the second may still choose kernels.
WARM_CALLS = 2
# Rounds: fewer have no quartiles, more would say nothing new.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 1000
# Seconds between turns, and of untimed calls in a turn; WORKSPACE.md says why.
_PAUSE = 0.05
_AWAKE = 0.1


def interleave(
  calls: Mapping[str, Callable[[], Any]],
  *,
  seconds: float,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
  """Returns the seconds that calls of functions take, called in turns, warm.

  First each function is called WARM_CALLS times. Then each round gives every
  function a turn, in a new order, so that a slow phase of the machine slows all
  of them alike. In its turn a function is called for 0.1 s, at least once, and
  then once more; only this last call is timed.

  Args:
    calls: the functions, by name; they must wait for their results.
    seconds: time of timed calls of each function, on average; there are at
      least three rounds.
  """
  for call in calls.values():
    for _ in range(WARM_CALLS):
      call()
  times: dict[str, list[float]] = {name: [] for name in calls}
  order = random.Random(0)
  names = list(calls)
  for made in range(_MOST_ROUNDS if calls else 0):
    spent = sum(map(sum, times.values()))
    if made >= _LEAST_ROUNDS and spent >= seconds * len(calls):
      break
    order.shuffle(names)
    for name in names:
      time.sleep(_PAUSE)
      turn = clock()
      calls[name]()
      while clock() - turn < _AWAKE:
        calls[name]()
      start = clock()
      calls[name]()
      times[name].append(clock() - start)
  return times
