"""Fills the holes of images of any size with copies of their known pixels.

A guide guesses what is in a hole (`guides`), a search finds which known pixel
each pixel of the hole copies (`synthesis`), window by window (`windows`), and
the copies are put in without a seam (`copying`).

Imports neither training nor datasets.
"""

from collections.abc import Callable
import functools
import os
from typing import Any, NamedTuple

import numpy as np

from inpaint_jax.inpainting import (
  guides,
  kinds,
  panorama,
  patches,
  refiner,
  transparency,
  window_filling,
)
from inpaint_jax.system import errors

# The guide unless another one is named. The released models change little
# (docs/filling.md has the numbers), and take seconds to start.
DEFAULT_GUIDE = 'none'


class Filling(NamedTuple):
  """A filled image, and where its pixels were copied from.

  Attributes:
    image: of the same kind, shape and type as the image that was given.
    origins: int32 [H, W, 2], row and column of the pixel that each pixel of the
      hole copies; -1 where nothing was copied.
  """

  image: Any
  origins: np.ndarray


def load(
  guide: str | os.PathLike[str] = DEFAULT_GUIDE, backend: str = 'auto'
) -> 'Inpainter':
  """Returns an inpainter.

  Args:
    guide: 'none' = a smooth surface is the first guess; or a model that makes
      the guess: a name from `zoo.list_models`, the folder of a training run
      (its best checkpoint is used), the path of a released file, an https:// or
      hf:// address, or an .onnx file that inpaint-jax-export wrote.
    backend: what runs the model: 'jax', 'onnx' (ONNX Runtime) or 'auto', see
      backends.choose_fill.

  Raises:
    errors.UserError: the guide does not exist or cannot be read, or the
      backend is unknown or not installed.
  """
  if not isinstance(guide, str | os.PathLike):
    raise errors.UserError(
      f"guide={guide!r}; wanted 'none', or the name or the path of a model"
    )
  errors.check_name(('auto', 'jax', 'onnx'), backend, 'backend')
  if os.fspath(guide) == 'none':
    return Inpainter()
  # JAX takes a second to import.
  from inpaint_jax.inpainting import backends
  from inpaint_jax.release import onnx_runtime, zoo

  if os.fspath(guide).endswith('.onnx'):
    if backend == 'jax':
      raise errors.UserError(
        f'guide={guide} is run by ONNX Runtime, not by backend=jax'
      )
    return Inpainter(onnx_runtime.OnnxFill(guide))
  model = zoo.load(guide, also="; 'none' and .onnx files work, too")
  return Inpainter(backends.choose_fill(model, backend))


