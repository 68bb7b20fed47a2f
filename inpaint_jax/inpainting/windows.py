"""Square windows around holes: what a model sees of an image of any size.

A model knows scenes at the scale at which it was trained, and a limited number
of pixels at once. So each hole is cut out with its surroundings as a square
window. A window has one of a few working sizes, for each of which the model is
compiled once; where the largest is too small for a hole, the window is reduced
by a whole factor.

Only windows become floats, and large ones are read and written in strips, so
that the memory for floats does not grow with the image.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import PIL.Image
from scipy import ndimage

# Holes are separated on a grid of cells of this side in pixels: for an image of
# 100 megapixels the grid has 1.5 million cells.
_CELL = 8
# The largest working size, unless the model was trained at a larger one.
_LARGEST = 512
# Pixels of an image that are processed together.
STRIP_PIXELS = 2**20
# After the model, a hole is refined at up to this many pixels a side, with this
# many around it, or as many as it is deep.
_FINE = 768
_AROUND = 128

Box = tuple[int, int, int, int]


class Window(NamedTuple):
  """A square of an image, and the hole for which it was cut out.

  Attributes:
    top, left: the window's first row and column; negative where the image is
      smaller than the window.
    size: the side at which the model sees it, one of `working_sizes`.
    factor: image pixels per window pixel, along each side.
    depth: distance in image pixels from the innermost pixel of the hole to the
      nearest known one.
    box: bounding box of the hole in the image: first row, first column, last
      row + 1, last column + 1.
    hole: bool [h, w], the hole within `box`.
  """

  top: int
  left: int
  size: int
  factor: int
  depth: float
  box: Box
  hole: np.ndarray

  @property
  def side(self) -> int:
    """The window's side in image pixels."""
    return self.size * self.factor

  @property
  def place(self) -> tuple[slice, slice]:
    """The window's rows and columns in the image."""
    return (
      slice(self.top, self.top + self.side),
      slice(self.left, self.left + self.side),
    )


def working_sizes(size: int) -> list[int]:
  """Returns the working sizes of a model, smallest first.

  Args:
    size: the side at which it was trained. It is doubled, up to 512.
  """
  found = [size]
  while 2 * found[-1] <= _LARGEST:
    found.append(2 * found[-1])
  return found


