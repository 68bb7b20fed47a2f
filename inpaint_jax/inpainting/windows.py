"""Square windows around holes: what a net sees of a picture of any size.

A net knows scenery at the scale that it was trained at, and so many pixels at
once. A hole is therefore cut out with its surroundings, as a square window. A
window is one of a few working sizes, for each of which the net is compiled
once; where even the largest is too small for a hole, the window is reduced by
a whole factor.

Only windows become floats, and a large one strip by strip, so that the memory
needed beyond the picture itself does not grow with the picture.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import PIL.Image
from scipy import ndimage

# Holes are told apart on a grid of cells of so many pixels: of a picture of 100
# megapixels that is a grid of 1.5 million.
_CELL = 8
# The largest working size, unless the net was trained at a larger one.
_LARGEST = 512
# Pixels of a picture that are looked at together.
_STRIP = 2**20
# What a hole is brought to after the net: up to so many pixels a side, and so
# many around it, or as many as it is deep.
_FINE = 768
_AROUND = 128


class Window(NamedTuple):
  """A square of a picture, and the hole that it is there for.

  Attributes:
    top, left: the window's first row and column; negative where the picture
      is smaller than the window.
    size: the side at which the net sees it, one of `sizes`.
    factor: pixels of the picture to a pixel of that, along each side.
    depth: pixels of the picture from the innermost pixel of the hole to the
      nearest known one.
    box: first row, first column, row and column after the last, of the hole.
    cells: bool [h, w], the hole's cells, from the one that holds the first row
      and column of `box`. The hole is what is hole within these.
  """

  top: int
  left: int
  size: int
  factor: int
  depth: float
  box: tuple[int, int, int, int]
  cells: np.ndarray

  @property
  def side(self) -> int:
    """The window's side in pixels of the picture."""
    return self.size * self.factor


def sizes(size: int) -> list[int]:
  """Returns the working sizes of a net, smallest first.

  Args:
    size: what the net was trained at. It is doubled, up to 512.
  """
  found = [size]
  while 2 * found[-1] <= _LARGEST:
    found.append(2 * found[-1])
  return found


