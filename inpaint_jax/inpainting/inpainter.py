"""Fills the holes of images of any size, window by window.

Imports neither training nor datasets.
"""

from collections.abc import Callable, Sequence
import functools
import os
import threading

import numpy as np

from inpaint_jax.inpainting import backends, blend, checks, fills, windows
from inpaint_jax.inpainting.texture import synthesize
from inpaint_jax.release import onnx_runtime, zoo
from inpaint_jax.system import errors

DEFAULT_MODEL = 'unet-landscapes'
# Pixels around a hole that may change, so that its rim does not show.
FEATHER = 2
# Of a net's worth on one trial: so much of its own square counts against it.
_DOUBT = 0.5


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
  """Fills the holes of pictures of any size. Threads may share one."""

  def __init__(self, fill: fills.Fill, size: int):
    """Prepares a net for use.

    Args:
      fill: the net.
      size: the side in pixels of the pictures that it was trained on.
    """
    self._fill = fill
    self._size = size
    # One picture at a time in the net: a second one would double the memory
    # and, while the net is still being compiled, compile it once more.
    self._lock = threading.Lock()

  def __call__(
    self,
    image: np.ndarray | Sequence[np.ndarray],
    mask: np.ndarray | Sequence[np.ndarray],
    *,
    feather: int = FEATHER,
    texture: bool = True,
    seed: int = 0,
  ) -> np.ndarray | list[np.ndarray]:
    """Fills the holes of a picture, or of several.

    Holes that lie apart are filled one by one, each seen with its surroundings.
    Deep ones are filled at low resolution first and refined from there.

    Args:
      image: uint8 or uint16 [H, W, 3], any H and W; or several: an array [B, H,
        W, 3], or a list of pictures, which may differ in size and type.
      mask: [H, W], bool or uint8: True, or 128 and more, is hole; for several
        pictures [B, H, W] or a list.
      feather: pixels around a hole over which what is filled in gives way to
        what is known. All others come back bit for bit; with 0, all known ones.
      texture: whether to give what is filled in the grain of its surroundings;
        without, it is as smooth as the net paints.
      seed: of the chance that is in this; equal seeds give equal results.

    Returns:
      What `image` is: an array of the same shape and type, or a list of them.

    Raises:
      errors.UserError: a type or shape does not fit, or there is no hole or
        nothing but hole.
    """
    if not isinstance(feather, int | np.integer) or feather < 0:
      raise errors.UserError(
        f'feather={feather!r}; wanted a whole number of pixels, 0 or more'
      )
    grain = functools.partial(synthesize, seed=seed) if texture else None
    if isinstance(image, np.ndarray) and image.ndim == 3:
      hole = checks.check_image_and_mask(image, mask)
      return self._inpaint(image, hole, feather, grain)
    if len(image) != len(mask):
      raise errors.UserError(
        f'there are {len(image)} pictures and {len(mask)} masks; give one mask '
        'for each picture'
      )
    # All that can be wrong is found before the work, not after.
    for number, pair in enumerate(zip(image, mask, strict=True)):
      try:
        checks.check_image_and_mask(*pair)
      except errors.UserError as error:
        raise errors.UserError(f'picture {number}: {error}') from error
    results = [
      self._inpaint(one, checks.check_image_and_mask(one, its), feather, grain)
      for one, its in zip(image, mask, strict=True)
    ]
    return np.stack(results) if isinstance(image, np.ndarray) else results

  def _inpaint(
    self,
    image: np.ndarray,
    missing: np.ndarray,
    feather: int,
    grain: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
  ) -> np.ndarray:
    result = image.copy()
    for window in windows.find(missing, self._size):
      part, mask = windows.cut(result, missing, window)
      filled, _ = self._coarse_to_fine(part, mask, window.depth / window.factor)
      near = windows.closer(window)
      if near is not window:
        part, mask = windows.cut(result, missing, near)
        filled = _smooth(windows.transfer(filled, window, near), part, mask)
      if grain is not None:
        filled = grain(filled, mask[..., 0] > 0)
      _paste(result, missing, filled, near, feather)
      # The next window sees what this one was filled with, and goes on with it.
      for rows, columns, own in windows.own(missing, window):
        missing[rows, columns] &= ~own
    return result

  def _coarse_to_fine(
    self, picture: np.ndarray, mask: np.ndarray, depth: float
  ) -> tuple[np.ndarray, float]:
    """Returns a window with its holes filled, and how much of it is the net's.

    It starts from the smoothest picture that meets what is known. For a hole
    deeper than a net can see, that is the same window, filled at half the
    resolution, and the net then works near the known pixels only. It is trusted
    no more at one resolution than at the one below.

    Args:
      picture: float32 [S, S, 3], black in the holes.
      mask: float32 [S, S, 1], 1 = hole.
      depth: of the hole, in pixels of these.

    Returns:
      float32 [S, S, 3], known pixels as they are, and from 0 to 1.
    """
    reach, guess = windows.reach(self._size), np.zeros_like(picture)
    limit = 1.0
    deep = depth > reach
    if deep and len(picture) > self._size:
      half, half_mask = _halve(picture, mask)
      guess, limit = self._coarse_to_fine(half, half_mask, depth / 2)
      guess = windows.resize(guess, len(picture), len(picture))
    smooth = _smooth(guess, picture, mask)
    if limit > 0:
      limit = min(limit, self._trust(picture, mask, deep))
    if limit > 0:
      smooth = smooth + limit * self._detail(picture, mask, smooth, deep)
    return np.clip(smooth, 0, 1), limit

  def _detail(
    self, picture: np.ndarray, mask: np.ndarray, smooth: np.ndarray, deep: bool
  ) -> np.ndarray:
    """Returns what the net would add to a smooth filling, float32 [S, S, 3]."""
    with self._lock:
      output = np.asarray(self._fill(picture[None], mask[None])[0])
    weight = mask
    if deep:
      reach = windows.reach(self._size)
      weight = mask * blend.nearness(mask, reach / 2, reach)
    return weight * (blend.match(output, picture, mask) - smooth)

  def _trust(self, picture: np.ndarray, mask: np.ndarray, deep: bool) -> float:
    """Returns how much of the net's detail to take, from 0 to 1.

    What it would have been best to take of it in a trial: a hole of the same
    form beside the real one, where the truth is known. A net that guesses wrong
    in such surroundings then does no harm.
    """
    trial = blend.trial(mask)
    both = np.maximum(mask, trial)
    blind = picture * (1 - both)
    smooth = _smooth(np.zeros_like(blind), blind, both)
    detail = trial * self._detail(blind, both, smooth, deep)
    gain = np.sum(detail * (picture - smooth), dtype=np.float64)
    size = np.sum(detail * detail, dtype=np.float64)
    # A millionth: of what cannot be seen nothing can be learned.
    return float(np.clip(gain / ((1 + _DOUBT) * size + 1e-6), 0, 1))


