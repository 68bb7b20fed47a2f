"""Fills the holes of images of any size, window by window.

Imports neither training nor datasets.
"""

from collections.abc import Callable, Sequence
import functools
import os
import threading
from typing import Any, overload, TypeVar

import numpy as np

from inpaint_jax.inpainting import (
  backends,
  blend,
  checks,
  fills,
  harmonic,
  kinds,
  panorama,
  transparency,
  windows,
)
from inpaint_jax.inpainting.texture import synthesize_texture
from inpaint_jax.release import onnx_runtime, zoo
from inpaint_jax.system import errors

DEFAULT_MODEL = 'unet-landscapes'
# Pixels around a hole that may change, so that no seam shows.
FEATHER = 2
# Relative size of the ridge term that shrinks the gain of the model's detail.
_RIDGE = 0.5

# Gives a smoothly filled image, float32 [h, w, 3], texture in its hole, bool.
_Image = TypeVar('_Image')
_AddTexture = Callable[[np.ndarray, np.ndarray], np.ndarray]


def load(
  source: str | os.PathLike[str] = DEFAULT_MODEL, backend: str = 'auto'
) -> 'Inpainter':
  """Returns an inpainter.

  Args:
    source: a name from `zoo.list_models`, the folder of a training run, whose
      best checkpoint is used, the path of a released file, an https:// or hf://
      address, or an .onnx file that scripts/export.py wrote.
    backend: 'jax', 'onnx' (ONNX Runtime) or 'auto', see backends.choose_fill.

  Raises:
    errors.UserError: the source does not exist or cannot be read, or the
      backend is unknown or not installed.
  """
  if os.fspath(source).endswith('.onnx'):
    if backend == 'jax':
      raise errors.UserError(
        f'model={source} is run by ONNX Runtime, not by backend=jax'
      )
    errors.choose(dict.fromkeys(backends.BACKENDS), backend, 'backend')
    exported = onnx_runtime.OnnxFill(source)
    return Inpainter(exported, exported.size)
  model = zoo.load(source)
  fill = backends.choose_fill(model, backend)
  return Inpainter(fill, model.config.data.image_size)


