"""How loops over pixels are compiled."""

from collections.abc import Callable
from typing import Any

import numba

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
