"""Holes: from mask files, and from what is transparent in a photo."""

import numpy as np
from PIL import Image

from inpaint_jax.photos import metadata, reading
from inpaint_jax.photos.picture import turn_upright
from inpaint_jax.system import errors


def read(
  source: reading.Source,
  height: int,
  width: int,
  *,
  name: str = '',
  max_pixels: int | None = None,
  max_bytes: int | None = None,
) -> np.ndarray:
  """Returns the hole in a mask file, bool [height, width], True = hole.

  White is hole: what is brighter than half. Colours count as grey, and what is
  transparent is known, as of strokes on a layer of their own. A mask of another
  size but the photo's aspect is brought to the photo's size.

  Args:
    source: a path, the bytes of a file, or an open binary file.
    height, width: of the photo, upright, in pixels.
    name: what errors call it; unless given, its path.
    max_pixels, max_bytes: as in picture_files.read.

  Raises:
    errors.UserError: it cannot be read, or has another aspect.
  """
  name = name or reading.path_of(source) or 'the mask'
  with (
    reading.unreadable_as_user_error(name),
    reading.opened(source, max_pixels, max_bytes) as image,
  ):
    image.load()
    orientation = metadata.orientation(image)
    grey = _grey(image)
  values = turn_upright(np.asarray(grey), orientation)
  if values.shape != (height, width):
    values = _resized(values, height, width, name)
  return values >= 128


def find_transparent(alpha: np.ndarray) -> np.ndarray:
  """Returns the hole that an alpha channel stands for: less than half opaque.

  Args:
    alpha: uint8 or uint16 [H, W].

  Returns:
    bool [H, W].
  """
  return alpha <= np.iinfo(alpha.dtype).max // 2


def find_rim(alpha: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the soft rim of transparent holes, as an eraser leaves it.

  Its colours are known, but once the hole is filled it must be opaque, or it
  would show as a line. A region of translucent pixels has such a rim if `hole`
  covers all that is transparent in it; a cutout of which only a part is filled
  keeps its outline, and so does glass.

  Args:
    alpha: uint8 or uint16 [H, W].
    hole: bool [H, W], what is filled.

  Returns:
    bool [H, W], without the hole itself.
  """
  import scipy.ndimage

  regions, count = scipy.ndimage.label(alpha < np.iinfo(alpha.dtype).max)
  transparent = find_transparent(alpha)
  is_rim = np.zeros(count + 1, bool)
  is_rim[regions[transparent & hole]] = True
  is_rim[regions[transparent & ~hole]] = False
  is_rim[0] = False
  return is_rim[regions] & ~hole


def dilate(hole: np.ndarray, pixels: int) -> np.ndarray:
  """Returns a hole that is larger by some pixels on all sides, corners too.

  Args:
    hole: bool [H, W].
    pixels: 0 or more.
  """
  if not pixels:
    return hole
  import scipy.ndimage

  side = 2 * min(pixels, max(hole.shape)) + 1
  return scipy.ndimage.maximum_filter(hole, side, mode='constant')


def _grey(image: Image.Image) -> Image.Image:
  if image.mode in ('1', 'L') and not image.has_transparency_data:
    return image.convert('L')
  return reading.to_rgb(image, background='black').convert('L')


def _resized(
  values: np.ndarray, height: int, width: int, name: str
) -> np.ndarray:
  """Returns a mask at another size; raises if its aspect is another one."""
  # Both sides are those of the photo by one factor, each rounded somehow.
  factors = [
    ((side - 1) / of_photo, (side + 1) / of_photo)
    for side, of_photo in zip(values.shape, (height, width), strict=True)
  ]
  if max(low for low, _ in factors) >= min(high for _, high in factors):
    raise errors.UserError(
      f'the picture is {width}x{height} pixels, the mask {name} '
      f'{values.shape[1]}x{values.shape[0]}; bring the mask to the size of the '
      'picture, or to its aspect'
    )
  # Each pixel is the mean of what it covers; if it is smaller than one of the
  # mask, the nearest.
  image = Image.fromarray(values).resize((width, height), Image.Resampling.BOX)
  return np.asarray(image)
