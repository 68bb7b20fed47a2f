"""Finds holes: in mask files, and in the transparent parts of a photo."""

import filecmp
import os

import numpy as np
from PIL import Image

from inpaint_jax.photos import metadata, reading
from inpaint_jax.photos.picture import turn_upright
from inpaint_jax.system import errors

# Part of the line on a mask that may be a photo.
NOT_BLACK_AND_WHITE = 'is not black and white'


def read(
  source: reading.Source,
  height: int,
  width: int,
  *,
  invert: bool = False,
  photo: np.ndarray | None = None,
  marks: str = 'the hole is',
  name: str = '',
  of: str = 'the photo',
  max_pixels: int | None = None,
  max_bytes: int | None = None,
) -> tuple[np.ndarray, list[str]]:
  """Returns the hole in a mask file, and lines on what is odd about it.

  Pixels brighter than half are hole. Colours are converted to grey, and
  transparent pixels are black, so that a layer of white strokes is a mask. In a
  mask of another size but the photo's aspect, a pixel of the photo is hole if
  any of the mask's pixels over it is: no thin line is lost.

  Args:
    source: a path, the bytes of a file, or an open binary file.
    height, width: size of the upright photo in pixels.
    invert: whether the mask is black where the hole is.
    photo: uint8 or uint16 [height, width, 3]; a mask that shows it is refused.
    marks: what errors say about white pixels, for masks of something else.
    name: what errors call the file; '' = its path.
    of: what errors call the photo.
    max_pixels, max_bytes: as in reading.opened.

  Returns:
    bool [height, width], True = hole; and the lines.

  Raises:
    errors.UserError: the mask cannot be read, has another aspect, or is the
      photo.
  """
  name = name or reading.path_of(source) or 'the mask'
  with (
    reading.unreadable_as_user_error(name),
    reading.opened(source, max_pixels, max_bytes) as image,
  ):
    count = getattr(image, 'n_frames', 1)
    image.load()
    grey: Image.Image = image
    transparent = ''
    if image.has_transparency_data:
      transparent = ', and transparent pixels are black'
    if image.mode not in ('1', 'L') or transparent:
      grey = reading.to_rgb(image, background='black')
    orientation = metadata.orientation(image)
    values = turn_upright(np.asarray(grey.convert('L')), orientation)
  notes = _describe_surprises(values, count, name)
  hole = (values >= 128) != invert
  _check_aspect(hole, height, width, name, of)
  if notes and photo is not None and _shows(values, photo):
    raise _is_photo(name, marks)
  if not hole.any():
    found = f'smallest brightness is {values.min()}'
    if not invert:
      found = f'largest brightness is {values.max()}'
    notes.append(f'{name} has no hole: its {found} of 255{transparent}')
  if hole.shape != (height, width):
    hole = resize(hole, height, width)
  return hole, notes


def check_differs(
  mask: str | os.PathLike[str], photo: str | os.PathLike[str], name: str
) -> None:
  """Raises a UserError if a mask file is the photo's file, or a copy of it."""
  if filecmp.cmp(mask, photo, shallow=False):
    raise _is_photo(name)


def resize(hole: np.ndarray, height: int, width: int) -> np.ndarray:
  """Returns a hole at another size, bool [height, width].

  A pixel of the result is hole if it overlaps any pixel that is.

  Args:
    hole: bool [h, w].
  """
  for axis, side in enumerate((height, width)):
    own, pixels = hole.shape[axis], np.arange(side)
    first, last = pixels * own // side, ((pixels + 1) * own - 1) // side
    resized = hole.take(first, axis)
    for offset in range(1, np.max(last - first) + 1):
      resized |= hole.take(np.minimum(first + offset, last), axis)
    hole = resized
  return hole


def find_transparent(alpha: np.ndarray) -> np.ndarray:
  """Returns the pixels that are less than half opaque, bool [H, W]."""
  return alpha <= np.iinfo(alpha.dtype).max // 2


def _describe_surprises(values: np.ndarray, count: int, name: str) -> list[str]:
  """Returns lines on what a user may not expect of a mask, uint8 [H, W]."""
  lines = []
  if count > 1:
    lines.append(f'{name} holds {count} images; the first is the mask')
  is_black, is_white = values < 64, values >= 192
  black, white = float(is_black.mean()), float(is_white.mean())
  grey = float((~is_black & ~is_white).mean())
  if grey > min(0.05, black, white):
    lines.append(
      f'{name} {NOT_BLACK_AND_WHITE}, {grey:.1%} of it is grey; what is '
      'brighter than half counts as white'
    )
  return lines


def _shows(values: np.ndarray, photo: np.ndarray) -> bool:
  """Returns whether a mask [h, w] is a copy of a photo [H, W, 3].

  The copy may have another size, be compressed, and be partly erased or painted
  over.
  """
  photo, values = _thin_out(photo), _thin_out(values)
  brightness = photo @ [0.299, 0.587, 0.114] * (255 / np.iinfo(photo.dtype).max)
  # Compares means of squares, since finer details differ between copies.
  height, width = np.minimum(64, np.minimum(photo.shape[:2], values.shape))
  size = int(width), int(height)
  cells, own = (
    np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BOX))
    for array in (brightness.astype(np.float32), values.astype(np.float32))
  )
  # Only grey counts: every mask has black and white, and so has a copy where it
  # was erased or painted over.
  grey = (own > 16) & (own < 240)
  if grey.sum() < 16:
    return False
  # From a photo with little contrast, other images differ little, too.
  most = min(4, cells[grey].std() / 8)
  return bool(np.median(np.abs(cells - own)[grey]) < most)


def _thin_out(array: np.ndarray) -> np.ndarray:
  """Returns at most 512 rows and columns of an image, evenly spaced."""
  rows, columns = (slice(None, None, -(-n // 512)) for n in array.shape[:2])
  return array[rows, columns]


def _is_photo(name: str, marks: str = 'the hole is') -> errors.UserError:
  return errors.UserError(
    f'the mask {name} is the photo itself, or a copy; name an image that is '
    f'white where {marks} and black elsewhere'
  )


def _check_aspect(
  hole: np.ndarray, height: int, width: int, name: str, of: str
) -> None:
  if _has_aspect(hole, height, width):
    return
  remedy = f'bring the mask to the size of {of}, or to its aspect'
  if _has_aspect(hole, width, height):
    # It may have been drawn on a photo that EXIF turns, or been turned itself.
    remedy = f'turn the mask by 90 degrees, to lie on {of} as viewers show it'
  raise errors.UserError(
    f'{of} is {width}x{height} pixels, the mask {name} '
    f'{hole.shape[1]}x{hole.shape[0]}; {remedy}'
  )


def _has_aspect(hole: np.ndarray, height: int, width: int) -> bool:
  # One factor must explain both sides. Those of the smaller image, which may be
  # the photo, may be rounded up or down.
  small, large = sorted([hole.shape, (height, width)])
  factors = [
    ((side - 1) / other, (side + 1) / other)
    for side, other in zip(small, large, strict=True)
  ]
  return max(low for low, _ in factors) < min(high for _, high in factors)
