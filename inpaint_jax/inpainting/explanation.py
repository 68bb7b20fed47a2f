"""Draws where each part of a filled hole was copied from."""

import math
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
from scipy import ndimage, sparse

from inpaint_jax.inpainting import windows
from inpaint_jax.system import errors

Point = tuple[float, float]  # x and y, in pixels.

# The longer side of the drawing, at most, in pixels: it is for the screen.
SIDE = 2048
# The colours of parts; more would be hard to tell apart.
_COLOURS = (
  (255, 80, 80),
  (80, 170, 255),
  (255, 205, 40),
  (90, 220, 100),
  (255, 120, 230),
  (60, 225, 220),
  (255, 145, 40),
  (180, 135, 255),
)
# Neighbours belong to one part if their shifts differ by at most _REACH of the
# image's longer side. Parts below _LEAST of all copied pixels join others.
_REACH, _LEAST = 0.02, 0.02
# Brightness of the rest of the image, and strength of the colours.
_DIM, _TINT = 0.4, 0.4


def draw_origins(image: Any, origins: np.ndarray) -> np.ndarray:
  """Draws which parts of an image were copied, and from where.

  Each part of the hole has a colour. The place that it was copied from has an
  outline in that colour, and an arrow leads from there to the part. The rest of
  the image is grey and dark. Small parts have the colour of the nearest large
  one.

  Args:
    image: the filled image, of any kind that inpainter.Inpainter returns.
    origins: int32 [H, W, 2], see inpainter.Filling.

  Returns:
    uint8 [h, w, 3], the image or, of a larger one, a copy with at most SIDE
    pixels a side.

  Raises:
    errors.UserError: the image or the origins are of another type or size.
  """
  image, origins = np.asarray(image), np.asarray(origins)
  _check(image, origins)
  image, origins = _reduce(_to_rgb(image), origins)
  copied = origins[..., 0] >= 0
  cores = _find_parts(origins)
  places, middles = _find_places(origins, cores)
  parts = _join_nearest(cores, copied)
  colours = np.array([(0, 0, 0), *_COLOURS], np.float32)
  grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
  result = np.repeat(20 + _DIM * grey[..., None], 3, axis=2)
  thick = max(1, round(max(copied.shape) / 500))
  # Copies are drawn above the places that they come from.
  for labels in (np.where(copied, 0, places), parts):
    inside = labels > 0
    tint = _TINT * colours[labels[inside]]
    result[inside] = (1 - _TINT) * image[inside] + tint
    rim = inside & (ndimage.minimum_filter(labels, 2 * thick + 1) < labels)
    result[rim] = colours[labels[rim]]
  drawing = PIL.Image.fromarray(np.rint(result).astype(np.uint8))
  pen = PIL.ImageDraw.Draw(drawing)
  for number, middle in enumerate(middles):
    end = _find_middle(cores == number + 1)
    _draw_arrow(pen, middle, end, _COLOURS[number], thick)
  return np.array(drawing)  # Not asarray, which cannot be written to.


def _check(image: np.ndarray, origins: np.ndarray) -> None:
  """Raises a UserError unless both have types and sizes of a filling."""
  channels = image.shape[2] if image.ndim == 3 else 1
  if (
    image.dtype not in (np.uint8, np.uint16)
    or image.ndim not in (2, 3)
    or not 1 <= channels <= 4
  ):
    raise errors.UserError(
      f'the image is {image.dtype} {list(image.shape)}; wanted uint8 or uint16 '
      '[height, width] or [height, width, 1 to 4]: give the image of a filling'
    )
  if origins.dtype.kind != 'i' or origins.shape != (*image.shape[:2], 2):
    raise errors.UserError(
      f'the origins are {origins.dtype} {list(origins.shape)}; wanted int32 '
      f'{[*image.shape[:2], 2]}: give the image and the origins of one filling'
    )


def _to_rgb(pixels: np.ndarray) -> np.ndarray:
  """Returns an image as uint8 or uint16 [H, W, 3], without its alpha."""
  pixels = pixels if pixels.ndim == 3 else pixels[..., None]
  if pixels.shape[2] < 3:
    return np.repeat(pixels[..., :1], 3, axis=2)
  return pixels[..., :3]


