"""Windows: the parts of an image in which its holes are filled.

An image of up to two megapixels is one window. In a larger one, each large hole
has a window of its own, with surroundings in proportion to its size, and small
ones that lie near each other share one: thousands of specks become a few
windows. These are filled in parallel, in an order that keeps windows that lie
near each other apart.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

# An image of up to this many pixels is one window.
_WHOLE = 2 * 10**6
# A hole whose box has more pixels than this is cut, which bounds the memory.
_LARGEST = 6 * 10**6
# A hole is deep if a pixel of it is further than this from all known ones. Of 8
# borders that are not, those that were cut had 3% less error than with a draft.
_DEEP = 512
# Side in pixels of the cells of a grid on which separate holes are found.
_CELL = 8
# Holes of at most _SMALL pixels a side share a window with those of the same
# tile, of _TILE pixels a side. With their surroundings they are smaller than a
# tile, so that every other tile may be filled at the same time.
_TILE = 1024
_SMALL = 256
# The smallest and the largest margin around a hole, in pixels on each side.
_LEAST, _MOST = 64, 512
# Side of a patch to copy, in pixels.
_PATCH = 5

# First row, first column, last row + 1, last column + 1.
Box = tuple[int, int, int, int]


class Window(NamedTuple):
  """A part of an image.

  Attributes:
    rows, columns: the rows and columns of the image that it shows.
    inner: rows and columns of the image whose holes this window fills; other
      holes in it belong to other windows.
    is_cut: whether it fills a part of a deep hole that is too large for one
      window.
  """

  rows: slice
  columns: slice
  inner: tuple[slice, slice]
  is_cut: bool = False

  def locate(self, box: tuple[slice, slice]) -> tuple[slice, slice]:
    """Returns where rows and columns of the image lie in the window."""
    rows, columns = (
      slice(max(part.start - own.start, 0), max(part.stop - own.start, 0))
      for part, own in zip(box, (self.rows, self.columns), strict=True)
    )
    return rows, columns


def find_box(hole: np.ndarray, margin: int = 1) -> tuple[slice, slice]:
  """Returns the rows and columns of the hole and of `margin` pixels around."""
  rows = np.flatnonzero(hole.any(axis=1))
  columns = np.flatnonzero(hole.any(axis=0))
  bottom, right = rows[-1] + 1 + margin, columns[-1] + 1 + margin
  return (
    slice(max(rows[0] - margin, 0), min(bottom, len(hole))),
    slice(max(columns[0] - margin, 0), min(right, hole.shape[1])),
  )


def find_windows(hole: np.ndarray, barred: np.ndarray) -> list[list[Window]]:
  """Returns windows that together hold all holes of an image, in turns.

  No pixel is filled by two windows of a turn, and they may be filled at the
  same time. A hole may be in windows of several turns: the first fills it, and
  the others see it as known. Each window holds something to copy, if there is
  anything.

  Args:
    hole: bool [H, W].
    barred: bool [H, W], pixels that may not be copied.
  """
  height, width = hole.shape
  if height * width <= _WHOLE:
    everything = slice(0, height), slice(0, width)
    return [[Window(*everything, everything)]]
  large: list[tuple[Box, int, bool]] = []
  tiles: dict[tuple[int, int], tuple[Box, int]] = {}
  for box in _find_boxes(hole):
    extent = max(box[2] - box[0], box[3] - box[1])
    if extent > _SMALL:
      parts = _cut(box)
      is_cut = len(parts) > 1 and _is_deep(hole, box)
      large += [(part, extent, is_cut) for part in parts]
    else:
      key = box[0] // _TILE, box[1] // _TILE
      joined, most = tiles.get(key, (box, 0))
      tiles[key] = _join(joined, box), max(most, extent)
  turns = [[part] for part in large]
  for odd in itertools.product((0, 1), repeat=2):
    turns.append(
      [(*x, False) for at, x in tiles.items() if (at[0] % 2, at[1] % 2) == odd]
    )
  return [
    [
      _surround(box, extent, hole, barred)._replace(is_cut=is_cut)
      for box, extent, is_cut in turn
    ]
    for turn in turns
    if turn
  ]


def find_scale(hole: np.ndarray) -> int:
  """Returns by how much an image must be reduced so that no deep hole is cut.

  A power of two. The parts of a thin hole fit together without this, since each
  is near known pixels.

  Args:
    hole: bool [H, W].
  """
  scale = 1
  for box in _find_boxes(hole):
    size = _count(box)
    if size > scale**2 * _LARGEST and _is_deep(hole, box):
      scale = 2 ** math.ceil(math.log2(size / _LARGEST) / 2)
  return scale


def _is_deep(hole: np.ndarray, box: Box) -> bool:
  """Returns whether a box has a pixel of the hole far from known ones."""
  cells = hole[to_slices(_grow(box, _CELL, hole.shape))]
  for axis, length in enumerate(cells.shape):
    starts = np.arange(0, length, _CELL)
    cells = np.logical_and.reduceat(cells, starts, axis=axis)
  depth = ndimage.distance_transform_cdt(cells, 'chessboard')
  return bool(depth.max() * _CELL > _DEEP)


def _find_boxes(hole: np.ndarray) -> list[Box]:
  """Returns the boxes of separate holes, in whole cells."""
  rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
  top, left = rows[0], columns[0]
  cells = hole[top : rows[-1] + 1, left : columns[-1] + 1]
  bottom, right = top + cells.shape[0], left + cells.shape[1]
  for axis, length in enumerate(cells.shape):
    starts = np.arange(0, length, _CELL)
    cells = np.logical_or.reduceat(cells, starts, axis=axis)
  labels, _ = ndimage.label(cells, np.ones((3, 3), bool))
  return [
    (
      int(top + ys.start * _CELL),
      int(left + xs.start * _CELL),
      int(min(top + ys.stop * _CELL, bottom)),
      int(min(left + xs.stop * _CELL, right)),
    )
    for ys, xs in ndimage.find_objects(labels)
  ]


def to_slices(
  box: Box, corner: tuple[int, int] = (0, 0)
) -> tuple[slice, slice]:
  """Returns the rows and columns of a box, moved to a corner."""
  return (
    slice(corner[0] + box[0], corner[0] + box[2]),
    slice(corner[1] + box[1], corner[1] + box[3]),
  )


def halve(box: Box) -> tuple[Box, Box]:
  """Cuts a box across its longer side."""
  top, left, bottom, right = box
  if bottom - top >= right - left:
    middle = (top + bottom) // 2
    return (top, left, middle, right), (middle, left, bottom, right)
  middle = (left + right) // 2
  return (top, left, bottom, middle), (top, middle, bottom, right)


def align(window: Window, step: int) -> Window:
  """Returns a window whose first row and column are multiples of a step."""
  rows, columns = (
    slice(x.start // step * step, x.stop) for x in (window.rows, window.columns)
  )
  return window._replace(rows=rows, columns=columns)


def _count(box: Box) -> int:
  return (box[2] - box[0]) * (box[3] - box[1])


def _join(a: Box, b: Box) -> Box:
  return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _cut(box: Box) -> list[Box]:
  """Halves a box across its longer side until no part is too large."""
  if _count(box) <= _LARGEST:
    return [box]
  return [part for half in halve(box) for part in _cut(half)]


def _surround(
  box: Box, extent: int, hole: np.ndarray, barred: np.ndarray
) -> Window:
  """Returns the window around a box.

  Args:
    extent: longer side of the largest hole in the box; it sets the margin.
    hole, barred: see `find_windows`.
  """
  margin = min(max(extent, _LEAST), _MOST)
  around = _grow(box, margin, hole.shape)
  inner = to_slices(box)
  if np.count_nonzero(~barred[to_slices(around)]) < np.count_nonzero(
    hole[inner]
  ):
    around = _join(around, _find_nearest(box, barred) or around)
  return Window(*to_slices(around), inner)


def _grow(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
  return (
    max(box[0] - margin, 0),
    max(box[1] - margin, 0),
    min(box[2] + margin, shape[0]),
    min(box[3] + margin, shape[1]),
  )


def _find_nearest(box: Box, barred: np.ndarray) -> Box | None:
  """Returns a box around the nearest pixel to `box` that may be copied."""
  # Each patch holds one pixel of this grid.
  rows, columns = np.nonzero(~barred[::_PATCH, ::_PATCH])
  if not len(rows):
    return None
  rows, columns = rows * _PATCH, columns * _PATCH
  distance = np.hypot(
    np.maximum(np.maximum(box[0] - rows, rows - box[2]), 0),
    np.maximum(np.maximum(box[1] - columns, columns - box[3]), 0),
  )
  nearest = np.argmin(distance)
  row, column = int(rows[nearest]), int(columns[nearest])
  at = row, column, row + 1, column + 1
  return _grow(at, _MOST, barred.shape)
