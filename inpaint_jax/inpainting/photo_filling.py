"""Prepares a photo and its hole to be filled.

  picture = picture_files.read('photo.png')
  picture, hole = photo_filling.prepare(picture, mask)
  result = picture.with_image(inpainter(picture.image, hole))
  lines = picture_files.write('out.png', result)

Without a mask, the transparent pixels are the hole.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import os
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import kinds
from inpaint_jax.photos import (
  formats,
  mask_files,
  picture_files,
  reading,
  xmp as xmp_lib,
)
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


class Prepared(NamedTuple):
  """A photo that is ready to be filled.

  Attributes:
    picture: the photo, expanded.
    hole: bool [H, W].
    limits: those of 'source' and 'avoid' that were given, bool [H, W], as an
      Inpainter takes them.
    doubtful: whether the mask is not black and white, so may be a photo.
  """

  picture: Picture
  hole: np.ndarray
  limits: dict[str, np.ndarray]
  doubtful: bool


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
    mask: bool [H, W], True = hole; None = the transparent pixels are the hole.
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
  check_sides(expand, wrap)
  hole = mask
  if hole is None:
    hole = np.zeros(picture.pixels.shape[:2], bool)
    if picture.alpha is not None:
      hole = mask_files.find_transparent(picture.alpha)
    if hole.all():
      raise errors.UserError(
        'all of the photo is transparent, so there is nothing to copy from; '
        'name a photo that is opaque in part'
      )
  if any(expand.values()):
    picture, hole = expand_picture(picture, hole, expand)
  if mask is None and not hole.any():
    raise errors.UserError(
      'the photo has no transparent pixels to fill; name a mask, or expand the '
      'photo'
    )
  kinds.check_hole(hole)
  if dilate:
    side = 2 * min(dilate, max(hole.shape)) + 1
    modes = 'constant', 'wrap' if wrap else 'constant'
    hole = ndimage.maximum_filter(hole, side, mode=modes)
    if hole.all():
      raise errors.UserError(
        f'dilate={dilate} makes all of the photo the hole, so there is nothing '
        'to copy from; enlarge the hole by less'
      )
  return picture, hole


def check_sides(expand: Mapping[str, int], wrap: bool) -> None:
  """Raises a UserError if a panorama is expanded where its borders meet."""
  if wrap and (expand.get('left') or expand.get('right')):
    raise errors.UserError(
      'a panorama of which the left border meets the right one cannot be '
      'expanded there; expand it at top and bottom only'
    )


def prepare_job(
  job: Job,
  *,
  outs: Sequence[str | os.PathLike[str]] = (),
  source: str | os.PathLike[str] | None = None,
  avoid: str | os.PathLike[str] | None = None,
  invert_mask: bool = False,
  expand: Mapping[str, int] | None = None,
  dilate: int = 0,
  wrap: bool = False,
) -> Prepared:
  """Reads the files of a job, and prepares its photo; see `prepare`.

  Args:
    outs: paths of the results; empty = the job's `out`.
    source, avoid: mask files, white where pixels may, or may not, be copied.
      They cover the photo before it is expanded.
    invert_mask: whether the job's mask is black where the hole is.
    expand, dilate, wrap: as in `prepare`.

  Raises:
    errors.UserError: anything is wrong with the files that can be found before
      the photo is filled, such as a result that could not be written.
  """
  if job.problem:
    raise errors.UserError(job.problem)
  limits = {'source': source, 'avoid': avoid}
  masks = [path for path in (job.mask, *limits.values()) if path]
  outs = outs or [job.out]
  for out in outs:
    picture_files.check_output(out, [job.photo, *masks])
  picture, mask = picture_files.read(job.photo), None
  height, width = picture.pixels.shape[:2]
  notes, doubtful = list(picture.notes), False
  if job.mask is not None:
    mask, lines = mask_files.read(
      job.mask, height, width, invert=invert_mask, photo=picture.pixels
    )
    mask_files.check_differs(job.mask, job.photo, str(job.mask))
    if not mask.any() and not any((expand or {}).values()):
      colour = 'black (0)' if invert_mask else 'white (255)'
      raise errors.UserError(
        f'the mask {lines[-1]}; paint it {colour} where the hole is'
      )
    notes += lines
    doubtful = any(mask_files.NOT_BLACK_AND_WHITE in line for line in lines)
  marked = {}
  for name, path in limits.items():
    if path is not None:
      marked[name], lines = read_limit(name, path, picture.pixels)
      notes += lines
  picture = dataclasses.replace(picture, notes=tuple(notes))
  picture, hole = prepare(
    picture, mask, expand=expand, dilate=dilate, wrap=wrap
  )
  for name, area in marked.items():
    # Nothing is marked where pixels are added.
    marked[name] = np.pad(area, _margins(expand or {}))
  for out in outs:
    formats.check_size(len(hole), hole.shape[1], formats.format_of(out))
  return Prepared(picture, hole, marked, doubtful)


def read_limit(
  which: str, file: reading.Source, photo: np.ndarray, **options: Any
) -> tuple[np.ndarray, list[str]]:
  """Returns the pixels that a file of `source` or `avoid` marks, and lines.

  Args:
    which: 'source' or 'avoid'.
    file: the mask file, see mask_files.read.
    photo: uint8 or uint16 [H, W, 3].
    **options: `name` and limits, as in mask_files.read.

  Raises:
    errors.UserError: the file cannot be read, has another aspect ratio, shows
      the photo, or marks nothing.
  """
  marks = f'pixels {"may" if which == "source" else "may not"} be copied'
  marked, lines = mask_files.read(
    file, *photo.shape[:2], photo=photo, marks=marks, **options
  )
  if not marked.any():
    shown = options.get('name') or reading.path_of(file)
    raise errors.UserError(
      f'{which}={shown} marks nothing; paint it white where {marks}'
    )
  return marked, lines


def expand_picture(
  picture: Picture, hole: np.ndarray, expand: Mapping[str, int]
) -> tuple[Picture, np.ndarray]:
  """Adds pixels around a picture; the new pixels are hole (outpainting).

  Args:
    hole: bool [H, W].
    expand: pixels to add by side: 'left', 'top', 'right', 'bottom'.

  Returns:
    The picture, whose new pixels are black, and transparent if it has alpha;
    and its hole, bool [top + H + bottom, left + W + right].

  Raises:
    errors.UserError: the result would be too large.
  """
  margins = _margins(expand)
  height, width = (
    side + sum(both) for side, both in zip(hole.shape, margins, strict=True)
  )
  if height * width > reading.MAX_PIXELS:
    raise errors.UserError(
      f'the expanded photo would be {width}x{height} pixels; wanted at most '
      f'{reading.MAX_PIXELS // 10**6} megapixels: expand it by less'
    )
  alpha, metadata = picture.alpha, picture.metadata
  xmp = xmp_lib.expand_panorama(metadata.xmp, margins, hole.shape)
  stays = all(before % 16 == 0 for before, _ in margins)
  expanded = dataclasses.replace(
    picture,
    pixels=np.pad(picture.pixels, [*margins, (0, 0)]),
    alpha=None if alpha is None else np.pad(alpha, margins),
    metadata=dataclasses.replace(metadata, xmp=xmp),
    # The settings of a JPEG file gain nothing once its blocks have moved.
    jpeg=picture.jpeg if stays else None,
  )
  return expanded, np.pad(hole, margins, constant_values=True)


def _margins(expand: Mapping[str, int]) -> list[tuple[int, int]]:
  sides = (('top', 'bottom'), ('left', 'right'))
  return [(expand.get(x, 0), expand.get(y, 0)) for x, y in sides]