def _reduce(
  image: np.ndarray, origins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns both with at most SIDE pixels a side, the image with 8 bits."""
  if image.dtype != np.uint8:
    image = (image >> 8).astype(np.uint8)
  step = math.ceil(max(origins.shape) / SIDE)
  if step == 1:
    return image, origins
  small = np.asarray(PIL.Image.fromarray(image).reduce(step))
  # Integer division rounds down, so that -1 stays -1.
  return small, origins[::step, ::step] // step


def _find_parts(origins: np.ndarray) -> np.ndarray:
  """Returns the number of each pixel's part, from 1, the largest part first.

  Pixels that were not copied, and those of small parts, have 0. The largest
  part counts even if it is small.
  """
  copied = origins[..., 0] >= 0
  count = int(copied.sum())
  parts = np.zeros(copied.shape, np.uint8)
  if not count:
    return parts
  shifts = origins - np.moveaxis(np.indices(copied.shape, np.int32), 0, 2)
  reach = _REACH * max(copied.shape)
  index = np.full(copied.shape, -1)
  index[copied] = np.arange(count)
  pairs = [
    _find_pairs(index, shifts, reach),
    _find_pairs(index.T, shifts.swapaxes(0, 1), reach),
  ]
  rows, columns = np.concatenate(pairs, axis=1)
  graph = sparse.coo_array(
    (np.ones(len(rows), bool), (rows, columns)), (count, count)
  )
  _, labels = sparse.csgraph.connected_components(graph, directed=False)
  sizes = np.bincount(labels)
  order = np.argsort(-sizes, kind='stable')[: len(_COLOURS)]
  order = order[sizes[order] >= min(_LEAST * count, sizes.max())]
  numbers = np.zeros(len(sizes), np.uint8)
  numbers[order] = np.arange(1, len(order) + 1)
  parts[copied] = numbers[labels]
  return parts


def _find_pairs(
  index: np.ndarray, shifts: np.ndarray, reach: float
) -> np.ndarray:
  """Returns the indices of neighbours in rows that belong together, [2, N]."""
  jump = np.abs(np.diff(shifts, axis=1)).max(axis=2)
  both = (index[:, 1:] >= 0) & (index[:, :-1] >= 0) & (jump <= reach)
  return np.stack([index[:, 1:][both], index[:, :-1][both]])


def _join_nearest(parts: np.ndarray, copied: np.ndarray) -> np.ndarray:
  """Gives pixels without a part the part of the nearest pixel that has one."""
  if not parts.any():
    return parts
  nearest = ndimage.distance_transform_edt(
    parts == 0, return_distances=False, return_indices=True
  )
  return np.where(copied, parts[tuple(nearest)], 0)


def _find_places(
  origins: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, list[Point]]:
  """Returns the part that each pixel was copied to, and each place's middle.

  Gaps are closed and specks are left out. A pixel that was copied to several
  parts counts for the smallest one; 0 = no part.
  """
  places, middles = np.zeros_like(parts), []
  size = max(1, round(_REACH * max(parts.shape) / 4))
  for number in range(1, parts.max(initial=0) + 1):
    place = np.zeros(parts.shape, bool)
    place[tuple(origins[parts == number].T)] = True
    # With room around it to grow and to shrink.
    box = windows.find_box(place, 2 * size + 1)
    place = ndimage.maximum_filter(place[box], 2 * size + 1)
    # Pixels beyond the image are like those at its edge: nothing is lost there.
    place = ndimage.minimum_filter(place, 2 * size + 1, mode='nearest')
    pieces, _ = ndimage.label(place)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    place &= sizes[pieces] >= 0.1 * sizes.max()
    places[box][place] = number
    x, y = _find_middle(place)
    middles.append((x + box[1].start, y + box[0].start))
  return places, middles


def _find_middle(shape: np.ndarray) -> Point:
  """Returns x and y of the pixel that lies deepest in a shape, bool [h, w]."""
  (box,) = ndimage.find_objects(shape.view(np.uint8))
  depth = ndimage.distance_transform_cdt(np.pad(shape[box], 1), 'chessboard')
  y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
  return float(box[1].start + x - 1), float(box[0].start + y - 1)


def _draw_arrow(
  pen: PIL.ImageDraw.ImageDraw,
  start: Point,
  end: Point,
  colour: tuple[int, int, int],
  thick: int,
) -> None:
  """Draws an arrow with a dark rim, so that it stands out everywhere."""
  (x0, y0), (x1, y1) = start, end
  length = math.hypot(x1 - x0, y1 - y0)
  if not length:
    return
  along = (x1 - x0) / length, (y1 - y0) / length
  head = min(6.0 * thick, length)
  base = x1 - head * along[0], y1 - head * along[1]
  tip = [
    end,
    (base[0] - head / 2 * along[1], base[1] + head / 2 * along[0]),
    (base[0] + head / 2 * along[1], base[1] - head / 2 * along[0]),
  ]
  for shade, rim in (((0, 0, 0), 2 * thick), (colour, 0)):
    pen.line([start, base], fill=shade, width=thick + rim)
    pen.line([*tip, tip[0]], fill=shade, width=thick + rim)
    pen.polygon(tip, fill=shade)
