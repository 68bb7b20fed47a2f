"""Square windows around holes: what a net sees of a picture of any size.

A net knows scenery at the scale that it was trained at. A hole is therefore cut
out with its surroundings, as a square window of the net's working size where
the hole is small, and as a larger one, reduced to that size, where it is not.
"""

from typing import NamedTuple

import numpy as np
import PIL.Image
from scipy import ndimage

# Side of a window, in sides of its hole. In training most of a picture is
# known, too; more would cost resolution.
_CONTEXT = 2.5


class Window(NamedTuple):
  """A square of a picture, and the hole that it is there for.

  Attributes:
    top, left: the window's first row and column; negative where a picture is
      smaller than the window.
    side: of the window, in pixels.
    rows, columns: int [N], the pixels of the hole.
  """

  top: int
  left: int
  side: int
  rows: np.ndarray
  columns: np.ndarray


def find(hole: np.ndarray, size: int) -> list[Window]:
  """Returns windows that together have all pixels of all holes.

  Holes that lie close together share a window. A hole that is long for its
  width, a scratch or a frame, is cut into pieces: each is small enough to be
  seen with its surroundings at little reduction.

  Args:
    hole: bool [H, W].
    size: the net's working size in pixels, the least side of a window.
  """
  # Holes closer than a quarter of the working size are one.
  reach = np.ones((3, 3), bool)
  grown = ndimage.binary_dilation(hole, reach, iterations=max(size // 8, 1))
  labels, _ = ndimage.label(grown, reach)
  labels[~hole] = 0
  found = []
  for label, box in enumerate(ndimage.find_objects(labels), start=1):
    if box is not None:
      rows, columns = np.nonzero(labels[box] == label)
      for piece in _pieces(rows, columns, size):
        place = rows[piece] + box[0].start, columns[piece] + box[1].start
        found.append(_window(*place, hole.shape, size))
  return found


def _pieces(
  rows: np.ndarray, columns: np.ndarray, size: int
) -> list[np.ndarray]:
  """Cuts the pixels of a hole by a grid whose cells suit its width."""
  area = np.zeros((rows.max() + 3, columns.max() + 3), bool)
  area[rows + 1, columns + 1] = True
  # Twice the distance to the nearest known pixel, at the thickest place.
  width = 2 * ndimage.distance_transform_cdt(area, 'chessboard').max()
  cell = max(size // 2, 2 * width)
  if max(area.shape) <= 2 * cell:
    return [np.arange(len(rows))]
  number = rows // cell * (area.shape[1] // cell + 1) + columns // cell
  return [np.flatnonzero(number == n) for n in np.unique(number)]


def _window(
  rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int], size: int
) -> Window:
  """Returns the window of a hole: it is in the middle, if the edge allows."""
  extent = max(np.ptp(rows), np.ptp(columns)) + 1
  # No larger than the picture: more would only be mirrored.
  side = max(size, min(round(_CONTEXT * extent), max(shape)))

  def start(index: np.ndarray, length: int) -> int:
    if side >= length:
      return (length - side) // 2
    middle = (int(index.min()) + int(index.max()) + 1) // 2
    return min(max(middle - side // 2, 0), length - side)

  top, left = start(rows, shape[0]), start(columns, shape[1])
  return Window(top, left, side, rows, columns)


def cut(
  image: np.ndarray, hole: np.ndarray, window: Window, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Cuts a window out, and reduces it to the working size.

  Beyond the edge of the picture it goes on as in a mirror.

  Args:
    image: uint8 [H, W, 3].
    hole: bool [H, W], all holes of the picture.
    window: what to cut.
    size: the working size.

  Returns:
    float32 [size, size, 3] in [0, 1], whose holes are black, and float32
    [size, size, 1] in {0, 1}, 1 = hole. A reduced pixel is hole if any of its
    pixels is: what a hole holds never gets into a known pixel.
  """
  rows = _mirror(window.top, window.side, hole.shape[0])
  columns = _mirror(window.left, window.side, hole.shape[1])
  place = np.ix_(rows, columns)
  unknown = hole[place].astype(np.float32)[..., None]
  part = image[place].astype(np.float32) / 255 * (1 - unknown)
  if window.side > size:
    # A mean of zeros is exactly zero: no pixel is hole by rounding.
    part, unknown = (_reduce(x, size) for x in (part, unknown))
    part = part / np.maximum(1 - unknown, 1e-6)
  mask = (unknown > 0).astype(np.float32)
  return np.clip(part, 0, 1) * (1 - mask), mask


def paste(image: np.ndarray, filled: np.ndarray, window: Window) -> None:
  """Fills the window's hole in `image`; touches nothing else.

  Args:
    image: uint8 [H, W, 3], changed in place.
    filled: float [size, size, 3] in [0, 1], the filled window.
    window: where it belongs.
  """
  if window.side > len(filled):
    filled = _resize(filled, window.side, PIL.Image.Resampling.BICUBIC)
  pixels = filled[window.rows - window.top, window.columns - window.left]
  image[window.rows, window.columns] = np.rint(np.clip(pixels, 0, 1) * 255)


def _mirror(start: int, side: int, length: int) -> np.ndarray:
  """Returns indices start .. start + side - 1, reflected into the picture."""
  index = np.arange(start, start + side) % (2 * length)
  return np.minimum(index, 2 * length - 1 - index)


def _reduce(x: np.ndarray, size: int) -> np.ndarray:
  """Returns [side, side, C] as the means of [size, size, C] areas."""
  return _resize(x, size, PIL.Image.Resampling.BOX)


def _resize(x: np.ndarray, size: int, method: int) -> np.ndarray:
  # Pillow resizes float pictures of one channel.
  channels = [
    PIL.Image.fromarray(np.ascontiguousarray(x[..., i], np.float32)).resize(
      (size, size), method
    )
    for i in range(x.shape[-1])
  ]
  return np.stack([np.asarray(channel) for channel in channels], axis=-1)
