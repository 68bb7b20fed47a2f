"""Blends what a model paints with the known pixels, without a seam."""

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting.harmonic import harmonic_fill


def harmonic_blend(
  output: np.ndarray, image: np.ndarray, mask: np.ndarray
) -> np.ndarray:
  """Shifts the colours of a painted image so that it meets the known pixels.

  The step between the known pixels and what was painted right beside them is
  interpolated into the hole and subtracted. What was painted keeps its shapes
  and loses its error in colour, as in Poisson image editing (Perez et al., ACM
  Transactions on Graphics 22(3), 2003).

  Args:
    output: float32 [h, w, 3], the painted image; only the hole is used.
    image: float32 [h, w, 3], the known pixels.
    mask: float32 [h, w, 1], 1 = hole.

  Returns:
    float32 [h, w, 3], not clipped; known pixels are those of `image`.
  """
  # The painted pixels, extended over the boundary: a little beyond is enough.
  weight = _blur(mask, 1.0)
  painted = _blur(output * mask, 1.0) / np.maximum(weight, 1e-6)
  shifted = output + harmonic_fill(image - painted, mask[..., 0] == 0)
  return np.where(mask > 0, shifted, image)


def shifted_hole(mask: np.ndarray) -> np.ndarray:
  """Returns a hole of the same shape among the known pixels beside the hole.

  Args:
    mask: float32 [h, w, 1], 1 = hole.

  Returns:
    float32 [h, w, 1], the hole shifted along one axis, by the shift that puts
    most of it on known pixels; all zero if no pixel is known.
  """
  hole = mask[..., 0] > 0
  best, most, step = np.zeros_like(hole), 0, 4
  while step < len(hole):
    for axis in (0, 1):
      for sign in (-1, 1):
        shifted = np.roll(hole, sign * step, axis) & ~hole
        if shifted.sum() >= max(most, 1):
          best, most = shifted, shifted.sum()
    step *= 2
  return best[..., None].astype(np.float32)


def boundary_weight(mask: np.ndarray, full: float, none: float) -> np.ndarray:
  """Returns a weight that falls from 1 at the known pixels to 0 deep inside.

  Args:
    mask: float32 [h, w, 1], 1 = hole.
    full, none: distances in pixels up to which it is 1 and from which it is 0.
  """
  if mask.all():
    return np.zeros_like(mask)
  distance = ndimage.distance_transform_edt(mask[..., 0] > 0)
  x = np.clip((none - distance) / (none - full), 0, 1)[..., None]
  return (x * x * (3 - 2 * x)).astype(np.float32)


def feather_weight(hole: np.ndarray, width: int) -> np.ndarray:
  """Returns the weight of the filled image: 1 in the hole, falling around it.

  Args:
    hole: bool [h, w].
    width: pixels outside the hole over which the weight falls to zero.

  Returns:
    float32 [h, w], zero at more than `width` pixels from the hole.
  """
  # Grown pixel by pixel: a distance transform of all pixels takes longer.
  weight, reached = hole.astype(np.float32), hole
  for distance in range(1, width + 1):
    grown = ndimage.maximum_filter(reached, 3)
    x = 1 - distance / (width + 1)
    weight[grown & ~reached] = x * x * (3 - 2 * x)
    reached = grown
  return weight


def _blur(x: np.ndarray, deviation: float) -> np.ndarray:
  return ndimage.gaussian_filter(x, (deviation, deviation, 0), mode='nearest')