class Inpainter:
  """Fills the holes of images of any size; threads may share one."""

  def __init__(self, fill: fills.Fill, size: int):
    """Prepares a model for use.

    Args:
      fill: the model as a function.
      size: the side in pixels of the images that it was trained on.
    """
    self._fill = fill
    self._size = size
    # The model sees one image at a time: a second one would double the memory
    # and, during the first compilation, compile the model once more.
    self._lock = threading.Lock()

  @overload
  def __call__(
    self,
    image: Sequence[Any],
    mask: Sequence[Any],
    *,
    feather: int = FEATHER,
    texture: bool = True,
    seed: int = 0,
    wrap: bool = False,
  ) -> list[Any]: ...

  @overload
  def __call__(
    self,
    image: _Image,
    mask: Any,
    *,
    feather: int = FEATHER,
    texture: bool = True,
    seed: int = 0,
    wrap: bool = False,
  ) -> _Image: ...

  def __call__(
    self,
    image: Any,
    mask: Any,
    *,
    feather: int = FEATHER,
    texture: bool = True,
    seed: int = 0,
    wrap: bool = False,
  ) -> Any:
    """Fills the holes of an image, or of several.

    Holes that lie apart are filled one by one, each with its surroundings in
    view. Deep ones are filled at low resolution first and refined from there.

    Args:
      image: of NumPy or JAX, uint8 or uint16, grey [H, W] or [H, W, 1], RGB or
        RGBA [H, W, C], any H and W; or of Pillow; or several: an array [B, H,
        W, C], or a list of images, which may differ in size and type.
      mask: [H, W], bool, uint8, float or of Pillow: True, or half of white and
        more, is hole; for several images [B, H, W] or a list.
      feather: pixels around a hole over which the filling is blended into the
        known pixels. All others come back bit for bit; with 0, all known ones.
      texture: whether the filling gets the texture of its surroundings; if not,
        it is as smooth as the model paints.
      seed: of the random search for texture; equal seeds give equal results.
      wrap: whether the left border meets the right one, as in a panorama of 360
        degrees.

    Returns:
      What `image` is, of the same kind, shape and type, or a list of them. What
      is transparent beside a hole goes on in it.

    Raises:
      errors.UserError: a type or shape is wrong, there is no hole, or no pixel
        is known.
    """
    if not isinstance(feather, int | np.integer) or feather < 0:
      raise errors.UserError(
        f'feather={feather!r}; wanted a whole number of pixels, 0 or more'
      )
    add_texture = (
      functools.partial(synthesize_texture, seed=seed) if texture else None
    )
    fill = functools.partial(
      self._inpaint, feather=feather, add_texture=add_texture
    )
    if wrap:
      fill = functools.partial(panorama.fill_wrapped, fill)

    def fill_one(one: kinds.Unpacked, hole: np.ndarray) -> Any:
      if one.alpha is None:
        return one.pack(fill(one.pixels, hole), None)
      return one.pack(
        *transparency.fill_with_alpha(
          lambda pixels, hole: fill(pixels, hole.copy()),
          one.pixels,
          one.alpha,
          hole,
          wrap=wrap,
        )
      )

    if kinds.is_one(image, mask):
      return fill_one(*_unpack(image, mask))
    is_one_mask = getattr(mask, 'ndim', 3) == 2 or not hasattr(mask, '__len__')
    num_masks = 1 if is_one_mask else len(mask)
    if is_one_mask or len(image) != num_masks:
      raise errors.UserError(
        f'there are {len(image)} images and {num_masks} masks; give one '
        'mask for each image'
      )
    pairs = []
    # All errors are found before the work begins.
    for number, (one, its) in enumerate(zip(image, mask, strict=True)):
      try:
        pairs.append(_unpack(one, its))
      except errors.UserError as error:
        raise errors.UserError(f'image {number}: {error}') from error
    return kinds.stack(image, [fill_one(*pair) for pair in pairs])

  def _inpaint(
    self,
    image: np.ndarray,
    missing: np.ndarray,
    feather: int,
    add_texture: _AddTexture | None,
  ) -> np.ndarray:
    """Fills bool [H, W] `missing` of an image; overwrites `missing`."""
    result = image.copy()
    for window in windows.find_windows(missing, self._size):
      part, mask = windows.cut_out(result, missing, window)
      detail, _ = self._coarse_to_fine(part, mask, window.depth / window.factor)
      finer = windows.refinement_window(window)
      if finer is not window:
        part, mask = windows.cut_out(result, missing, finer)
        detail = windows.resample(detail, window, *finer.place, finer.factor)
      filled = _meet_known(detail, part, mask)
      if add_texture is not None:
        filled = add_texture(filled, mask[..., 0] > 0)
      _paste(result, filled, finer, feather)
      # For the next window these pixels are known.
      top, left, bottom, right = window.box
      missing[top:bottom, left:right] &= ~window.hole
    return result

  def _coarse_to_fine(
    self, image: np.ndarray, mask: np.ndarray, depth: float
  ) -> tuple[np.ndarray, float]:
    """Returns the detail of a window's hole, and its gain.

    Detail is what the filling has beyond the harmonic fill. Only detail goes
    from one resolution to the next: the harmonic fill of a lower one mixes the
    known pixels of thin strips with what lies behind them. Where the hole is
    deeper than the model can see, the detail starts from that of half the
    resolution, and the model adds to it near the boundary only. The gain never
    exceeds that of the resolution below.

    Args:
      image: float32 [S, S, 3], black in the holes.
      mask: float32 [S, S, 1], 1 = hole.
      depth: of the hole, in pixels of this resolution.

    Returns:
      float32 [S, S, 3], and the gain in [0, 1].
    """
    detail, gain = np.zeros_like(image), 1.0
    deep = depth > windows.max_depth(self._size)
    if deep and len(image) > self._size:
      detail, gain = self._coarse_to_fine(*_halve(image, mask), depth / 2)
      detail = windows.resize(detail, len(image), len(image))
    filled = _meet_known(detail, image, mask)
    if gain > 0:
      gain = min(gain, self._estimate_detail_gain(image, mask, deep))
    if gain > 0:
      filled = filled + gain * self._detail(image, mask, filled, deep)
    smooth = harmonic.harmonic_fill(image, mask[..., 0] == 0)
    return np.clip(filled, 0, 1) - smooth, gain

  def _detail(
    self, image: np.ndarray, mask: np.ndarray, smooth: np.ndarray, deep: bool
  ) -> np.ndarray:
    """Returns the model's detail over a smooth filling, float32 [S, S, 3]."""
    with self._lock:
      output = np.asarray(self._fill(image[None], mask[None])[0])
    weight = mask
    if deep:
      depth = windows.max_depth(self._size)
      weight = mask * blend.boundary_weight(mask, depth / 2, depth)
    return weight * (blend.harmonic_blend(output, image, mask) - smooth)

  def _estimate_detail_gain(
    self, image: np.ndarray, mask: np.ndarray, deep: bool
  ) -> float:
    """Returns how much of the model's detail to add, in [0, 1].

    It is the gain that would have been best in a trial: a hole of equal shape
    beside the real one, where the truth is known. A model that guesses wrong in
    such surroundings then does no harm. The gain is a least-squares fit of the
    missing detail by the model's, with a ridge term.
    """
    trial = blend.shifted_hole(mask)
    both = np.maximum(mask, trial)
    masked = image * (1 - both)
    smooth = _meet_known(np.zeros_like(masked), masked, both)
    detail = trial * self._detail(masked, both, smooth, deep)
    product = np.sum(detail * (image - smooth), dtype=np.float64)
    power = np.sum(detail * detail, dtype=np.float64)
    # A millionth: without any detail the gain is 0.
    return float(np.clip(product / ((1 + _RIDGE) * power + 1e-6), 0, 1))


