"""The harmonic fill: the smoothest surface that meets the known pixels.

Each pixel of the hole becomes the mean of its neighbours (the discrete Laplace
equation with the known pixels as boundary values; at the image's edge the
slope across it is zero). It is a linear system with one unknown a pixel and
channel, solved to convergence for holes of any shape: by conjugate gradients,
each step preconditioned by one multigrid V-cycle, in time proportional to the
number of pixels. See Briggs, Henson and McCormick, A Multigrid Tutorial, 2000.

The grid is a network of conductors: a pixel of the hole has one of conductance
1 to each neighbour, be that in the hole or known. A coarser grid joins 2x2
pixels into one. Only pixels of the hole are stored, so that many small holes
that lie far apart cost no more than what they cover.
"""

from typing import NamedTuple

import numpy as np

from inpaint_jax.inpainting import kernels

# Largest correction of a step, of a range of 1, at which the solution is
# taken: the error is then below half of an 8-bit level (measured in the test
# against a direct solver).
_TOLERANCE = 0.1 / 255
_MAX_STEPS = 100
# A coarse pixel's distance to a known one is 1.5 fine pixels, not 2: its
# conductance is 2 / 1.5 / 2 = 2/3 of the sum of the fine ones. With 1/2 the
# solver takes twice the steps.
_TO_KNOWN = 2 / 3
# Rows and columns from a pixel to its neighbours.
SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))


class Grid(NamedTuple):
  """The n pixels of the hole at one resolution.

  Those of one colour of a chessboard come before those of the other. Values of
  pixels, float32 [n + 1, C], have a row of zeros at the end, for neighbours
  that are not in the hole.

  Attributes:
    rows, columns: [n].
    neighbours: int32 [n, 4], the pixels on the `SIDES`; n where there is none.
    weights: float32 [n, 4], the conductances to them.
    total: float32 [n], the sum of these and of those to known pixels.
    num_first: how many have the first colour.
    parents: int32 [n], the pixels of the next coarser grid.
  """

  rows: np.ndarray
  columns: np.ndarray
  neighbours: np.ndarray
  weights: np.ndarray
  total: np.ndarray
  num_first: int
  parents: np.ndarray


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
  box = find_box(~known)
  part, hole = filled[box], ~known[box]
  grids = connect(hole)
  rows, columns = grids[0].rows, grids[0].columns
  flow = np.zeros((len(rows) + 1, image.shape[-1]), np.float32)
  beside = [_find_known(hole, rows, columns, side) for side in SIDES]
  # Beside their mean, known values that are all alike leave no error.
  values = np.concatenate([part[y, x] for _, y, x in beside])
  mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
  for which, y, x in beside:
    flow[which] += part[y, x] - mean
  part[rows, columns] = solve(grids, flow) + mean
  return filled


def find_box(hole: np.ndarray) -> tuple[slice, slice]:
  """Returns rows and columns of the hole, and a pixel around it."""
  rows = np.flatnonzero(hole.any(axis=1))
  columns = np.flatnonzero(hole.any(axis=0))
  return (
    slice(max(rows[0] - 1, 0), rows[-1] + 2),
    slice(max(columns[0] - 1, 0), columns[-1] + 2),
  )


