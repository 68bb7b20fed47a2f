"""The harmonic fill: the smoothest surface that meets the known pixels.

Each pixel of the hole becomes the mean of its neighbours (the discrete Laplace
equation with the known pixels as boundary values; at the image's edge the
slope across it is zero). This is a linear system with one unknown for each
pixel and channel. It is solved to convergence for holes of any shape by
conjugate gradients, with one multigrid V-cycle as the preconditioner of each
step, in time proportional to the number of pixels. See Briggs, Henson and
McCormick, A Multigrid Tutorial, 2000.

The grid is a network of conductors: one of conductance 1 joins each pixel of
the hole to each neighbour, in the hole or known. A coarser grid joins 2x2
pixels into one. Only pixels of the hole are stored, so that many small holes
that lie far apart cost no more than the pixels that they cover.
"""

from typing import NamedTuple

import numpy as np

from inpaint_jax.inpainting import kernels, windows

# The solution is accepted when a step corrects no value by more than this, in a
# range of 1: the error is then below half of an 8-bit level (measured in the
# test against a direct solver).
_TOLERANCE = 0.1 / 255
_MAX_STEPS = 100
# A coarse pixel's distance to a known one is 1.5 fine pixels, not 2: its
# conductance is 2 / 1.5 / 2 = 2/3 of the sum of the fine ones. With 1/2 the
# solver takes twice the steps.
_TO_KNOWN = 2 / 3
# About how many pixels a thread works on at a time.
_BAND = 2**14
# Rows and columns from a pixel to its neighbours.
SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))


class Grid(NamedTuple):
  """The n pixels of the hole at one resolution.

  Coloured like a chessboard, the pixels of one colour come before those of the
  other. Values of pixels, float32 [n + 1, C], have a row of zeros at the end,
  for neighbours that are not in the hole.

  Attributes:
    rows, columns: [n].
    neighbours: int32 [n, 4], indices of the pixels on the four `SIDES`; n where
      no pixel of the hole is.
    weights: float32 [n, 4], the conductances to the neighbours.
    total: float32 [n], the sum of these and of those to known pixels.
    num_first: number of pixels of the first colour.
    parents: int32 [n], the pixels' indices in the next coarser grid.
    bounds: where parts of the first colour begin and end that share no parents.
  """

  rows: np.ndarray
  columns: np.ndarray
  neighbours: np.ndarray
  weights: np.ndarray
  total: np.ndarray
  num_first: int
  parents: np.ndarray
  bounds: np.ndarray


