"""Fills the holes of images of any size with copies of their known pixels.

A guide guesses what is in a hole (`guides`), a search finds which known pixel
each pixel of the hole copies (`synthesis`), window by window (`windows`), and
the copies are put in without a seam (`copying`).

Imports neither training nor datasets.
"""

from collections.abc import Callable
import functools
import os
import threading
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import (
  checks,
  copying,
  guides,
  kernels,
  kinds,
  panorama,
  patches,
  synthesis,
  transparency,
  windows,
)
from inpaint_jax.system import errors

# What guides unless a guide is named. The released models change little
# (docs/filling.md has the numbers), and take seconds to start.
DEFAULT_GUIDE = 'none'

# The share of the search in the time that a window takes.
_SEARCH = 0.6

Progress = Callable[[float], None]


class Filling(NamedTuple):
  """A filled image, and where it is from.

  Attributes:
    image: of the kind, shape and type of the image that was given.
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
    guide: 'none', by which a smooth surface is the first guess; or a model that
      guesses: a name from `zoo.list_models`, the folder of a training run,
      whose best checkpoint is used, the path of a released file, an https:// or
      hf:// address, or an .onnx file that scripts/export.py wrote.
    backend: what runs the model: 'jax', 'onnx' (ONNX Runtime) or 'auto', see
      backends.choose_fill.

  Raises:
    errors.UserError: the guide does not exist or cannot be read, or the
      backend is unknown or not installed.
  """
  errors.choose(dict.fromkeys(('auto', 'jax', 'onnx')), backend, 'backend')
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
  return Inpainter(backends.choose_fill(zoo.load(guide), backend))


