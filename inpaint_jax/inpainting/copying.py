"""Puts copied pixels into a hole so that neither its boundary nor seams show.

The hole gets the differences between neighbours that the copies have where
they come from, and meets the known pixels: Poisson image editing, Pérez,
Gangnet and Blake, SIGGRAPH 2003. Where two neighbours come from different
places, both places have a difference to offer, and the larger one is taken,
so that texture stays. What is solved for is the change of the copies, which
the solver of `harmonic` gives.
"""

import numpy as np

from inpaint_jax.inpainting import harmonic, kernels


def copy(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  origins: np.ndarray,
) -> np.ndarray:
  """Returns an image with copies in its hole.

  Args:
    image: uint8 or uint16 [h, w, 3].
    hole: bool [h, w].
    allowed: bool [h, w], known pixels whose differences may be taken as well.
    origins: int32 [h, w, 2], the known pixel that each pixel of it copies.

  Returns:
    Of the type of `image` [h, w, 3]; known pixels as they are.
  """
  box = harmonic.find_box(hole)
  part_hole, result = np.ascontiguousarray(hole[box]), image.copy()
  grids = harmonic.connect(part_hole)
  rows, columns = grids[0].rows, grids[0].columns
  rows, columns = rows + box[0].start, columns + box[1].start
  at = origins[rows, columns]
  result[rows, columns] = image[at[:, 0], at[:, 1]]
  flow = np.zeros((len(rows) + 1, 3), np.float32)
  largest = np.iinfo(image.dtype).max
  _add_flow(
    result,
    hole,
    allowed,
    origins,
    rows,
    columns,
    grids[0].neighbours,
    flow,
    np.float32(1 / largest),
  )
  # A level of 8 bits more or less does not show beside copied texture, and half
  # the steps are saved; what has 16 bits may be smooth.
  tolerance = 0.5 / 255 if image.dtype == np.uint8 else 0.1 / 255
  change = harmonic.solve(grids, flow, tolerance)
  filled = np.rint(result[rows, columns] + change * largest)
  result[rows, columns] = np.clip(filled, 0, largest).astype(image.dtype)
  return result


@kernels.kernel
def _add_flow(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  origins: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
  neighbours: np.ndarray,
  flow: np.ndarray,
  scale: float,
) -> None:
  """Adds the change of difference that is wanted between neighbours.

  Args:
    image, hole, allowed, origins: the window, with the copies in its hole.
    rows, columns, neighbours: of the pixels of the hole, see harmonic.Grid.
    flow: float32 [n + 1, 3], of these pixels, to add to.
    scale: of one level of the image.
  """
  height, width = hole.shape
  for p in range(len(rows)):
    y, x = rows[p], columns[p]
    i, j = origins[y, x, 0], origins[y, x, 1]
    for side in range(4):
      dy = (0, 1, 0, -1)[side]
      dx = (1, 0, -1, 0)[side]
      v, u = y + dy, x + dx
      if v < 0 or u < 0 or v >= height or u >= width:
        continue
      inside = 0 <= i + dy < height and 0 <= j + dx < width
      beside = inside and allowed[i + dy, j + dx]
      if not hole[v, u]:
        # The known pixel, less what the origin has there.
        if beside:
          for c in range(3):
            step = np.float32(image[v, u, c])
            step -= np.float32(image[i + dy, j + dx, c])
            flow[p, c] += step * scale
        continue
      k, m = origins[v, u, 0], origins[v, u, 1]
      # Each pair once; nothing changes where both are of one place.
      if side > 1 or (k - i == dy and m - j == dx):
        continue
      inside = 0 <= k - dy < height and 0 <= m - dx < width
      before = inside and allowed[k - dy, m - dx]
      q = neighbours[p, side]
      for c in range(3):
        now = np.float32(image[v, u, c]) - np.float32(image[y, x, c])
        wanted = now
        if beside:
          wanted = np.float32(image[i + dy, j + dx, c])
          wanted -= np.float32(image[i, j, c])
        if before:
          other = np.float32(image[k, m, c])
          other -= np.float32(image[k - dy, m - dx, c])
          if not beside or abs(other) > abs(wanted):
            wanted = other
        change = (wanted - now) * scale
        flow[q, c] += change
        flow[p, c] -= change
