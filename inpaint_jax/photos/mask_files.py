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

  What is brighter than half is hole. Colours count as grey, and what is
  transparent is known, so that a layer of white strokes is a mask. A mask of
  another size but the photo's aspect is resized.

  Args:
    source: a path, the bytes of a file, or an open binary file.
    height, width: of the photo, upright, in pixels.
    name: what errors call it; '' = its path.
    max_pixels, max_bytes: as in reading.opened.

  Raises:
    errors.UserError: it cannot be read, or has another aspect.
  """
  name = name or reading.path_of(source) or 'the mask'
  with (
    reading.unreadable_as_user_error(name),
    reading.opened(source, max_pixels, max_bytes) as image,
  ):
    image.load()
    grey: Image.Image = image
    if image.mode not in ('1', 'L') or image.has_transparency_data:
      grey = reading.to_rgb(image, background='black')
    orientation = metadata.orientation(image)
    values = turn_upright(np.asarray(grey.convert('L')), orientation)
  if values.shape != (height, width):
    values = _resize(values, height, width, name)
  return values >= 128


def find_transparent(alpha: np.ndarray) -> np.ndarray:
  """Returns what is less than half opaque, bool [H, W].

  Args:
    alpha: uint8 or uint16 [H, W].
  """
  return alpha <= np.iinfo(alpha.dtype).max // 2


def _resize(
  values: np.ndarray, height: int, width: int, name: str
) -> np.ndarray:
  """Returns a mask of another size; raises a UserError for another aspect."""
  # One factor has to explain both sides, each of them rounded up or down.
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
  # A mean of the pixels that it covers, or the nearest in a smaller mask.
  image = Image.fromarray(values).resize((width, height), Image.Resampling.BOX)
  return np.asarray(image)