class Inpainter:
  """Fills the holes of images of any size; threads may share one."""

  def __init__(
    self,
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    size: int = guides.SIZE,
  ):
    """Prepares an inpainter.

    Args:
      fill: the model that guides, see `fills.Fill`; None = a smooth
        surface guides.
      size: the side in pixels at which the model sees a window, a multiple of
        its stride.
    """
    # What copying starts from, and what is there without copies.
    self._guide: guides.Guide = guides.smooth_along_rows
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
    wrap: bool = False,
    progress: Progress | None = None,
  ) -> Any:
    """Fills the holes of an image, or of several.

    Args:
      image: of NumPy or JAX, uint8 or uint16, grey [H, W] or [H, W, 1], RGB or
        RGBA [H, W, C], any H and W; or of Pillow; or several: an array [B, H,
        W, C], or a list of images, which may differ in size and type.
      mask: [H, W], bool, uint8, float or of Pillow: True, or half of white and
        more, is hole; for several images [B, H, W] or a list.
      source: like `mask` for one image: only pixels where it is True are
        copied; None = all.
      avoid: like `mask` for one image: no pixel where it is True is copied.
      seed: of the search; equal seeds give equal results, others others.
      feather: pixels around a hole that are filled anew and blended into the
        known pixels. All others come back bit for bit.
      texture: whether known pixels are copied; if not, the hole gets what the
        model guesses, or the smoothest surface.
      wrap: whether the left border meets the right one, as in a panorama of 360
        degrees.
      progress: called with the share of the work that is done, 0 to 1.

    Returns:
      What `image` is, of the same kind, shape and type, or a list of them. What
      is transparent beside a hole goes on in it.

    Raises:
      errors.UserError: a type, a shape or a number is wrong, there is no hole,
        no pixel is known, or `source` and `avoid` leave nothing to copy.
    """
    options = _Options(seed, feather, texture, wrap, progress or _ignore)
    _check(options)
    if kinds.is_one(image, mask):
      return self._fill_one(image, mask, source, avoid, options)[0]
    if source is not None or avoid is not None:
      raise errors.UserError(
        'source and avoid belong to one image; fill the images one by one'
      )
    is_one_mask = getattr(mask, 'ndim', 3) == 2 or not hasattr(mask, '__len__')
    num_masks = 1 if is_one_mask else len(mask)
    if is_one_mask or len(image) != num_masks:
      raise errors.UserError(
        f'there are {len(image)} images and {num_masks} masks; give one '
        'mask for each image'
      )
    # All errors are found before the work begins.
    for number, (one, its) in enumerate(zip(image, mask, strict=True)):
      try:
        _unpack(one, its)
      except errors.UserError as error:
        raise errors.UserError(f'image {number}: {error}') from error
    return kinds.stack(
      image,
      [
        self._fill_one(one, its, None, None, options)[0]
        for one, its in zip(image, mask, strict=True)
      ],
    )

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
    wrap: bool = False,
    progress: Progress | None = None,
  ) -> Filling:
    """Fills one image, and tells where each pixel was copied from.

    Arguments and errors are those of a call.
    """
    options = _Options(seed, feather, texture, wrap, progress or _ignore)
    _check(options)
    options = options._replace(explain=True)
    pixels, origins = self._fill_one(image, mask, source, avoid, options)
    assert origins is not None
    return Filling(pixels, origins)

  def _fill_one(
    self, image: Any, mask: Any, source: Any, avoid: Any, options: '_Options'
  ) -> tuple[Any, np.ndarray | None]:
    """Fills one image of any kind; returns it, and the origins if wanted."""
    one, hole = _unpack(image, mask)
    barred = _find_barred(hole, source, avoid)
    if one.alpha is None and not options.wrap:
      pixels, origins = self._fill(one.pixels, hole, barred, options)
      return one.pack(pixels, None), origins

    def fill(
      image: np.ndarray, hole: np.ndarray, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
      return self._fill(image, hole, ~allowed, options)

    if options.wrap:
      fill = functools.partial(panorama.fill_wrapped, fill)
    if one.alpha is None:
      pixels, origins = fill(one.pixels, hole, ~barred)
      return one.pack(pixels, None), origins
    pixels, alpha, origins = transparency.fill_with_alpha(
      fill, one.pixels, one.alpha, hole, ~barred, wrap=options.wrap
    )
    return one.pack(pixels, alpha), origins

  def _fill(
    self,
    image: np.ndarray,
    hole: np.ndarray,
    barred: np.ndarray,
    options: '_Options',
  ) -> tuple[np.ndarray, np.ndarray | None]:
    """Fills an image.

    Args:
      image: uint8 or uint16 [H, W, 3].
      hole: bool [H, W].
      barred: bool [H, W], what may not be copied; the hole among it. It may be
        the hole itself: each more array of a large image takes its time.
      options: of the call.

    Returns:
      The filled image, and the origins if they are wanted, see Filling.
    """
    wide, feather = _grow(hole, barred, options.feather)
    if feather:
      barred = barred | wide
    result = image.copy()
    origins = None
    if options.explain:
      origins = np.full((*hole.shape, 2), -1, np.int32)
    turns = windows.find_windows(wide, barred)
    count = sum(len(turn) for turn in turns)
    earlier: list[windows.Window] = []
    done: list[windows.Window] = []
    caller = threading.get_ident()

    def report(share: float) -> None:
      # Whoever is told may not expect other threads, and may end the work.
      if threading.get_ident() == caller:
        options.progress((len(done) + share) / count)

    def fill(window: windows.Window) -> None:
      place = window.rows, window.columns
      part_hole = wide[place].copy()
      for other in earlier:
        part_hole[window.locate(other.inner)] = False
      part = result[place].copy()
      # What is to be filled is not to be seen.
      part[part_hole] = 0
      part, part_origins = self._fill_window(
        part, part_hole, ~barred[place], options, report
      )
      _paste(result, origins, part_hole, window, part, part_origins)
      done.append(window)

    for turn in turns:
      kernels.for_each(turn, fill)
      earlier += turn
    options.progress(1.0)
    return _blend(result, image, hole, wide, feather), origins

  def _fill_window(
    self,
    image: np.ndarray,
    hole: np.ndarray,
    allowed: np.ndarray,
    options: '_Options',
    progress: Progress,
  ) -> tuple[np.ndarray, np.ndarray | None]:
    """Fills all holes of a window; returns it, and the origins in it."""
    if not hole.any():
      return image, None
    if options.texture:
      eight = image
      if image.dtype == np.uint16:
        eight = (image >> 8).astype(np.uint8)
      seed = int(options.seed) & (2**32 - 1)
      origins = synthesis.find_origins(
        eight,
        hole,
        allowed,
        self._guide,
        seed,
        lambda share: progress(_SEARCH * share),
      )
      if origins is not None:
        image = copying.copy(image, hole, allowed, origins)
        progress(1.0)
        return image, origins
    # Nothing can be copied.
    largest = np.float32(np.iinfo(image.dtype).max)
    guess = np.rint(self._surface(image / largest, hole) * largest)
    return np.where(hole[..., None], guess.astype(image.dtype), image), None


class _Options(NamedTuple):
  """The arguments of a call that are the same for all its images."""

  seed: int
  feather: int
  texture: bool
  wrap: bool
  progress: Progress
  # Whether the origins are wanted, which take more memory than the image.
  explain: bool = False


def _ignore(share: float) -> None:
  """Is told of progress, and does nothing."""


def _check(options: _Options) -> None:
  """Raises a UserError if a number is none, or is below 0."""
  if not isinstance(options.seed, int | np.integer):
    raise errors.UserError(f'seed={options.seed!r}; wanted a whole number')
  feather = options.feather
  if not isinstance(feather, int | np.integer) or feather < 0:
    raise errors.UserError(
      f'feather={feather!r}; wanted a whole number of pixels, 0 or more'
    )


def _unpack(image: Any, mask: Any) -> tuple[kinds.Unpacked, np.ndarray]:
  """Returns an image taken apart, and its hole, bool [H, W]."""
  one = kinds.unpack(image)
  return one, checks.to_hole(mask, *one.pixels.shape[:2])


def _find_barred(hole: np.ndarray, source: Any, avoid: Any) -> np.ndarray:
  """Returns the pixels that may not be copied, bool [H, W]."""
  if source is None and avoid is None:
    return hole
  barred = hole.copy()
  for name, mask in (('source', source), ('avoid', avoid)):
    if mask is None:
      continue
    try:
      marked = checks.to_hole(mask, *hole.shape, whole=True)
    except errors.UserError as error:
      raise errors.UserError(f'{name}: {error}') from error
    barred |= ~marked if name == 'source' else marked
  if not patches.has_centre(~barred):
    raise errors.UserError(
      'source and avoid leave no 5x5 known pixels to copy from; mark more as '
      'source, or less to avoid'
    )
  return barred


def _grow(
  hole: np.ndarray, barred: np.ndarray, feather: int
) -> tuple[np.ndarray, int]:
  """Returns the hole with its feather, and the feather that there is room for.

  At least half of the known pixels stay as they are, and something to copy.
  """
  if not feather:
    return hole, 0
  feather = int(min(feather, max(hole.shape)))
  wide = ndimage.maximum_filter(hole, 2 * feather + 1)
  if 2 * np.count_nonzero(~wide) < np.count_nonzero(~hole):
    distance = ndimage.distance_transform_cdt(~hole, 'chessboard')
    feather = max(int(np.median(distance[~hole])) - 1, 1)
    wide = distance <= feather
  has_source = patches.has_centre(~barred)
  if wide.all() or (has_source and not patches.has_centre(~(barred | wide))):
    return hole, 0
  return wide, feather


def _blend(
  filled: np.ndarray,
  image: np.ndarray,
  hole: np.ndarray,
  wide: np.ndarray,
  feather: int,
) -> np.ndarray:
  """Blends what was filled around the hole with what was known there."""
  if not feather:
    return filled
  ring = wide & ~hole
  distance = ndimage.distance_transform_cdt(~hole, 'chessboard')[ring, None]
  weight = 1 - distance / np.float32(feather + 1)
  known, new = image[ring], filled[ring]
  filled[ring] = np.rint(known + weight * (new - known.astype(np.float32)))
  return filled


def _paste(
  result: np.ndarray,
  origins: np.ndarray | None,
  hole: np.ndarray,
  window: windows.Window,
  part: np.ndarray,
  part_origins: np.ndarray | None,
) -> None:
  """Puts the inner part of a window into the image, in place."""
  local = window.locate(window.inner)
  result[window.inner] = part[local]
  if origins is not None and part_origins is not None:
    corner = np.array([window.rows.start, window.columns.start], np.int32)
    new, copied = part_origins[local], hole[local]
    origins[window.inner][copied] = new[copied] + corner
