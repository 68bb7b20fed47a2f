"""Checks of the images and masks that callers give."""

import numpy as np

from inpaint_jax.system import errors


def check_image_and_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Returns the hole as bool [H, W], a copy.

  Args:
    image: uint8 or uint16 [H, W, 3].
    mask: [H, W], bool or uint8; True, or 128 and more, is hole.

  Raises:
    errors.UserError: a type or shape is wrong, the mask has no hole, or it has
      no known pixel.
  """
  if (
    image.dtype not in (np.uint8, np.uint16)
    or image.ndim != 3
    or image.shape[2] != 3
  ):
    raise errors.UserError(
      f'the image is {image.dtype} {list(image.shape)}; wanted uint8 or '
      'uint16 [height, width, 3]'
    )
  if mask.dtype not in (np.uint8, bool) or mask.ndim != 2:
    raise errors.UserError(
      f'the mask is {mask.dtype} {list(mask.shape)}; wanted bool or uint8 '
      '[height, width]'
    )
  if mask.shape != image.shape[:2]:
    raise errors.UserError(
      f'the image is {image.shape[1]}x{image.shape[0]} pixels, the mask '
      f'{mask.shape[1]}x{mask.shape[0]}; bring the mask to the size of the '
      'image'
    )
  hole = mask.copy() if mask.dtype == bool else mask >= 128
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
      'the mask is nothing but hole, so there is nothing to go by; white is '
      'hole and black is known'
    )