class Inpainter:
  """Fills the holes of images of any size; threads may share one."""

  def __init__(
    self,
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    size: int = guides.SIZE,
  ):
    """Prepares an inpainter.

    Args:
      fill: the model that makes the first guess, see `backends.Fill`; None =
        the guess is a smooth surface.
      size: side in pixels of the squares that the model sees, a multiple of its
        stride.
    """
    self._guide: guides.Guide = guides.smooth_along_lines
    self._surface: guides.Guide = guides.smooth
    if fill is not None:
      self._guide = self._surface = guides.ModelGuide(fill, size)

  def __call__(
    self,
    image: Any,
    mask: Any,
    *,
    source: Any = None,
    avoid: Any = None,
    seed: int = 0,
    feather: int = 0,
    texture: bool = True,
    refine: bool = True,
    wrap: bool = False,
    progress: window_filling.Progress | None = None,
  ) -> Any:
    """Fills the holes of an image, or of several.

    Args:
      image: a NumPy or JAX array, uint8 or uint16, [H, W] or [H, W, C] of any
        size: grey, grey and alpha, RGB or RGBA; or a Pillow image; or several
        images: an array [B, H, W] or [B, H, W, C], or a list, in which they may
        differ in size and type.
      mask: bool, uint8 or float [H, W], or a Pillow image; True, or at least
        half of white, is hole. For several images, [B, H, W] or a list.
      source: a mask for one image, like `mask`: only pixels where it is True
        are copied; None = all.
      avoid: a mask for one image: no pixel where it is True is copied.
      seed: seed of the search, modulo 2**32; each gives a result of its own,
        always the same.
      feather: width in pixels of a ring around each hole that is filled, too,
        and blended with the known pixels. All others come back bit for bit.
      texture: whether known pixels are copied; if not, the hole gets the
        model's guess or, without a model, the smoothest surface.
      refine: whether a small net corrects the tones of the copies and mends
        their seams, see `refining`; if not, they are only moved to meet the
        boundary of the hole.
      wrap: whether the left border meets the right one, as in a panorama of 360
        degrees.
      progress: called with the share of all the work that is done, 0 to 1.

    Returns:
      The filled image, of the same kind, shape and type as `image`, or a list
      of them. Transparent surroundings of a hole continue in it. A Pillow image
      with a transparent colour gets an alpha channel instead.

    Raises:
      errors.UserError: a type, a shape or a number is wrong, there is no hole,
        no pixel is known, or `source` and `avoid` leave nothing to copy or come
        with texture=False.
    """
    options = self._make_options(seed, feather, texture, refine, wrap, progress)
    if kinds.is_one(image, mask):
      return self._fill_one(image, mask, source, avoid, options)[0]
    if source is not None or avoid is not None:
      raise errors.UserError(
        'source and avoid belong to one image; fill the images one by one'
      )
    if not len(image):
      raise errors.UserError('there are no images; give one or more')
    count, shape = len(image), tuple(getattr(mask, 'shape', ()))
    is_one_mask = len(shape) == 2 or not hasattr(mask, '__len__')
    # A batch [1, W, 1] of masks would be of images that are one pixel wide.
    is_one_mask |= len(shape) == 3 and shape[2] == 1 < shape[1]
    if is_one_mask or count != len(mask):
      found = 'a single mask' if is_one_mask else f'a batch of {len(mask)}'
      raise errors.UserError(
        f'image is a batch of {count}, but mask is {found}; give one mask for '
        f'each image: a list, or an array [{count}, height, width]'
      )
    # All errors are found before the work begins.
    for number, (one, its) in enumerate(zip(image, mask, strict=True)):
      with errors.error_as(f'image {number}', kind=errors.UserError):
        kinds.unpack(one, its)
    filled = [
      self._fill_one(one, its, None, None, options.part(number, count))[0]
      for number, (one, its) in enumerate(zip(image, mask, strict=True))
    ]
    return kinds.stack(image, filled)

  def explain(
    self,
    image: Any,
    mask: Any,
    *,
    source: Any = None,
    avoid: Any = None,
    seed: int = 0,
    feather: int = 0,
    texture: bool = True,
    refine: bool = True,
    wrap: bool = False,
    progress: window_filling.Progress | None = None,
  ) -> Filling:
    """Fills one image, and returns where each pixel was copied from.

    The arguments and errors are those of `__call__`.
    """
    options = self._make_options(seed, feather, texture, refine, wrap, progress)
    options = options._replace(explain=True)
    pixels, origins = self._fill_one(image, mask, source, avoid, options)
    assert origins is not None
    return Filling(pixels, origins)

  def _make_options(
    self,
    seed: Any,
    feather: Any,
    texture: bool,
    refine: bool,
    wrap: bool,
    progress: window_filling.Progress | None,
  ) -> window_filling.Options:
    """Returns options; raises a UserError if `seed` or `feather` is wrong."""
    if not isinstance(seed, int | np.integer):
      raise errors.UserError(f'seed={seed!r}; wanted a whole number')
    if not isinstance(feather, int | np.integer) or feather < 0:
      raise errors.UserError(
        f'feather={feather!r}; wanted a whole number of pixels, 0 or more'
      )
    if refine and texture:
      # Errors are found before the work begins.
      refiner.load()
    return window_filling.Options(
      guide=self._guide,
      surface=self._surface,
      seed=int(seed),
      feather=int(feather),
      texture=texture,
      refine=refine,
      wrap=wrap,
      progress=progress or (lambda share: None),
    )

  def _fill_one(
    self,
    image: Any,
    mask: Any,
    source: Any,
    avoid: Any,
    options: window_filling.Options,
  ) -> tuple[Any, np.ndarray | None]:
    """Returns one image, filled, of any kind, and the origins if wanted."""
    one = kinds.unpack(image, mask)
    barred = _find_barred(one, source, avoid, options.texture)
    fill = window_filling.fill_by_windows
    if options.wrap:
      fill = panorama.fill_wrapped
    fill = functools.partial(fill, options=options)
    if one.alpha is None:
      pixels, origins = fill(one.pixels, one.hole, barred)
      return one.pack(pixels, None), origins
    pixels, alpha, origins = transparency.fill_with_alpha(
      fill, one.pixels, one.alpha, one.hole, barred, wrap=options.wrap
    )
    return one.pack(pixels, alpha), origins


def _find_barred(
  image: kinds.Unpacked, source: Any, avoid: Any, texture: bool
) -> np.ndarray:
  """Returns the pixels that may not be copied, bool [H, W]."""
  hole = image.hole
  if source is None and avoid is None:
    return hole
  barred = hole.copy()
  for name, mask in (('source', source), ('avoid', avoid)):
    if mask is None:
      continue
    if not texture:
      raise errors.UserError(
        f'{name} has no effect with texture=False, which copies nothing; leave '
        'one of them out'
      )
    with errors.error_as(name, kind=errors.UserError):
      marked = kinds.to_hole(mask, *hole.shape, whole=True)
    barred |= ~marked if name == 'source' else marked
  unusable = barred
  if image.alpha is not None:
    unusable = barred | transparency.find_clear(image.alpha, hole)
  if not patches.has_centre(~unusable):
    raise errors.UserError(
      'source and avoid leave no 5x5 known pixels to copy from'
      + ('' if image.alpha is None else ' that are not transparent')
      + '; mark more as source, or less to avoid'
    )
  return barred