def max_depth(size: int) -> int:
  """Returns how deep a hole may be for a model that was trained at `size`.

  In pixels, from the innermost to the nearest known one. In training, holes are
  about half as wide as the image.
  """
  return max(size // 4, 1)


def find_windows(hole: np.ndarray, size: int) -> list[Window]:
  """Returns windows whose holes together are all holes of an image.

  Holes that touch, or lie within some ten pixels, share a window. A hole that
  is long for its depth, such as a scratch or the frame of an extended image, is
  cut into pieces; each has its own window, in which the pieces before it are
  already filled.

  Args:
    hole: bool [H, W].
    size: the side at which the model was trained.
  """
  any_hole = _reduce_cells(np.logical_or, hole)
  all_hole = _reduce_cells(np.logical_and, hole)
  labels, _ = ndimage.label(any_hole, np.ones((3, 3), bool))
  found = []
  for label, place in enumerate(ndimage.find_objects(labels), start=1):
    pieces = [(place, labels[place] == label)]
    while pieces:
      place, cells = pieces.pop()
      box, piece, depth = _measure(hole, all_hole, place, cells)
      window = _create_window(box, piece, depth, hole.shape, size)
      if window is None:
        pieces += _cut_in_two(place, cells)
      else:
        found.append(window)
  return found


def iter_hole_strips(
  window: Window, shape: tuple[int, int], margin: int
) -> Iterator[tuple[slice, slice, np.ndarray]]:
  """Yields a window's hole with a margin, strip by strip.

  Args:
    window: the window.
    shape: height and width of the image.
    margin: pixels around the hole's box on all sides, up to the image's edge.

  Yields:
    Rows and columns of a strip in the image, and bool [rows + 2 margin,
    columns]: the window's hole there. Strips do not overlap, but each mask
    continues by the margin above and below its strip.
  """
  height, width = shape
  top, left, bottom, right = window.box
  first, last = max(top - margin, 0), min(bottom + margin, height)
  columns = slice(max(left - margin, 0), min(right + margin, width))
  strip_width = columns.stop - columns.start
  inside = slice(left - columns.start, right - columns.start)
  step = max(STRIP_PIXELS // strip_width, 4 * margin, 1)
  for row in range(first, last, step):
    rows = slice(row, min(row + step, last))
    mask = np.zeros((rows.stop - row + 2 * margin, strip_width), bool)
    begin, end = max(row - margin, top), min(rows.stop + margin, bottom)
    if begin < end:
      at = begin - (row - margin)
      mask[at : at + end - begin, inside] = window.hole[begin - top : end - top]
    yield rows, columns, mask


def cut_out(
  image: np.ndarray, missing: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray]:
  """Cuts out a window and reduces it to its working size.

  Beyond the image's edge the image is mirrored.

  Args:
    image: uint8 or uint16 [H, W, 3].
    missing: bool [H, W], all holes of the image that are not filled yet.
    window: what to cut out.

  Returns:
    float32 [size, size, 3] in [0, 1], whose holes are black, and float32
    [size, size, 1] in {0, 1}, 1 = hole. A reduced pixel is hole if any of its
    pixels is: no known pixel of the window depends on what a hole holds.
  """
  size, factor = window.size, window.factor
  rows = _mirrored_indices(window.top, window.side, missing.shape[0])
  columns = _mirrored_indices(window.left, window.side, missing.shape[1])
  part = np.empty((size, size, 3), np.float32)
  mask = np.empty((size, size, 1), np.float32)
  step = max(STRIP_PIXELS // (factor * window.side), 1)
  for row in range(0, size, step):
    at = np.s_[row : row + step]
    place = np.ix_(rows[row * factor : (row + step) * factor], columns)
    unknown = _blocks(missing[place][..., None], factor).any(axis=(1, 3))
    total = _blocks(image[place], factor).sum(axis=(1, 3), dtype=np.uint64)
    mask[at] = unknown
    part[at] = np.where(unknown, 0, total / factor**2)
  part /= np.iinfo(image.dtype).max
  return part, mask


def refinement_window(window: Window) -> Window:
  """Returns a less reduced window on the same hole, or the window itself.

  It holds the hole and as much around it as the hole is deep, lies within the
  other window, and is reduced by a power of two only where the hole has more
  than 768 pixels a side. Its size need not be a working size, since no model
  sees it.
  """
  top, left, bottom, right = window.box
  extent = max(bottom - top, right - left)
  factor = 1
  while factor * _FINE < extent:
    factor *= 2
  if factor >= window.factor:
    return window
  # Both are a whole number of reduced pixels.
  around = max(_AROUND, round(window.depth / factor))
  size = min(-(-extent // factor) + 2 * around, window.side // factor)
  side = size * factor

  def start(first: int, last: int, begin: int) -> int:
    middle = (first + last - side) // 2
    return min(max(middle, begin), begin + window.side - side)

  return window._replace(
    top=start(top, bottom, window.top),
    left=start(left, right, window.left),
    size=size,
    factor=factor,
  )


def resample(
  image: np.ndarray,
  window: Window,
  rows: slice,
  columns: slice,
  factor: int = 1,
) -> np.ndarray:
  """Resamples a part of a window at another resolution.

  Args:
    image: float32 [size, size, C], the content of the window.
    window: the window.
    rows, columns: the part, in image pixels.
    factor: image pixels per pixel of the result, along each side.

  Returns:
    float32 [rows / factor, columns / factor, C], by bicubic interpolation
    unless the resolution is the window's.
  """
  top, bottom = rows.start - window.top, rows.stop - window.top
  left, right = columns.start - window.left, columns.stop - window.left
  n = window.factor
  if n == factor == 1:
    return image[top:bottom, left:right]
  box = (left / n, top / n, right / n, bottom / n)
  return resize(image, (bottom - top) // factor, (right - left) // factor, box)


def resize(
  image: np.ndarray,
  height: int,
  width: int,
  box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
  """Resizes [h, w, C] to float32 [height, width, C] by bicubic interpolation.

  Args:
    image: float, of any range.
    height, width: the new size in pixels.
    box: left, top, right and bottom of the part to take; None = all.
  """
  # Pillow resizes float images of one channel only.
  channels = [
    PIL.Image.fromarray(np.ascontiguousarray(image[..., i], np.float32)).resize(
      (width, height), PIL.Image.Resampling.BICUBIC, box=box
    )
    for i in range(image.shape[-1])
  ]
  return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _reduce_cells(function: np.ufunc, hole: np.ndarray) -> np.ndarray:
  """Reduces bool [H, W] over the cells of the grid."""
  for axis, length in enumerate(hole.shape):
    hole = function.reduceat(hole, np.arange(0, length, _CELL), axis=axis)
  return hole


def _measure(
  hole: np.ndarray,
  all_hole: np.ndarray,
  place: tuple[slice, slice],
  cells: np.ndarray,
) -> tuple[Box, np.ndarray, float]:
  """Returns the box of a piece, bool [h, w], its hole there, and its depth.

  Exact to the pixel where the piece is small, else to the cell. What lies
  beyond the image's edge is not known, so an edge makes no hole less deep.
  """
  top, left = (x.start * _CELL for x in place)
  bottom = min(place[0].stop * _CELL, hole.shape[0])
  right = min(place[1].stop * _CELL, hole.shape[1])
  pixels = cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
  piece = hole[top:bottom, left:right]
  piece = piece & pixels[: bottom - top, : right - left]
  if piece.size > STRIP_PIXELS:
    above, before = (max(x.start - 1, 0) for x in place)
    area = np.s_[above : place[0].stop + 1, before : place[1].stop + 1]
    offset = place[0].start - above, place[1].start - before
    depth = _CELL * _depth(all_hole[area], cells, offset)
    return (top, left, bottom, right), piece, depth
  above, before = max(top - 1, 0), max(left - 1, 0)
  area = np.s_[above : bottom + 1, before : right + 1]
  depth = _depth(hole[area], piece, (top - above, left - before))
  rows, columns = _bounds(piece)
  box = (
    top + rows.start,
    left + columns.start,
    top + rows.stop,
    left + columns.stop,
  )
  return box, piece[rows, columns], depth


def _depth(
  unknown: np.ndarray, piece: np.ndarray, offset: tuple[int, int]
) -> float:
  """Returns the largest distance from `piece`, at an offset, to the known."""
  if unknown.all():
    return float(max(unknown.shape))
  distance = ndimage.distance_transform_cdt(unknown, 'chessboard')
  distance = distance[offset[0] :, offset[1] :]
  return float(distance[: piece.shape[0], : piece.shape[1]][piece].max())


def _bounds(mask: np.ndarray) -> tuple[slice, slice]:
  """Returns the rows and columns of the bounding box of bool [h, w]."""
  ((rows, columns),) = ndimage.find_objects(mask.astype(np.int8))
  return rows, columns


def _create_window(
  box: Box,
  piece: np.ndarray,
  depth: float,
  shape: tuple[int, ...],
  size: int,
) -> Window | None:
  """Returns the window of a piece, or None if the piece has to be cut."""
  sizes = working_sizes(size)
  extent = max(piece.shape)
  reduction = max(depth / max_depth(size), 1)
  need = extent + 2 * max(max_depth(size), round(depth))
  # For a thin hole the pixels right beside it are enough.
  limit = 2 * size if 2 * depth <= max_depth(size) else sizes[-1]
  if need / reduction > limit:
    return None
  # No larger than the image: the rest would only be mirrored.
  need = max(min(need, max(shape)), 1)
  working = next((x for x in sizes if x >= need), sizes[-1])
  factor = -(-need // working)
  side = working * factor

  def start(first: int, last: int, length: int) -> int:
    if side >= length:
      return (length - side) // 2
    return min(max((first + last - side) // 2, 0), length - side)

  top = start(box[0], box[2], shape[0])
  left = start(box[1], box[3], shape[1])
  return Window(top, left, working, factor, depth, box, piece)


def _cut_in_two(
  place: tuple[slice, slice], cells: np.ndarray
) -> list[tuple[tuple[slice, slice], np.ndarray]]:
  """Cuts a piece across its longer side; the first half comes last."""
  axis = int(cells.shape[1] > cells.shape[0])
  second = np.arange(cells.shape[axis]) >= cells.shape[axis] // 2
  second = second if axis else second[:, None]
  top, left = place[0].start, place[1].start
  halves = []
  for half in (cells & second, cells & ~second):
    rows, columns = _bounds(half)
    moved = (
      slice(top + rows.start, top + rows.stop),
      slice(left + columns.start, left + columns.stop),
    )
    halves.append((moved, half[rows, columns]))
  return halves


def _mirrored_indices(start: int, side: int, length: int) -> np.ndarray:
  """Returns indices start .. start + side - 1, mirrored into the image."""
  index = np.arange(start, start + side) % (2 * length)
  return np.minimum(index, 2 * length - 1 - index)


def _blocks(x: np.ndarray, factor: int) -> np.ndarray:
  """Returns [h, w, C] as [h / factor, factor, w / factor, factor, C]."""
  height, width, channels = x.shape
  return x.reshape(height // factor, factor, width // factor, factor, channels)