def _unpack(image: Any, mask: Any) -> tuple[kinds.Unpacked, np.ndarray]:
  """Returns an image taken apart, and its hole, bool [H, W]."""
  one = kinds.unpack(image)
  return one, checks.to_hole(mask, *one.pixels.shape[:2])


def _meet_known(
  guess: np.ndarray, image: np.ndarray, mask: np.ndarray
) -> np.ndarray:
  """Returns a guess at a whole window, changed smoothly to meet the known."""
  step = harmonic.harmonic_fill(image - guess, mask[..., 0] == 0)
  return np.clip(guess + step, 0, 1)


def _halve(
  image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Halves a window; a pixel is hole if any of its four is."""
  size = len(image) // 2

  def blocks(x: np.ndarray) -> np.ndarray:
    return x.reshape(size, 2, size, 2, -1)

  hole = blocks(mask).max(axis=(1, 3))
  return blocks(image).mean(axis=(1, 3)) * (1 - hole), hole


def _paste(
  image: np.ndarray, filled: np.ndarray, window: windows.Window, feather: int
) -> None:
  """Blends a filled window into `image`, in place, around its hole.

  The feather may reach into holes that are still to be filled.
  """
  top = np.iinfo(image.dtype).max
  shape = image.shape[0], image.shape[1]
  for rows, columns, hole in windows.iter_hole_strips(window, shape, feather):
    weight = blend.feather_weight(hole, feather)
    weight = weight[feather : len(weight) - feather, :, None]
    part = image[rows, columns]
    fill = windows.resample(filled, window, rows, columns) * top
    mixed = np.rint(weight * fill + (1 - weight) * part)
    part[...] = np.where(weight > 0, np.clip(mixed, 0, top), part)
