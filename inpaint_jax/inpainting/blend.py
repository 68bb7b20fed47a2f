"""Making what a net paints meet what is known without a step."""

import numpy as np
from scipy import ndimage

# Sweeps of each resolution; more change nothing that can be seen.
_SWEEPS = 12


def extend(values: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Continues values into the unknown as smoothly as they allow.

  A membrane: the solution of Laplace's equation with the known values as its
  boundary, and no slope at the picture's edge. Solved from coarse to fine, each
  resolution starting from the one below.

  Args:
    values: float [h, w, C].
    known: bool [h, w]. Without any, the result is zero.

  Returns:
    float32 [h, w, C], equal to `values` where those are known.
  """
  known = known[..., None]
  values = np.where(known, values, 0).astype(np.float32)
  if known.all() or not known.any():
    return values
  height, width = known.shape[:2]
  # A row and a column more where there is an odd one, of nothing known.
  room = [(0, height % 2), (0, width % 2), (0, 0)]
  weight = _halve(np.pad(known.astype(np.float32), room))
  coarse = _halve(np.pad(values, room)) / np.maximum(weight, 1)
  coarse = extend(coarse, weight[..., 0] > 0)
  x = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
  x = np.where(known, values, x)
  for _ in range(_SWEEPS):
    x = np.where(known, values, _neighbours(x))
  return x


def match(
  output: np.ndarray, picture: np.ndarray, mask: np.ndarray
) -> np.ndarray:
  """Moves a painted picture to where it meets the known pixels.

  The step between the known pixels and what was painted beside them, inside
  the hole, is continued into the hole and taken off. What was painted keeps its
  forms and loses its error in colour, as in Poisson image editing (Perez et
  al., ACM Transactions on Graphics 22(3), 2003).

  Args:
    output: float32 [h, w, 3], what was painted; only the hole is looked at.
    picture: float32 [h, w, 3], what is known.
    mask: float32 [h, w, 1], 1 = hole.

  Returns:
    float32 [h, w, 3], not clipped; known pixels as they are in `picture`.
  """
  # What was painted inside, carried over the rim: a little beyond is enough.
  weight = _blur(mask, 1.0)
  painted = _blur(output * mask, 1.0) / np.maximum(weight, 1e-6)
  moved = output + extend(picture - painted, mask[..., 0] == 0)
  return np.where(mask > 0, moved, picture)


def trial(mask: np.ndarray) -> np.ndarray:
  """Returns a second hole, like the first, among the known pixels beside it.

  Args:
    mask: float32 [h, w, 1], 1 = hole.

  Returns:
    float32 [h, w, 1], the hole moved along one axis, as far as more of it
    comes to lie on known pixels; all zero where none are known.
  """
  hole = mask[..., 0] > 0
  best, most, step = np.zeros_like(hole), 0, 4
  while step < len(hole):
    for axis in (0, 1):
      for sign in (-1, 1):
        moved = np.roll(hole, sign * step, axis) & ~hole
        if moved.sum() >= max(most, 1):
          best, most = moved, moved.sum()
    step *= 2
  return best[..., None].astype(np.float32)


def nearness(mask: np.ndarray, full: float, none: float) -> np.ndarray:
  """Returns 1 near the known pixels, 0 far from them, and between in between.

  Args:
    mask: float32 [h, w, 1], 1 = hole.
    full, none: distances in pixels up to which it is 1, from which it is 0.
  """
  if mask.all():
    return np.zeros_like(mask)
  distance = ndimage.distance_transform_edt(mask[..., 0] > 0)
  x = np.clip((none - distance) / (none - full), 0, 1)[..., None]
  return (x * x * (3 - 2 * x)).astype(np.float32)


def feather(hole: np.ndarray, width: int) -> np.ndarray:
  """Returns the weight of what is filled in: 1 in the hole, falling around it.

  Args:
    hole: bool [h, w].
    width: pixels outside the hole in which the weight falls to zero.

  Returns:
    float32 [h, w], zero from more than `width` pixels from the hole on.
  """
  # Pixel by pixel outwards: a distance transform of all would take longer.
  weight, reached = hole.astype(np.float32), hole
  for distance in range(1, width + 1):
    grown = ndimage.maximum_filter(reached, 3)
    x = 1 - distance / (width + 1)
    weight[grown & ~reached] = x * x * (3 - 2 * x)
    reached = grown
  return weight


def _halve(x: np.ndarray) -> np.ndarray:
  return x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]


def _neighbours(x: np.ndarray) -> np.ndarray:
  """Returns the means of the four neighbours, edges repeated."""
  y = np.pad(x, [(1, 1), (1, 1), (0, 0)], mode='edge')
  return (y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:]) / 4


def _blur(x: np.ndarray, deviation: float) -> np.ndarray:
  return ndimage.gaussian_filter(x, (deviation, deviation, 0), mode='nearest')
