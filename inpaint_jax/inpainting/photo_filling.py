"""Fills the hole of a photo: the same rules for the script and the page.

  picture = picture_files.read('photo.png')
  picture, hole = photo_filling.prepare(picture, mask)
  result = photo_filling.fill_picture(inpainter, picture, hole)
  lines = picture_files.write('out.png', result)

What is transparent is a hole unless a mask says otherwise. What is filled
becomes as opaque as its surroundings.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import numpy as np

from inpaint_jax.inpainting import checks
from inpaint_jax.photos import formats, mask_files, picture_files, reading
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


def prepare(
  picture: Picture,
  mask: np.ndarray | None = None,
  *,
  expand: Mapping[str, int] | None = None,
  dilate: int = 0,
  wrap: bool = False,
) -> tuple[Picture, np.ndarray]:
  """Returns a picture and its hole, both expanded, ready to be filled.

  Args:
    picture: the photo.
    mask: bool [H, W], True = hole; None = what is transparent.
    expand: pixels to add, as in `expand_picture`.
    dilate: pixels by which the hole grows on all sides.
    wrap: whether the left border meets the right one.

  Returns:
    The picture, and its hole, bool [H, W].

  Raises:
    errors.UserError: there is no hole, or nothing but hole, or the expanded
      picture would be too large.
  """
  expand = expand or {}
  if wrap and (expand.get('left') or expand.get('right')):
    raise errors.UserError(
      'a panorama of which the left border meets the right one cannot be '
      'expanded there; expand it at top and bottom only'
    )
  hole = mask
  if hole is None:
    hole = np.zeros(picture.pixels.shape[:2], bool)
    if picture.alpha is not None:
      hole = mask_files.find_transparent(picture.alpha)
  if any(expand.values()):
    picture, hole = expand_picture(picture, hole, **expand)
  if mask is None and not hole.any():
    raise errors.UserError(
      'the photo has no transparent pixels to fill; name a mask, or expand the '
      'photo'
    )
  hole = _dilate(hole, dilate, wrap)
  checks.check_hole(hole)
  return picture, hole


def prepare_job(
  job: Job,
  *,
  invert_mask: bool = False,
  expand: Mapping[str, int] | None = None,
  dilate: int = 0,
  wrap: bool = False,
) -> tuple[Picture, np.ndarray]:
  """Reads the files of a job; see `prepare`.

  Raises:
    errors.UserError: anything about the files that can be known before the
      work, that the result cannot be written among it.
  """
  if job.problem:
    raise errors.UserError(job.problem)
  inputs = [path for path in (job.photo, job.mask) if path]
  picture_files.check_output(job.out, inputs)
  picture, mask = picture_files.read(job.photo), None
  if job.mask is not None:
    pixels = picture.pixels
    mask, notes = mask_files.read(
      job.mask, *pixels.shape[:2], invert=invert_mask, photo=pixels
    )
    mask_files.check_differs(job.mask, job.photo, str(job.mask))
    picture = dataclasses.replace(picture, notes=(*picture.notes, *notes))
  picture, hole = prepare(
    picture, mask, expand=expand, dilate=dilate, wrap=wrap
  )
  height, width = hole.shape
  formats.check_size(height, width, formats.format_of(job.out))
  return picture, hole


def fill_picture(
  inpainter: Callable[..., np.ndarray],
  picture: Picture,
  hole: np.ndarray,
  **options: Any,
) -> Picture:
  """Returns a picture with its hole filled, and its alpha there as well.

  Args:
    inpainter: such as an Inpainter: (pixels [H, W, 3], hole [H, W]) -> pixels.
    picture: the photo.
    hole: bool [H, W], as `prepare` returns it.
    **options: further arguments of the inpainter, such as `feather`.
  """
  if picture.alpha is None:
    pixels = inpainter(picture.pixels, hole, **options)
    return dataclasses.replace(picture, pixels=pixels)
  whole = np.dstack([picture.pixels, picture.alpha])
  filled = inpainter(whole, hole, **options)
  return dataclasses.replace(
    picture, pixels=filled[..., :3], alpha=filled[..., 3]
  )


def expand_picture(
  picture: Picture,
  hole: np.ndarray,
  *,
  left: int = 0,
  top: int = 0,
  right: int = 0,
  bottom: int = 0,
) -> tuple[Picture, np.ndarray]:
  """Adds pixels around a picture; what is new is hole (outpainting).

  Args:
    picture: the photo.
    hole: bool [H, W].
    left, top, right, bottom: pixels to add on each side.

  Returns:
    The picture, black and transparent where it is new; its hole, bool
    [top + H + bottom, left + W + right].

  Raises:
    errors.UserError: an amount is no whole number of 0 or more, or the result
      would be too large.
  """
  amounts = {'left': left, 'top': top, 'right': right, 'bottom': bottom}
  for name, amount in amounts.items():
    if not isinstance(amount, int | np.integer) or amount < 0:
      raise errors.UserError(
        f'{name}={amount!r} cannot be added to the picture; give a whole '
        'number of pixels, 0 or more'
      )
  height, width = top + len(hole) + bottom, left + hole.shape[1] + right
  if height * width > reading.MAX_PIXELS:
    raise errors.UserError(
      f'the extended picture would be {width}x{height} pixels; wanted at most '
      f'{reading.MAX_PIXELS // 10**6} megapixels: extend it by less'
    )
  margins = [(top, bottom), (left, right)]
  alpha = picture.alpha
  expanded = dataclasses.replace(
    picture,
    pixels=np.pad(picture.pixels, [*margins, (0, 0)]),
    alpha=None if alpha is None else np.pad(alpha, margins),
    # If the blocks of the JPEG file move, its settings gain nothing.
    jpeg=None if left % 16 or top % 16 else picture.jpeg,
  )
  return expanded, np.pad(hole, margins, constant_values=True)


def _dilate(hole: np.ndarray, pixels: int, wrap: bool) -> np.ndarray:
  """Returns a hole that is larger by some pixels on all sides, corners too."""
  if not pixels:
    return hole
  import scipy.ndimage

  side = 2 * min(pixels, max(hole.shape)) + 1
  return scipy.ndimage.maximum_filter(
    hole, side, mode=('constant', 'wrap' if wrap else 'constant')
  )
