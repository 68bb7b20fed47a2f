"""Compiles loops over pixels, and runs them in several threads."""

from collections.abc import Callable, Sequence
import concurrent.futures
import contextlib
import functools
import os
import pathlib
import threading
from typing import Any, TypeVar

import numba
from numba.core import caching

from inpaint_jax.system import machine

T = TypeVar('T')

# How many bands are worked on at once.
NUM_THREADS = machine.num_cores()

# The usual number of rows in a band: few calls, and little memory.
ROWS = 128


class _Cache(caching.FunctionCache):
  """Numba's cache on disk, without which a function is compiled, too."""

  def load_overload(self, *args: Any) -> Any:
    try:
      return super().load_overload(*args)
    except Exception:
      # A file is damaged, as by a loss of power. The next one is written anew.
      with contextlib.suppress(Exception):
        self.flush()
      return None

  def save_overload(self, *args: Any) -> None:
    try:
      super().save_overload(*args)
    except Exception:
      # The disk may be full. Numba writes the index first, which may now name
      # the file of another function.
      with contextlib.suppress(Exception):
        pathlib.Path(self._cache_file._index_path).unlink()


def kernel(function: Callable[..., Any], fastmath: bool = False) -> Any:
  """Compiles a loop over pixels for each type of arguments, cached on disk.

  With `fastmath`, its sums may be computed in any order.
  """
  # Without checks for division by zero, and without a wrapper for callers in C:
  # both take time to compile.
  options: dict[str, Any] = {'error_model': 'numpy', 'no_cfunc_wrapper': True}
  compiled = numba.njit(nogil=True, fastmath=fastmath, **options)(function)
  # A RuntimeError means that Numba found no folder that it can write: each
  # process compiles anew.
  with contextlib.suppress(RuntimeError):
    compiled._cache = _Cache(function)
  return compiled


def for_bands(
  count: int, function: Callable[[int, int], None], size: int
) -> None:
  """Calls function(first, last) for all bands of things, in parallel.

  Args:
    count: number of things, such as rows.
    function: its results must not depend on the order of the bands.
    size: number of things in a band.
  """
  starts = range(0, count, size)
  rest = iter(starts)

  def work() -> None:
    for start in rest:
      function(start, min(start + size, count))

  num_threads = 1 if _thread.is_helping else min(NUM_THREADS, len(starts))
  helpers: list[concurrent.futures.Future[None]] = []
  try:
    for _ in range(num_threads - 1):
      # Known before it is submitted: what could not start a thread stays in the
      # queue, where another thread may begin it.
      helpers.append(concurrent.futures.Future())
      _threads(os.getpid()).submit(_help, helpers[-1], work)
  except RuntimeError:
    # No thread can be started: Python is ending, or the system allows no more.
    # Those that there are do all the work, and the queue is not kept.
    _threads.cache_clear()
  try:
    work()
  finally:
    # After an error, such as Ctrl-C, no thread begins another band.
    for _ in rest:
      pass
    for helper in helpers:
      # A helper that has not begun is no longer needed.
      if not helper.cancel():
        helper.result()


def _help(
  helper: concurrent.futures.Future[None], work: Callable[[], None]
) -> None:
  if not helper.set_running_or_notify_cancel():
    return
  try:
    work()
    helper.set_result(None)
  except BaseException as error:
    helper.set_exception(error)


def for_each(things: Sequence[T], function: Callable[[T], None]) -> None:
  """Calls a function for each of several things, in parallel.

  Each call stays in its thread, where `for_bands` goes through its bands one by
  one. If there is a single thing, its bands have all threads.
  """

  def work(first: int, _: int) -> None:
    before = _thread.is_helping
    _thread.is_helping = before or len(things) > 1
    try:
      function(things[first])
    finally:
      _thread.is_helping = before

  for_bands(len(things), work, 1)


def blocks(
  top: int, bottom: int, height: int, width: int
) -> tuple[slice, list[tuple[int, int]]]:
  """Returns the rows of an image that a band of half its resolution depends on.

  Args:
    top, bottom: rows of the band, at half the resolution.
    height, width: size of the image, at full resolution.

  Returns:
    The rows of the 4x4 pixels around each pixel of the band, and the margins by
    which np.pad makes them [2 (bottom - top) + 2, 2 ((width + 1) // 2) + 2].
  """
  first, last = max(2 * top - 1, 0), min(2 * bottom + 1, height)
  beyond = first - 2 * top + 1, 2 * bottom + 1 - last
  return slice(first, last), [beyond, (1, 1 + width % 2)]


class _Thread(threading.local):
  # Whether it is one of several threads of `for_each`, so that its own bands
  # are not divided among threads.
  is_helping = False


_thread = _Thread()


@functools.cache
def _threads(process: int) -> concurrent.futures.ThreadPoolExecutor:
  """Returns the threads of a process.

  A fork needs its own: it has none of the threads that the process before it
  had started, and what it gave them would be kept in memory without end.
  """
  return concurrent.futures.ThreadPoolExecutor(NUM_THREADS)
