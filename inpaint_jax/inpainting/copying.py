"""Puts copied pixels into a hole so that neither its boundary nor seams show.

The hole gets the differences between neighbours that the copies have where
they come from, and meets the known pixels: Poisson image editing, Pérez,
Gangnet and Blake, SIGGRAPH 2003. Where two neighbours come from different
places, both places have a difference to offer, and the larger one is taken,
so that texture stays. What is solved for is the change of the copies, which
the solver of `harmonic` gives.
"""

import numba
import numpy as np

from inpaint_jax.inpainting import harmonic


def copy(
  image: np.ndarray, hole: np.ndarray, origins: np.ndarray
) -> np.ndarray:
  """Returns an image with copies in its hole.

  Args:
    image: uint8 or uint16 [h, w, 3].
    hole: bool [h, w].
    origins: int32 [h, w, 2], the known pixel that each pixel of it copies.

  Returns:
    Of the type of `image` [h, w, 3]; known pixels as they are.
  """
  rows, columns = np.nonzero(hole)
  # The hole's box and a pixel around it.
  box = (
    slice(max(rows.min() - 1, 0), rows.max() + 2),
    slice(max(columns.min() - 1, 0), columns.max() + 2),
  )
  unknown, hole, result = hole, hole[box], image.copy()
  part = result[box]
  at = origins[box][hole]
  part[hole] = image[at[:, 0], at[:, 1]]
  right, down, to_known, flow = harmonic.connect(np.zeros_like(part), hole)
  largest = np.iinfo(image.dtype).max
  _add_flow(image, unknown, part, hole, origins[box], flow, 1 / largest)
  change = harmonic.solve(right, down, to_known, flow)[1:-1, 1:-1][hole]
  filled = np.rint(part[hole] + change * largest)
  part[hole] = np.clip(filled, 0, largest).astype(image.dtype)
  return result


@numba.njit(cache=True, nogil=True)
def _is_known(unknown: np.ndarray, y: int, x: int) -> bool:
  """Whether a pixel lies within the window, and not in its hole."""
  inside = 0 <= y < unknown.shape[0] and 0 <= x < unknown.shape[1]
  return inside and not unknown[y, x]


@numba.njit(cache=True, nogil=True)
def _add_flow(
  image: np.ndarray,
  unknown: np.ndarray,
  part: np.ndarray,
  hole: np.ndarray,
  origins: np.ndarray,
  flow: np.ndarray,
  scale: float,
) -> None:
  """Adds the change of difference that is wanted between neighbours.

  Args:
    image, unknown: the window, and its hole.
    part, hole, origins: the hole's box, with the copies in it.
    flow: float32 [h + 2, w + 2, 3], of the box, to add to.
    scale: of one level of the image.
  """
  height, width = hole.shape
  for y in range(height):
    for x in range(width):
      for dy, dx in ((0, 1), (1, 0)):
        v, u = y + dy, x + dx
        if v == height or u == width or not (hole[y, x] or hole[v, u]):
          continue
        if hole[y, x] and hole[v, u]:
          i, j = origins[y, x, 0], origins[y, x, 1]
          k, m = origins[v, u, 0], origins[v, u, 1]
          if k - i == dy and m - j == dx:
            continue
          # Beside the first origin, and beside the second.
          beside = _is_known(unknown, i + dy, j + dx)
          before = _is_known(unknown, k - dy, m - dx)
          for c in range(3):
            now = np.float32(part[v, u, c]) - np.float32(part[y, x, c])
            wanted = now
            if beside:
              wanted = np.float32(image[i + dy, j + dx, c]) - np.float32(
                image[i, j, c]
              )
            if before:
              other = np.float32(image[k, m, c]) - np.float32(
                image[k - dy, m - dx, c]
              )
              if not beside or abs(other) > abs(wanted):
                wanted = other
            change = (wanted - now) * scale
            flow[v + 1, u + 1, c] += change
            flow[y + 1, x + 1, c] -= change
        else:
          # The known pixel, less what its neighbour's origin has there.
          if hole[y, x]:
            y0, x0, sy, sx = y, x, dy, dx
          else:
            y0, x0, sy, sx = v, u, -dy, -dx
          i, j = origins[y0, x0, 0] + sy, origins[y0, x0, 1] + sx
          if _is_known(unknown, i, j):
            for c in range(3):
              step = np.float32(part[y0 + sy, x0 + sx, c]) - np.float32(
                image[i, j, c]
              )
              flow[y0 + 1, x0 + 1, c] += step * scale