def _smooth(
  guess: np.ndarray, picture: np.ndarray, mask: np.ndarray
) -> np.ndarray:
  """Returns a guess at a whole window, changed smoothly to meet the known."""
  smooth = guess + blend.extend(picture - guess, mask[..., 0] == 0)
  return np.clip(smooth, 0, 1)


def _halve(
  picture: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Halves a window; a pixel is hole if any of its four is."""
  size = len(picture) // 2

  def blocks(x):
    return x.reshape(size, 2, size, 2, -1)

  hole = blocks(mask).max(axis=(1, 3))
  return blocks(picture).mean(axis=(1, 3)) * (1 - hole), hole


def _paste(
  image: np.ndarray,
  missing: np.ndarray,
  filled: np.ndarray,
  window: windows.Window,
  feather: int,
) -> None:
  """Blends a filled window into `image`, in place, around its hole.

  The feather may run into holes that are still to be filled; they will be.
  """
  top = np.iinfo(image.dtype).max
  for rows, columns, own in windows.own(missing, window, feather):
    weight = blend.feather(own, feather)
    weight = weight[feather : len(weight) - feather, :, None]
    part = image[rows, columns]
    fill = windows.enlarge(filled, window, rows, columns) * top
    mixed = np.rint(weight * fill + (1 - weight) * part)
    part[...] = np.where(weight > 0, np.clip(mixed, 0, top), part)