def harmonic_fill(image: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Fills the unknown pixels with the smoothest surface.

  Args:
    image: float [H, W, C]; values of unknown pixels are not read.
    known: bool [H, W]. If none is known, the result is zero.

  Returns:
    float32 [H, W, C], equal to `image` where it is known.
  """
  filled = np.where(known[..., None], image, 0).astype(np.float32)
  if known.all() or not known.any():
    return filled
  box = windows.find_box(~known)
  part, hole = filled[box], ~known[box]
  grids = connect(hole)
  rows, columns = grids[0].rows, grids[0].columns
  flow = np.zeros((len(rows) + 1, image.shape[-1]), np.float32)
  beside = [find_known(hole, *grids[0][:3], side) for side in range(4)]
  # Relative to their mean: known values that are all equal leave no error.
  values = np.concatenate([part[y, x] for _, y, x in beside])
  mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
  for which, y, x in beside:
    flow[which] += part[y, x] - mean
  part[rows, columns] = solve(grids, flow) + mean
  return filled


def connect(hole: np.ndarray) -> list[Grid]:
  """Returns the grids of a hole, bool [H, W], finest grid first."""
  rows, columns, num_first = _list_pixels(hole)
  height, width = hole.shape
  neighbours = _find_neighbours(rows, columns, height, width)
  to_known = np.zeros(len(rows), np.float32)
  for side in range(4):
    to_known[find_known(hole, rows, columns, neighbours, side)[0]] += 1
  weights = (neighbours < len(rows)).astype(np.float32)
  grids: list[Grid] = []
  while True:
    total = to_known + weights.sum(axis=1)
    bounds = _divide(rows[:num_first] // 2)
    grid = Grid(
      rows, columns, neighbours, weights, total, num_first, rows, bounds
    )
    if max(height, width) <= 2:
      return [*grids, grid]
    height, width = (height + 1) // 2, (width + 1) // 2
    cells = np.zeros((height, width), bool)
    at = rows // 2, columns // 2
    cells[at] = True
    # For each side, which pixels have a neighbour with another parent.
    odd = rows % 2 == 1, columns % 2 == 1
    crossings = odd[1], odd[0], ~odd[1], ~odd[0]
    rows, columns, num_first = _list_pixels(cells)
    parents = _number(rows, columns, height, width)[at[0] + 1, at[1] + 1]
    grids.append(grid._replace(parents=parents))
    # Two conductors side by side, each twice as long.
    weights = np.stack(
      [
        _add_up(parents[crosses], weights[crosses, side], len(rows)) / 2
        for side, crosses in enumerate(crossings)
      ],
      axis=1,
    )
    to_known = np.float32(_TO_KNOWN) * _add_up(parents, to_known, len(rows))
    neighbours = _find_neighbours(rows, columns, height, width)


def solve(
  grids: list[Grid], flow: np.ndarray, tolerance: float = _TOLERANCE
) -> np.ndarray:
  """Returns the values of the network at which inflow and outflow agree.

  It uses the conjugate gradients of Hestenes and Stiefel, 1952, for all
  channels as one system.

  Args:
    grids: the grids of the hole, see `connect`.
    flow: float32 [n + 1, C], the inflow from known pixels, 0 at the end.
    tolerance: the solution is accepted when no step corrects it by more.

  Returns:
    float32 [n, C].
  """
  x = _v_cycle(grids, flow)
  residual = _subtract(grids[0], x, flow)
  direction, previous = _zeros(flow), 1.0
  for _ in range(_MAX_STEPS):
    correction = _v_cycle(grids, residual)
    if max(correction.max(), -correction.min()) < tolerance:
      x += correction
      break
    product = _dot(residual, correction)
    direction *= np.float32(product / previous)
    direction += correction
    # Large holes need the memory for the next cycle.
    del correction
    # Minus the system's matrix times the direction.
    change = _subtract(grids[0], direction, _zeros(flow))
    step = np.float32(product / -_dot(direction, change))
    residual += step * change
    del change
    x += step * direction
    previous = product
  return x[:-1]


def _list_pixels(hole: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
  """Returns rows and columns, sorted by colour, and how many have the first."""
  rows, columns = (x.astype(np.int32) for x in np.nonzero(hole))
  is_second = (rows + columns) % 2 == 1
  return (
    np.concatenate([rows[~is_second], rows[is_second]]),
    np.concatenate([columns[~is_second], columns[is_second]]),
    int(np.count_nonzero(~is_second)),
  )


def _number(
  rows: np.ndarray, columns: np.ndarray, height: int, width: int
) -> np.ndarray:
  """Returns each pixel's index, int32 [height + 2, width + 2]; n elsewhere."""
  number = np.full((height + 2, width + 2), len(rows), np.int32)
  number[rows + 1, columns + 1] = np.arange(len(rows))
  return number


def _find_neighbours(
  rows: np.ndarray, columns: np.ndarray, height: int, width: int
) -> np.ndarray:
  number = _number(rows, columns, height, width).ravel()
  place = (rows + 1) * np.intp(width + 2) + (columns + 1)
  neighbours = np.empty((len(rows), 4), np.int32)

  def find(side: int) -> None:
    step = SIDES[side][0] * (width + 2) + SIDES[side][1]
    neighbours[:, side] = number.take(place + step)

  kernels.for_each(range(4), find)
  return neighbours


def find_known(
  hole: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
  neighbours: np.ndarray,
  side: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the pixels with a known neighbour on a side; its row and column.

  Args:
    hole: bool [H, W]; `rows`, `columns` and `neighbours` are those of a Grid.
    side: index of SIDES.
  """
  which = np.flatnonzero(neighbours[:, side] == len(rows))
  y, x = rows[which] + SIDES[side][0], columns[which] + SIDES[side][1]
  inside = (y >= 0) & (x >= 0) & (y < hole.shape[0]) & (x < hole.shape[1])
  return which[inside], y[inside], x[inside]


def _add_up(places: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
  return np.bincount(places, values, count).astype(np.float32)


def _divide(groups: np.ndarray) -> np.ndarray:
  """Returns bounds about _BAND apart, each where a group of equals begins."""
  starts = np.flatnonzero(np.diff(groups)) + 1
  nearest = np.searchsorted(starts, np.arange(_BAND, len(groups), _BAND))
  starts = np.unique(starts[nearest[nearest < len(starts)]])
  return np.concatenate([[0], starts, [len(groups)]])


def _zeros(like: np.ndarray) -> np.ndarray:
  # Not zeros_like, which writes the zeros: new memory has them already.
  return np.zeros(like.shape, like.dtype)


def _dot(x: np.ndarray, y: np.ndarray) -> float:
  """Returns the inner product, never 0, to divide by."""
  # Not BLAS, whose sums depend on the number of threads.
  return float(np.einsum('i,i->', x.ravel(), y.ravel())) or 1e-30


def _v_cycle(grids: list[Grid], flow: np.ndarray) -> np.ndarray:
  """Returns an approximate solution; as an operator it is symmetric."""
  grid, x = grids[0], _zeros(flow)
  count = len(grid.total)
  halves = (0, grid.num_first), (grid.num_first, count)
  # The coarsest grid has four pixels at most: sweeps solve it.
  num_sweeps = 1 if grids[1:] else 8
  for _ in range(num_sweeps):
    for half in halves:
      _sweep(grid, x, flow, *half)
  if grids[1:]:
    coarse = np.zeros((len(grids[1].total) + 1, flow.shape[1]), np.float32)
    bounds = grid.bounds
    # The sweep left the pixels of the second colour without a residual.
    kernels.for_bands(
      len(bounds) - 1,
      lambda k, _: _find_residual(
        x, flow, *grid[2:5], grid.parents, coarse, bounds[k], bounds[k + 1]
      ),
      1,
    )
    above = _v_cycle(grids[1:], coarse)

    def correct(first: int, last: int) -> None:
      x[first:last] += np.take(above, grid.parents[first:last], axis=0)

    kernels.for_bands(count, correct, _BAND)
  for _ in range(num_sweeps):
    for half in reversed(halves):
      _sweep(grid, x, flow, *half)
  return x


def _sweep(
  grid: Grid, x: np.ndarray, flow: np.ndarray, first: int, last: int
) -> None:
  """Balances pixels of one colour, in place."""
  kernels.for_bands(
    last - first,
    lambda a, b: _find_residual(
      x, flow, *grid[2:5], grid.parents[:0], x, first + a, first + b
    ),
    _BAND,
  )


def _subtract(grid: Grid, x: np.ndarray, flow: np.ndarray) -> np.ndarray:
  """Returns inflow less outflow of each pixel, float32 [n + 1, C]."""
  result, itself = _zeros(flow), np.arange(len(flow), dtype=np.int32)
  kernels.for_bands(
    len(grid.total),
    lambda first, last: _find_residual(
      x, flow, *grid[2:5], itself, result, first, last
    ),
    _BAND,
  )
  return result


@kernels.kernel
def _find_residual(
  values: np.ndarray,
  flow: np.ndarray,
  neighbours: np.ndarray,
  weights: np.ndarray,
  total: np.ndarray,
  places: np.ndarray,
  result: np.ndarray,
  first: int,
  last: int,
) -> None:
  """Computes inflow less outflow of some pixels.

  It is added to the result at their places; if there are no places, the values
  are changed in place to balance it. One function compiles faster than two.
  """
  for i in range(first, last):
    for c in range(values.shape[1]):
      residual = flow[i, c] - total[i] * values[i, c]
      for k in range(4):
        residual += weights[i, k] * values[neighbours[i, k], c]
      if len(places):
        result[places[i], c] += residual
      else:
        values[i, c] += residual / total[i]
