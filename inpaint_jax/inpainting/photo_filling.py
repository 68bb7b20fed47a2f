"""Fills the hole of a photo: the same rules for the script and the page.

  picture = picture_files.read('photo.png')
  picture, hole = photo_filling.prepare(picture, mask)
  result = photo_filling.fill_picture(inpainter, picture, hole)
  lines = picture_files.write('out.png', result)

What is transparent is a hole unless a mask says otherwise, and what is filled
becomes opaque.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import numpy as np

from inpaint_jax.inpainting import checks
from inpaint_jax.photos import canvas, mask_files
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


def prepare(
  picture: Picture,
  mask: np.ndarray | None = None,
  *,
  expand: Mapping[str, int] | None = None,
  dilate: int = 0,
) -> tuple[Picture, np.ndarray]:
  """Returns a picture and its hole, both expanded, ready to be filled.

  Args:
    picture: the photo.
    mask: bool [H, W], True = hole; None = what is transparent.
    expand: pixels to add by side ('left', 'top', 'right', 'bottom'); what is
      added is hole.
    dilate: pixels by which the hole grows on all sides.

  Returns:
    The picture, and its hole, bool [H, W].

  Raises:
    errors.UserError: there is no hole, or nothing but hole, or the expanded
      picture would be too large.
  """
  sides = {side: pixels for side, pixels in (expand or {}).items() if pixels}
  hole = mask
  if hole is None and picture.alpha is not None:
    hole = mask_files.find_transparent(picture.alpha)
  if mask is None and not sides and (hole is None or not hole.any()):
    raise errors.UserError(
      'the photo has no transparent pixels to fill; name a mask, or expand the '
      'photo'
    )
  if sides:
    picture, hole = _expand(picture, hole, sides)
  hole = mask_files.dilate(hole, dilate)
  checks.check_hole(hole)
  return picture, hole


def fill_picture(
  inpainter: Callable[..., np.ndarray],
  picture: Picture,
  hole: np.ndarray,
  **options: Any,
) -> Picture:
  """Returns a picture with its hole filled, and opaque there.

  Args:
    inpainter: such as an Inpainter: (pixels [H, W, 3], hole [H, W]) -> pixels.
    picture: the photo.
    hole: bool [H, W], as `prepare` returns it.
    **options: further arguments of the inpainter, such as `feather`.
  """
  pixels = inpainter(picture.pixels, hole, **options)
  alpha = picture.alpha
  if alpha is not None:
    filled = hole | mask_files.find_rim(alpha, hole)
    alpha = np.where(filled, np.iinfo(alpha.dtype).max, alpha)
  return dataclasses.replace(picture, pixels=pixels, alpha=alpha)


def _expand(
  picture: Picture, hole: np.ndarray | None, sides: Mapping[str, int]
) -> tuple[Picture, np.ndarray]:
  pixels, hole = canvas.expand(picture.pixels, hole, **sides)
  alpha, jpeg = picture.alpha, picture.jpeg
  if alpha is not None:
    alpha, _ = canvas.expand(alpha, **sides)
  # The blocks of a JPEG file would be others now: its settings gain nothing.
  if sides.get('left', 0) % 16 or sides.get('top', 0) % 16:
    jpeg = None
  picture = dataclasses.replace(picture, pixels=pixels, alpha=alpha, jpeg=jpeg)
  return picture, hole
