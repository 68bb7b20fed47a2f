"""The harmonic fill: the smoothest surface that meets the known pixels.

Each pixel of the hole becomes the mean of its neighbours (the discrete Laplace
equation with the known pixels as boundary values; at the image's edge the
slope across it is zero). It is a linear system with one unknown a pixel and
channel, solved to convergence for holes of any shape: by conjugate gradients,
each step preconditioned by one multigrid V-cycle, in time proportional to the
number of pixels. See Briggs, Henson and McCormick, A Multigrid Tutorial, 2000.

The grid is a network of conductors: `right` and `down` are the conductances
from a pixel to its neighbours within the hole, `total` the sum of all that
leave it, those to known pixels included, and 0 for a known pixel. A coarser
grid joins 2x2 pixels into one.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

# Largest correction of a step, of a range of 1, at which the solution is
# taken: the error is then below half of an 8-bit level (measured in the test
# against a direct solver).
_TOLERANCE = 0.1 / 255
_MAX_STEPS = 100
# A coarse pixel's distance to a known one is 1.5 fine pixels, not 2: its
# conductance is 2 / 1.5 / 2 = 2/3 of the sum of the fine ones. With 1/2 the
# solver takes twice the steps.
_TO_KNOWN = 2 / 3


class _Grid(NamedTuple):
  """The conductances of one resolution, float32 [h + 2, w + 2] each.

  A border of zeros around all arrays saves the loops a check of each side.
  """

  right: np.ndarray
  down: np.ndarray
  total: np.ndarray


def _compile(function: Any) -> Any:
  """Compiles once for each type of arguments, and keeps it on disk."""
  return numba.njit(cache=True, nogil=True)(function)


def harmonic_fill(image: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Fills what is not known with the smoothest surface.

  Args:
    image: float [H, W, C]; values of unknown pixels are not read.
    known: bool [H, W]. If none is known, the result is zero.

  Returns:
    float32 [H, W, C], equal to `image` where it is known.
  """
  filled = np.where(known[..., None], image, 0).astype(np.float32)
  if known.all() or not known.any():
    return filled
  # The hole's box and a pixel around it.
  rows, columns = np.nonzero(~known)
  box = (
    slice(max(rows.min() - 1, 0), rows.max() + 2),
    slice(max(columns.min() - 1, 0), columns.max() + 2),
  )
  part, hole = filled[box], ~known[box]
  solution = solve(*connect(part, hole))
  part[hole] = solution[1:-1, 1:-1][hole]
  return filled


def solve(
  right: np.ndarray, down: np.ndarray, to_known: np.ndarray, flow: np.ndarray
) -> np.ndarray:
  """Returns the values of the network at which inflow and outflow agree.

  Args:
    right, down, to_known: conductances, float32 [h + 2, w + 2], see `connect`.
    flow: float32 [h + 2, w + 2, C], what flows in from known pixels.

  Returns:
    float32 [h + 2, w + 2, C]; 0 where a pixel is known.
  """
  return _solve(_create_grids(right, down, to_known), flow)


def _create_grids(
  right: np.ndarray, down: np.ndarray, to_known: np.ndarray
) -> list[_Grid]:
  """Returns the grids from the finest to one of at most 2x2 pixels."""
  grids = [_Grid(right, down, _add_up(right, down, to_known))]
  while max(to_known.shape) > 4:
    right, down, to_known = _coarsen(right, down, to_known)
    grids.append(_Grid(right, down, _add_up(right, down, to_known)))
  return grids


def _solve(grids: list[_Grid], flow: np.ndarray) -> np.ndarray:
  """Returns x with A x = flow, by preconditioned conjugate gradients.

  The method is that of Hestenes and Stiefel, 1952, for each channel.
  """
  x = _v_cycle(grids, flow)
  residual = _residual(x, flow, *grids[0])
  zero = np.zeros_like(flow)
  direction, previous = zero, np.ones(flow.shape[-1], np.float32)
  for _ in range(_MAX_STEPS):
    correction = _v_cycle(grids, residual)
    if np.abs(correction).max() < _TOLERANCE:
      return x + correction
    product = _dot(residual, correction)
    direction = correction + product / previous * direction
    # A times the direction.
    change = -_residual(direction, zero, *grids[0])
    step = product / _dot(direction, change)
    x += step * direction
    residual -= step * change
    previous = product
  return x


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """Returns the inner product of each channel, never 0, to divide by."""
  product = np.einsum('hwc,hwc->c', x, y, dtype=np.float64)
  return np.maximum(product, 1e-30).astype(np.float32)


def _v_cycle(grids: list[_Grid], flow: np.ndarray) -> np.ndarray:
  """Returns an approximate solution; as an operator it is symmetric."""
  grid, x = grids[0], np.zeros_like(flow)
  # The coarsest grid has four pixels at most: sweeps solve it.
  for _ in range(1 if grids[1:] else 8):
    _relax(x, flow, *grid, 0)
    _relax(x, flow, *grid, 1)
  if grids[1:]:
    coarse = _v_cycle(grids[1:], _restrict(_residual(x, flow, *grid)))
    _add_coarse(x, coarse, grid.total)
  for _ in range(1 if grids[1:] else 8):
    _relax(x, flow, *grid, 1)
    _relax(x, flow, *grid, 0)
  return x


