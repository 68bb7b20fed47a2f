"""Fills images that are partly transparent, alpha included."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import harmonic
from inpaint_jax.photos import mask_files

# Up to this share of full opacity, the colours of a pixel mean nothing.
_CLEAR = 1 / 16
# Within this distance of such a pixel, in pixels, those that are not opaque may
# have the colour of what was behind them.
_FRINGE = 6
# An outline is sharp if at most this share of the pixels around the hole is
# translucent.
_FEW = 0.2


def fill_with_alpha(
  fill: Callable[
    [np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | None]
  ],
  pixels: np.ndarray,
  alpha: np.ndarray,
  hole: np.ndarray,
  barred: np.ndarray,
  *,
  wrap: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
  """Returns pixels and alpha with their hole filled, and the origins.

  In the hole, alpha continues its surroundings: it is opaque where they are,
  and an outline continues. Transparent pixels keep their colours, which are not
  used.

  Args:
    fill: (pixels, hole, barred) -> pixels, origins; see inpainter.Filling.
    pixels: uint8 or uint16 [H, W, 3].
    alpha: of the same type [H, W], 0 = transparent.
    hole: bool [H, W].
    barred: bool [H, W], pixels that may not be copied.
    wrap: whether the left border meets the right one.
  """
  clear = find_clear(alpha, hole)
  filled, origins = fill(
    _extend_colours(pixels, clear, hole), hole, barred | clear
  )
  pixels = np.where(clear[..., None], pixels, filled)
  return pixels, _continue_alpha(alpha, hole, wrap), origins


def find_clear(alpha: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the known pixels whose colours must not be used, bool [H, W]."""
  opaque = np.iinfo(alpha.dtype).max
  clear = ~hole & (alpha <= opaque * _CLEAR)
  if clear.any():
    near = ndimage.maximum_filter(clear, 2 * _FRINGE + 1)
    fringe = near & ~hole & (alpha < opaque)
    if (~hole & ~clear & ~fringe).any():
      clear |= fringe
  return clear


def _extend_colours(
  pixels: np.ndarray, clear: np.ndarray, hole: np.ndarray
) -> np.ndarray:
  """Gives transparent pixels the colour of the nearest pixel that has one."""
  unknown = clear | hole
  if not clear.any() or unknown.all():
    return pixels
  nearest = ndimage.distance_transform_edt(
    unknown, return_distances=False, return_indices=True
  )
  result = pixels.copy()
  result[clear] = pixels[tuple(nearest[:, clear])]
  return result


def _continue_alpha(
  alpha: np.ndarray, hole: np.ndarray, wrap: bool
) -> np.ndarray:
  """Returns alpha with its hole filled; [H, W] each."""
  opaque = np.iinfo(alpha.dtype).max
  alpha = np.where(_find_rim(alpha, hole), opaque, alpha)
  if wrap:
    around = hole.shape[1] // 2
    wide = [
      np.pad(x, [(0, 0), (around, around)], mode='wrap') for x in (alpha, hole)
    ]
    filled = _continue_alpha(wide[0], wide[1], wrap=False)
    return filled[:, around : around + hole.shape[1]]
  ring = ndimage.maximum_filter(hole, 3) & ~hole
  beside = alpha[ring]
  if beside.min() == beside.max():
    return np.where(hole, beside[0], alpha)
  (box,) = ndimage.find_objects((hole | ring).astype(np.int8))
  values = alpha[box] / np.float32(opaque)
  values = harmonic.harmonic_fill(values[..., None], ~hole[box])[..., 0]
  is_soft = (beside > 0.1 * opaque) & (beside < 0.9 * opaque)
  if np.mean(is_soft) <= _FEW:
    # Divided by its slope, alpha is the distance to the outline in pixels: the
    # edge becomes one pixel wide.
    slope = np.hypot(*(_gradient(values, axis) for axis in (0, 1)))
    if not is_soft.any():
      slope *= 1e-3
    values = 0.5 + (values - 0.5) / np.maximum(slope, 1e-6)
  result = alpha.copy()
  filled = np.rint(np.clip(values, 0, 1) * opaque).astype(alpha.dtype)
  result[box] = np.where(hole[box], filled, alpha[box])
  return result


def _gradient(values: np.ndarray, axis: int) -> np.ndarray:
  """Returns the differences along an axis, 0 if it is of one pixel."""
  if values.shape[axis] == 1:
    return np.zeros_like(values)
  return np.gradient(values, axis=axis)


def _find_rim(alpha: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the soft rim that an eraser leaves around transparent holes.

  Its colours are known, but once the hole is filled it must be opaque, or it
  would show as a line. A region of translucent pixels has such a rim if `hole`
  covers all its transparent pixels; a cutout that is filled only in part keeps
  its outline, and so does glass.

  Args:
    alpha: uint8 or uint16 [H, W].
    hole: bool [H, W], the pixels that are filled.

  Returns:
    bool [H, W], without the hole itself.
  """
  regions, count = ndimage.label(alpha < np.iinfo(alpha.dtype).max)
  transparent = mask_files.find_transparent(alpha)
  is_rim = np.zeros(count + 1, bool)
  is_rim[regions[transparent & hole]] = True
  is_rim[regions[transparent & ~hole]] = False
  return is_rim[regions] & ~hole