def reach(size: int) -> int:
  """Returns how deep a hole may be for a net that was trained at `size`.

  In pixels, from the innermost to the nearest known one. In training holes are
  about half as wide as the picture.
  """
  return max(size // 4, 1)


def find(hole: np.ndarray, size: int) -> list[Window]:
  """Returns windows whose holes together are all of the picture's.

  Holes that touch, or lie within some ten pixels, share a window. A hole that
  is long for its depth, such as a scratch or the frame of an extended picture,
  is cut into pieces; each has a window of its own, in which the pieces before
  it are already filled.

  Args:
    hole: bool [H, W].
    size: what the net was trained at.
  """
  some = _over_cells(np.logical_or, hole)
  whole = _over_cells(np.logical_and, hole)
  labels, _ = ndimage.label(some, np.ones((3, 3), bool))
  found = []
  for label, place in enumerate(ndimage.find_objects(labels), start=1):
    pieces = [(place, labels[place] == label)]
    while pieces:
      place, cells = pieces.pop()
      box, depth = _measure(hole, whole, place, cells)
      extent = max(box[2] - box[0], box[3] - box[1])
      window = _window(box, depth, extent, cells, hole.shape, size)
      if window is None:
        pieces += _halves(place, cells)
      else:
        found.append(window)
  return found


def own(
  missing: np.ndarray, window: Window, margin: int = 0
) -> Iterator[tuple[slice, slice, np.ndarray]]:
  """Walks through a window's hole, strip by strip.

  Args:
    missing: bool [H, W], the holes of the picture that are not filled yet.
    window: whose hole.
    margin: pixels to go around it on all sides, as far as the picture goes.

  Yields:
    Rows and columns of a strip, and bool [rows + 2 margin, columns]: what
    there is the window's hole. Strips do not overlap; the mask goes beyond the
    rows by the margin above and below, unknown beyond the picture's edge being
    no hole.
  """
  height, width = missing.shape
  top, left, bottom, right = window.box
  first, last = max(top - margin, 0), min(bottom + margin, height)
  columns = slice(max(left - margin, 0), min(right + margin, width))
  wide = columns.stop - columns.start
  step = max(_STRIP // wide, 4 * margin, 1)
  for row in range(first, last, step):
    rows = slice(row, min(row + step, last))
    mask = np.zeros((rows.stop - row + 2 * margin, wide), bool)
    begin, end = max(row - margin, top), min(rows.stop + margin, bottom)
    if begin < end:
      area = _own(missing, window, begin, end)
      at = begin - (row - margin)
      mask[
        at : at + end - begin, left - columns.start : right - columns.start
      ] = area
    yield rows, columns, mask


def cut(
  image: np.ndarray, missing: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray]:
  """Cuts a window out, and reduces it to its working size.

  Beyond the edge of the picture it goes on as in a mirror.

  Args:
    image: uint8 or uint16 [H, W, 3].
    missing: bool [H, W], all holes of the picture that are not filled yet.
    window: what to cut.

  Returns:
    float32 [size, size, 3] in [0, 1], whose holes are black, and float32
    [size, size, 1] in {0, 1}, 1 = hole. A reduced pixel is hole if any of its
    pixels is: what a hole holds never gets into a known pixel.
  """
  size, factor = window.size, window.factor
  rows = _mirror(window.top, window.side, missing.shape[0])
  columns = _mirror(window.left, window.side, missing.shape[1])
  part = np.empty((size, size, 3), np.float32)
  mask = np.empty((size, size, 1), np.float32)
  step = max(_STRIP // (factor * window.side), 1)
  for row in range(0, size, step):
    at = np.s_[row : row + step]
    place = np.ix_(rows[row * factor : (row + step) * factor], columns)
    unknown = _blocks(missing[place][..., None], factor).any(axis=(1, 3))
    total = _blocks(image[place], factor).sum(axis=(1, 3), dtype=np.uint64)
    mask[at] = unknown
    part[at] = np.where(unknown, 0, total / factor**2)
  part /= np.iinfo(image.dtype).max
  return part, mask


def closer(window: Window) -> Window:
  """Returns a window on the same hole that is less reduced, if there is one.

  It holds the hole and as much around it as the hole is deep, lies within the
  other, and is reduced by a power of two only where the hole has more than 768
  pixels a side. Its size need not be a working size: it is not for the net.
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


def transfer(picture: np.ndarray, window: Window, other: Window) -> np.ndarray:
  """Brings what is in one window to another that lies within it.

  Args:
    picture: float32 [size, size, C] of `window`.
    window, other: where it is, and where it is wanted.

  Returns:
    float32 [other.size, other.size, C].
  """
  if other is window:
    return picture
  left, top = other.left - window.left, other.top - window.top
  box = [left, top, left + other.side, top + other.side]
  box = [x / window.factor for x in box]
  return resize(picture, other.size, other.size, box)


def enlarge(
  picture: np.ndarray, window: Window, rows: slice, columns: slice
) -> np.ndarray:
  """Brings a part of a filled window back to the size of the picture.

  Args:
    picture: float32 [size, size, 3], the window.
    window: where it lies.
    rows, columns: the part that is wanted, in pixels of the picture.

  Returns:
    float32 [h, w, 3], by bicubic interpolation where the window is reduced.
  """
  top, bottom = rows.start - window.top, rows.stop - window.top
  left, right = columns.start - window.left, columns.stop - window.left
  if window.factor == 1:
    return picture[top:bottom, left:right]
  box = [x / window.factor for x in (left, top, right, bottom)]
  return resize(picture, bottom - top, right - left, box)


def resize(
  x: np.ndarray,
  height: int,
  width: int,
  box: list[float] | None = None,
) -> np.ndarray:
  """Resizes [h, w, C] to float32 [height, width, C] by bicubic interpolation.

  Args:
    x: a picture in floats, of any range.
    height, width: wanted, in pixels.
    box: left, top, right and bottom of the part to take; all unless given.
  """
  # Pillow resizes float pictures of one channel.
  channels = [
    PIL.Image.fromarray(np.ascontiguousarray(x[..., i], np.float32)).resize(
      (width, height), PIL.Image.Resampling.BICUBIC, box=box
    )
    for i in range(x.shape[-1])
  ]
  return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _over_cells(function: np.ufunc, hole: np.ndarray) -> np.ndarray:
  """Reduces bool [H, W] over the cells of the grid."""
  for axis, length in enumerate(hole.shape):
    hole = function.reduceat(hole, np.arange(0, length, _CELL), axis=axis)
  return hole


def _measure(
  hole: np.ndarray,
  whole: np.ndarray,
  place: tuple[slice, slice],
  cells: np.ndarray,
) -> tuple[tuple[int, int, int, int], float]:
  """Returns the box of a piece, and how deep its hole is.

  To the pixel where the piece is small, else to the cell. What is beyond the
  edge of the picture is not known, so that it makes no hole less deep.
  """
  height, width = hole.shape
  top, left = (x.start * _CELL for x in place)
  bottom = min(place[0].stop * _CELL, height)
  right = min(place[1].stop * _CELL, width)
  if (bottom - top) * (right - left) > _STRIP:
    above, before = (max(x.start - 1, 0) for x in place)
    area = np.s_[above : place[0].stop + 1, before : place[1].stop + 1]
    inner = place[0].start - above, place[1].start - before
    depth = _CELL * _depth(whole[area], cells, inner)
    return (top, left, bottom, right), depth
  above, before = max(top - 1, 0), max(left - 1, 0)
  area = hole[above : bottom + 1, before : right + 1]
  pixels = _pixels(cells, 0, bottom - top, right - left)
  inner = top - above, left - before
  mine = area[inner[0] :, inner[1] :][: bottom - top, : right - left] & pixels
  depth = _depth(area, mine, inner)
  rows, columns = (np.flatnonzero(mine.any(axis=1 - i)) for i in range(2))
  box = (
    top + int(rows[0]),
    left + int(columns[0]),
    top + int(rows[-1]) + 1,
    left + int(columns[-1]) + 1,
  )
  return box, depth


def _depth(
  unknown: np.ndarray, mine: np.ndarray, inner: tuple[int, int]
) -> float:
  """Returns the largest distance from `mine` to what is known."""
  if unknown.all():
    return float(max(unknown.shape))
  distance = ndimage.distance_transform_cdt(unknown, 'chessboard')
  distance = distance[inner[0] :, inner[1] :]
  return float(distance[: mine.shape[0], : mine.shape[1]][mine].max())


def _window(
  box: tuple[int, int, int, int],
  depth: float,
  extent: int,
  cells: np.ndarray,
  shape: tuple[int, int],
  size: int,
) -> Window | None:
  """Returns the window of a piece, or None if it has to be cut further."""
  choice = sizes(size)
  reduction = max(depth / reach(size), 1)
  need = extent + 2 * max(reach(size), round(depth))
  # A thin hole asks for nothing but what is beside it.
  limit = 2 * size if 2 * depth <= reach(size) else choice[-1]
  if need / reduction > limit:
    return None
  # No larger than the picture: more would only be mirrored.
  need = max(min(need, max(shape)), 1)
  working = next((x for x in choice if x >= need), choice[-1])
  factor = -(-need // working)
  side = working * factor

  def start(first: int, last: int, length: int) -> int:
    if side >= length:
      return (length - side) // 2
    return min(max((first + last - side) // 2, 0), length - side)

  top = start(box[0], box[2], shape[0])
  left = start(box[1], box[3], shape[1])
  return Window(top, left, working, factor, depth, box, cells)


def _halves(
  place: tuple[slice, slice], cells: np.ndarray
) -> list[tuple[tuple[slice, slice], np.ndarray]]:
  """Cuts a piece across its longer side; the first half comes last."""
  axis = int(cells.shape[1] > cells.shape[0])
  middle = cells.shape[axis] // 2
  halves = []
  for part in (slice(middle, None), slice(0, middle)):
    kept = cells[part] if axis == 0 else cells[:, part]
    starts = [place[0].start, place[1].start]
    starts[axis] += part.start
    # To its bounding box.
    (found,) = ndimage.find_objects(kept.astype(np.int8))
    halves.append(
      (
        tuple(
          slice(s + x.start, s + x.stop)
          for s, x in zip(starts, found, strict=True)
        ),
        kept[found],
      )
    )
  return halves


def _pixels(
  cells: np.ndarray, top: int, bottom: int, right: int, left: int = 0
) -> np.ndarray:
  """Returns rows and columns of a grid of cells as pixels."""
  rows = np.arange(top, bottom) // _CELL
  columns = np.arange(left, right) // _CELL
  return cells[np.ix_(rows, columns)]


def _own(
  missing: np.ndarray, window: Window, first: int, last: int
) -> np.ndarray:
  """Returns which pixels of rows of the window's box are its hole."""
  top, left, _, right = window.box
  # The box may begin within its first cells.
  down, across = top % _CELL, left % _CELL
  cells = _pixels(
    window.cells,
    first - top + down,
    last - top + down,
    right - left + across,
    across,
  )
  return missing[first:last, left:right] & cells


def _mirror(start: int, side: int, length: int) -> np.ndarray:
  """Returns indices start .. start + side - 1, reflected into the picture."""
  index = np.arange(start, start + side) % (2 * length)
  return np.minimum(index, 2 * length - 1 - index)


def _blocks(x: np.ndarray, factor: int) -> np.ndarray:
  """Returns [h, w, C] as [h / factor, factor, w / factor, factor, C]."""
  height, width, channels = x.shape
  return x.reshape(height // factor, factor, width // factor, factor, channels)