@_compile
def connect(
  image: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Returns the conductances and the flow from known pixels, see _Grid."""
  height, width, channels = image.shape
  right = np.zeros((height + 2, width + 2), np.float32)
  down = np.zeros_like(right)
  to_known = np.zeros_like(right)
  flow = np.zeros((height + 2, width + 2, channels), np.float32)
  for y in range(height):
    for x in range(width):
      for dy, dx in ((0, 1), (1, 0)):
        v, u = y + dy, x + dx
        if v == height or u == width:
          continue
        if hole[y, x] and hole[v, u]:
          if dx:
            right[y + 1, x + 1] = 1
          else:
            down[y + 1, x + 1] = 1
        elif hole[y, x]:
          to_known[y + 1, x + 1] += 1
          for c in range(channels):
            flow[y + 1, x + 1, c] += image[v, u, c]
        elif hole[v, u]:
          to_known[v + 1, u + 1] += 1
          for c in range(channels):
            flow[v + 1, u + 1, c] += image[y, x, c]
  return right, down, to_known, flow


def _add_up(
  right: np.ndarray, down: np.ndarray, to_known: np.ndarray
) -> np.ndarray:
  """Returns the conductance that leaves each pixel."""
  total = to_known + right + down
  total[:, 1:] += right[:, :-1]
  total[1:] += down[:-1]
  return total


@_compile
def _coarsen(
  right: np.ndarray, down: np.ndarray, to_known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the conductances of the grid of half the resolution."""
  height, width = right.shape[0] - 2, right.shape[1] - 2
  shape = ((height + 1) // 2 + 2, (width + 1) // 2 + 2)
  coarse_right = np.zeros(shape, np.float32)
  coarse_down = np.zeros(shape, np.float32)
  coarse_known = np.zeros(shape, np.float32)
  for y in range(1, height + 1):
    for x in range(1, width + 1):
      v, u = (y + 1) // 2, (x + 1) // 2
      coarse_known[v, u] += _TO_KNOWN * to_known[y, x]
      # Two conductors side by side, each twice as long.
      if x % 2 == 0:
        coarse_right[v, u] += right[y, x] / 2
      if y % 2 == 0:
        coarse_down[v, u] += down[y, x] / 2
  return coarse_right, coarse_down, coarse_known


# The sum of _relax and _residual stands in both: as a function of its own it is
# called for each value, and a fill took five times as long.
@_compile
def _relax(
  values: np.ndarray,
  flow: np.ndarray,
  right: np.ndarray,
  down: np.ndarray,
  total: np.ndarray,
  colour: int,
) -> None:
  """Balances the pixels of one colour of a chessboard, in place."""
  height, width, channels = values.shape
  for y in range(1, height - 1):
    for x in range(1 + (y + colour) % 2, width - 1, 2):
      if total[y, x] > 0:
        for c in range(channels):
          values[y, x, c] = (
            flow[y, x, c]
            + right[y, x - 1] * values[y, x - 1, c]
            + right[y, x] * values[y, x + 1, c]
            + down[y - 1, x] * values[y - 1, x, c]
            + down[y, x] * values[y + 1, x, c]
          ) / total[y, x]


@_compile
def _residual(
  values: np.ndarray,
  flow: np.ndarray,
  right: np.ndarray,
  down: np.ndarray,
  total: np.ndarray,
) -> np.ndarray:
  """Returns inflow less outflow of each pixel and channel."""
  height, width, channels = values.shape
  residual = np.zeros_like(values)
  for y in range(1, height - 1):
    for x in range(1, width - 1):
      if total[y, x] > 0:
        for c in range(channels):
          residual[y, x, c] = (
            flow[y, x, c]
            + right[y, x - 1] * values[y, x - 1, c]
            + right[y, x] * values[y, x + 1, c]
            + down[y - 1, x] * values[y - 1, x, c]
            + down[y, x] * values[y + 1, x, c]
            - total[y, x] * values[y, x, c]
          )
  return residual


@_compile
def _restrict(residual: np.ndarray) -> np.ndarray:
  """Returns the sums over 2x2 pixels."""
  height, width, channels = residual.shape
  shape = ((height - 1) // 2 + 2, (width - 1) // 2 + 2, channels)
  coarse = np.zeros(shape, np.float32)
  for y in range(1, height - 1):
    for x in range(1, width - 1):
      for c in range(channels):
        coarse[(y + 1) // 2, (x + 1) // 2, c] += residual[y, x, c]
  return coarse


@_compile
def _add_coarse(
  values: np.ndarray, coarse: np.ndarray, total: np.ndarray
) -> None:
  """Adds to each pixel of the hole the value of its coarse one, in place."""
  height, width, channels = values.shape
  for y in range(1, height - 1):
    for x in range(1, width - 1):
      if total[y, x] > 0:
        for c in range(channels):
          values[y, x, c] += coarse[(y + 1) // 2, (x + 1) // 2, c]
