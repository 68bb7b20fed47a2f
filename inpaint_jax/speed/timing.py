"""Functions called in turns, and their times."""

from collections.abc import Callable, Mapping
import random
import time
from typing import Any

# Calls of each function before the first that is timed: the first compiles, and
# the second may still be choosing its kernels.
WARM_CALLS = 2
# Fewer times have no quartiles; more than the last number say nothing new.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 1000
# Thread pools keep the cores busy for a while after a call, waiting for another
# one; in these seconds they fall asleep (ONNX Runtime's after some 40 ms).
_PAUSE = 0.05
# Then the system may wake both threads of a library on one core, and take tens
# of milliseconds to part them: calls of so many seconds come first.
_AWAKE = 0.1


def interleave(
  calls: Mapping[str, Callable[[], Any]],
  *,
  seconds: float,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
  """Returns the seconds that functions take, called in turns, warm.

  First each is called WARM_CALLS times. Then each round gives every function
  its turn, in a new order: what slows the machine for a while slows all alike.
  In its turn a function is called for 0.1 s, once at least, and once more: this
  call is timed. Its library's threads are then awake, on cores of their own,
  and the memory that the last call has freed is at hand, as when images come
  one after the other. (A virtual machine may hand memory to its host when it
  was free for two seconds; to get it back took half as long as a training
  step.)

  Args:
    calls: the functions, by name; they must wait for their results.
    seconds: of timed calls of each function, on average; there are three rounds
      at least.
    clock: what tells the time.
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