def connect(hole: np.ndarray) -> list[Grid]:
  """Returns the grids of a hole, bool [H, W], the finest first."""
  rows, columns, num_first = _list_pixels(hole)
  to_known = np.zeros(len(rows), np.float32)
  for side in SIDES:
    to_known[_find_known(hole, rows, columns, side)[0]] += 1
  height, width = hole.shape
  neighbours = _find_neighbours(rows, columns, height, width)
  weights = (neighbours < len(rows)).astype(np.float32)
  grids: list[Grid] = []
  while True:
    total = to_known + weights.sum(axis=1)
    grid = Grid(rows, columns, neighbours, weights, total, num_first, rows)
    if max(height, width) <= 2:
      return [*grids, grid]
    height, width = (height + 1) // 2, (width + 1) // 2
    cells = np.zeros((height, width), bool)
    cells[rows // 2, columns // 2] = True
    at = rows // 2, columns // 2
    crossings = [
      ((rows + dy) // 2 != at[0]) | ((columns + dx) // 2 != at[1])
      for dy, dx in SIDES
    ]
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

  The method is that of Hestenes and Stiefel, 1952, for each channel.

  Args:
    grids: of the hole, see `connect`.
    flow: float32 [n + 1, C], what flows in from known pixels, 0 at the end.
    tolerance: largest correction of a step at which the solution is taken.

  Returns:
    float32 [n, C].
  """
  itself = np.arange(len(flow), dtype=np.int32)
  x = _v_cycle(grids, flow)
  residual = np.zeros_like(flow)
  _add_residual(x, flow, *_network(grids[0]), itself, residual)
  zero = np.zeros_like(flow)
  direction, previous = zero, np.ones(flow.shape[-1], np.float32)
  change = np.empty_like(flow)
  for _ in range(_MAX_STEPS):
    correction = _v_cycle(grids, residual)
    if max(correction.max(), -correction.min()) < tolerance:
      x += correction
      break
    product = _dot(residual, correction)
    direction = correction + product / previous * direction
    # A times the direction, negative.
    change[:] = 0
    _add_residual(direction, zero, *_network(grids[0]), itself, change)
    step = -product / _dot(direction, -change)
    x -= step * direction
    residual -= step * change
    previous = product
  return x[:-1]


def _list_pixels(hole: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
  """Returns rows and columns by colour, and how many have the first."""
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
  """Returns the pixels' numbers, int32 [height + 2, width + 2]; n elsewhere."""
  number = np.full((height + 2, width + 2), len(rows), np.int32)
  number[rows + 1, columns + 1] = np.arange(len(rows))
  return number


def _find_neighbours(
  rows: np.ndarray, columns: np.ndarray, height: int, width: int
) -> np.ndarray:
  number = _number(rows, columns, height, width)
  return np.stack(
    [number[rows + 1 + dy, columns + 1 + dx] for dy, dx in SIDES], axis=1
  )


def _find_known(
  hole: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
  side: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns which pixels have a known one at a side; its row and column."""
  y, x = rows + side[0], columns + side[1]
  inside = (y >= 0) & (x >= 0) & (y < hole.shape[0]) & (x < hole.shape[1])
  which = np.flatnonzero(inside)
  which = which[~hole[y[which], x[which]]]
  return which, y[which], x[which]


def _add_up(places: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
  return np.bincount(places, values, count).astype(np.float32)


def _network(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  return grid.neighbours, grid.weights, grid.total


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """Returns the inner product of each channel, never 0, to divide by."""
  product = np.zeros(x.shape[1])
  _add_products(x, y, product)
  return np.maximum(product, 1e-30).astype(np.float32)


def _v_cycle(grids: list[Grid], flow: np.ndarray) -> np.ndarray:
  """Returns an approximate solution; as an operator it is symmetric."""
  grid, x = grids[0], np.zeros_like(flow)
  halves = (0, grid.num_first), (grid.num_first, len(grid.total))
  # The coarsest grid has four pixels at most: sweeps solve it.
  num_sweeps = 1 if grids[1:] else 8
  for _ in range(num_sweeps):
    for first, last in halves:
      _relax(x, flow, *_network(grid), first, last)
  if grids[1:]:
    coarse = np.zeros((len(grids[1].total) + 1, flow.shape[1]), np.float32)
    _add_residual(x, flow, *_network(grid), grid.parents, coarse)
    x[:-1] += np.take(_v_cycle(grids[1:], coarse), grid.parents, axis=0)
  for _ in range(num_sweeps):
    for first, last in reversed(halves):
      _relax(x, flow, *_network(grid), first, last)
  return x


@kernels.kernel
def _relax(
  values: np.ndarray,
  flow: np.ndarray,
  neighbours: np.ndarray,
  weights: np.ndarray,
  total: np.ndarray,
  first: int,
  last: int,
) -> None:
  """Balances some of the pixels, in place."""
  for i in range(first, last):
    for c in range(values.shape[1]):
      inflow = flow[i, c]
      for k in range(4):
        inflow += weights[i, k] * values[neighbours[i, k], c]
      values[i, c] = inflow / total[i]


@kernels.kernel
def _add_residual(
  values: np.ndarray,
  flow: np.ndarray,
  neighbours: np.ndarray,
  weights: np.ndarray,
  total: np.ndarray,
  places: np.ndarray,
  result: np.ndarray,
) -> None:
  """Adds inflow less outflow of each pixel to a place of the result."""
  for i in range(len(total)):
    for c in range(values.shape[1]):
      residual = flow[i, c] - total[i] * values[i, c]
      for k in range(4):
        residual += weights[i, k] * values[neighbours[i, k], c]
      result[places[i], c] += residual


@kernels.kernel
def _add_products(x: np.ndarray, y: np.ndarray, result: np.ndarray) -> None:
  """Adds the inner product of each channel, float64 [C]."""
  for i in range(len(x)):
    for c in range(x.shape[1]):
      result[c] += np.float64(x[i, c]) * np.float64(y[i, c])
