"""Checks of the masks and holes that callers give."""

from typing import Any

import numpy as np
import PIL.Image

from inpaint_jax.photos import reading
from inpaint_jax.system import errors


def to_hole(
  mask: Any,
  height: int,
  width: int,
  *,
  whole: bool = False,
  on_its_side: bool = False,
) -> np.ndarray:
  """Returns the hole as bool [H, W]; it may be the mask itself, not a copy.

  Args:
    mask: [H, W] or [H, W, 1], bool, uint8 or float in [0, 1], or a Pillow
      image; True, or at least half of the largest value, is hole.
    whole: whether the mask may be all hole, or have none.
    on_its_side: whether the image has to be turned by 90 degrees to be upright.

  Raises:
    errors.UserError: the mask's type or shape is wrong; or, unless `whole`, it
      has no hole, or no known pixel.
  """
  if isinstance(mask, PIL.Image.Image):
    if mask.mode not in ('1', 'L') or mask.has_transparency_data:
      mask = reading.to_rgb(mask, background='black')
    mask = mask.convert('L')
  try:
    array = np.asarray(mask)
  except Exception as error:
    raise errors.UserError(
      f'the mask cannot be read as an array: {errors.one_line(error, 120)}'
    ) from error
  if array.ndim == 3 and array.shape[2] == 1:
    array = array[..., 0]
  is_known_type = array.dtype in (np.uint8, bool) or array.dtype.kind == 'f'
  if not is_known_type or array.ndim != 2:
    hint = 'mask[..., 0] > 0' if array.ndim == 3 else 'mask > 0'
    found = f'{array.dtype} {list(array.shape)}'
    if not array.ndim:
      found = f'a {type(mask).__name__}'
    raise errors.UserError(
      f'the mask is {found}; wanted bool, uint8 or float [height, width], such '
      f'as {hint}'
    )
  if array.shape != (height, width):
    remedy = 'bring the mask to the size of the image'
    if on_its_side and array.shape == (width, height):
      remedy = (
        'the image lies on its side, as its EXIF says: turn it by '
        'PIL.ImageOps.exif_transpose(image)'
      )
    raise errors.UserError(
      f'the image is {width}x{height} pixels, the mask '
      f'{array.shape[1]}x{array.shape[0]}; {remedy}'
    )
  if array.dtype == np.uint8:
    if array.max(initial=0) == 1:
      raise errors.UserError(
        'the mask is uint8 with 1 as its largest value; give mask > 0, or 255 '
        'where the hole is'
      )
    hole = array >= 128
  elif array.dtype == bool:
    hole = array
  elif np.all((array >= 0) & (array <= 1)):
    hole = array >= 0.5
  else:
    raise errors.UserError(
      f'the mask is {array.dtype} with values outside of [0, 1]; give a bool '
      'mask, such as mask > 0'
    )
  if not whole and array.dtype == np.uint8 and not hole.any():
    raise errors.UserError(
      f'the mask has no hole: its largest value is {array.max(initial=0)} of '
      '255; give 255 where the hole is, or such as mask > 0'
    )
  if not whole:
    check_hole(hole)
  return hole


def check_hole(hole: np.ndarray) -> None:
  """Raises a UserError if bool [H, W] has no hole or no known pixel."""
  if not hole.any():
    raise errors.UserError(
      'the mask has no hole, so there is nothing to fill; paint it white (255) '
      'where the hole is'
    )
  if hole.all():
    raise errors.UserError(
      'the mask marks the whole image as the hole, so there is nothing to copy '
      'from; paint the hole white and the rest black'
    )
