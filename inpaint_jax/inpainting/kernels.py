"""How loops over pixels are compiled, and run in several threads."""

from collections.abc import Callable, Sequence
import concurrent.futures
import functools
import os
import threading
from typing import Any, TypeVar

import numba

T = TypeVar('T')

# How many bands are worked on at once.
NUM_THREADS = os.cpu_count() or 1

# Rows in a band, where nothing else decides: few calls, and little memory.
ROWS = 128

_OPTIONS: dict[str, Any] = {
  'cache': True,
  'nogil': True,
  # Without the checks of a division, and without the way in for C: both take
  # time to compile.
  'error_model': 'numpy',
  'no_cfunc_wrapper': True,
}


def kernel(function: Callable[..., Any]) -> Any:
  """Compiles once for each type of arguments, and keeps it on disk."""
  return numba.njit(**_OPTIONS)(function)


def fast_kernel(function: Callable[..., Any]) -> Any:
  """Like `kernel`, and sums are computed in any order."""
  return numba.njit(fastmath=True, **_OPTIONS)(function)


def for_bands(
  count: int, function: Callable[[int, int], None], size: int
) -> None:
  """Calls function(first, last) for all bands of things, in parallel.

  Args:
    count: of the things, such as rows.
    function: its results must not depend on the order of the bands.
    size: of a band.
  """
  starts = range(0, count, size)
  rest = iter(starts)

  def work() -> None:
    for start in rest:
      function(start, min(start + size, count))

  num_threads = 1 if _thread.is_helping else min(NUM_THREADS, len(starts))
  helpers = [_threads().submit(work) for _ in range(num_threads - 1)]
  try:
    work()
  finally:
    # After an error, such as Ctrl-C, nobody begins another band.
    for _ in rest:
      pass
    for helper in helpers:
      # One that has not begun is not needed any more.
      if not helper.cancel():
        helper.result()


def for_each(things: Sequence[T], function: Callable[[T], None]) -> None:
  """Calls a function for each of several things, in parallel.

  What it calls stays in its thread: bands are then worked on in turn. A single
  thing has all threads for its bands.
  """

  def work(first: int, _: int) -> None:
    _thread.is_helping = len(things) > 1
    try:
      function(things[first])
    finally:
      _thread.is_helping = False

  for_bands(len(things), work, 1)


def blocks(
  top: int, bottom: int, height: int, width: int
) -> tuple[slice, list[tuple[int, int]]]:
  """Returns the pixels around a band of an image of half the resolution.

  Args:
    top, bottom: of the band.
    height, width: of the image.

  Returns:
    The rows of the 4x4 pixels around each of the band, and margins for np.pad
    to make them [2 (bottom - top) + 2, 2 ((width + 1) // 2) + 2].
  """
  first, last = max(2 * top - 1, 0), min(2 * bottom + 1, height)
  beyond = first - 2 * top + 1, 2 * bottom + 1 - last
  return slice(first, last), [beyond, (1, 1 + width % 2)]


class _Thread(threading.local):
  # Whether it is one of several, whose work is not divided any further.
  is_helping = False


_thread = _Thread()


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
  return concurrent.futures.ThreadPoolExecutor(NUM_THREADS)
