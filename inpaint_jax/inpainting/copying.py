"""Puts copied pixels into a hole so that neither its boundary nor seams show.

Neighbours in the hole keep the difference that they have at their origins, and
the hole meets the known pixels: Poisson image editing, Pérez, Gangnet and
Blake, SIGGRAPH 2003. Where two neighbours have origins in different places,
each place offers a difference, and the larger one is taken, so that texture
stays. The solver of `harmonic` computes the change of the copies, and `tones`
corrects it.
"""

import numpy as np

from inpaint_jax.inpainting import harmonic, kernels, tones, windows

# How many pixels a thread works on at a time.
_BAND = 2**16


def copy(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  origins: np.ndarray,
  guess: np.ndarray,
  scale: int,
  source: np.ndarray | None = None,
) -> np.ndarray:
  """Returns an image with copies in its hole.

  Args:
    image: uint8 or uint16 [h, w, 3].
    hole: bool [h, w].
    allowed: bool, like the rows and columns of `source`, known pixels whose
      differences may be taken.
    origins: int32 [h, w, 2], the known pixel of `source` that a pixel of the
      hole copies.
    guess: uint8 [ceil(h / scale), ceil(w / scale), 3], the guess at the hole.
    scale: side of a pixel of the guess, in pixels of the image.
    source: the pixels that are copied, like the image but of any size; None =
      the image.

  Returns:
    [h, w, 3], of the type of `image`; known pixels keep their values.
  """
  source = image if source is None else source
  box = windows.find_box(hole)
  part_hole, result = np.ascontiguousarray(hole[box]), image.copy()
  grids = harmonic.connect(part_hole)
  rows, columns = grids[0].rows, grids[0].columns
  at = origins[box][rows, columns]
  copies = source[at[:, 0], at[:, 1]].astype(np.float32)
  largest = np.iinfo(image.dtype).max
  flow = np.zeros((len(rows) + 1, 3), np.float32)
  # Two sides of the four: each pair of neighbours once.
  for side in range(2):
    _add_between(source, allowed, at, copies, grids[0].neighbours, side, flow)
  for side, (dy, dx) in enumerate(harmonic.SIDES):
    p, v, u = harmonic.find_known(part_hole, *grids[0][:3], side)
    known = image[box][v, u]
    # The known pixel less the one on that side of the origin.
    there, may = _look(source, allowed, at[p] + [dy, dx])
    flow[p] += np.where(may, known - there, 0)
  del at
  flow /= largest
  # An error of one 8-bit level does not show in copied texture, and allowing it
  # saves half the steps; an image of 16 bits may be smooth.
  tolerance = 0.5 / 255 if image.dtype == np.uint8 else 0.1 / 255
  change = harmonic.solve(grids, flow, tolerance)
  right = grids[0].neighbours[:, 0].copy()
  # Large holes need the memory for what follows.
  del grids, flow
  # In place, since each further array of a large hole takes time.
  filled = copies
  filled /= largest
  tones.fade_hues(part_hole, change, rows, columns, min(hole.shape))
  filled += change
  y, x = (rows + box[0].start) // scale, (columns + box[1].start) // scale
  guessed = (guess / np.float32(255)).reshape(-1, 3)
  guessed = guessed.take(y * guess.shape[1] + x, axis=0)
  filled += tones.approach(guessed, filled, change, rows, columns, right)
  np.clip(filled, 0, 1, out=filled)
  filled *= largest
  result[box][rows, columns] = np.rint(filled, out=filled).astype(image.dtype)
  return result


def _add_between(
  source: np.ndarray,
  allowed: np.ndarray,
  at: np.ndarray,
  copies: np.ndarray,
  neighbours: np.ndarray,
  side: int,
  flow: np.ndarray,
) -> None:
  """Adds the wanted changes of the differences between neighbours in the hole.

  Args:
    source, allowed: as in `copy`.
    at: [n, 2], origins of the n pixels of the hole.
    copies: float32 [n, 3], the source at the origins.
    neighbours: [n, 4], see `harmonic.Grid`.
    side: index of SIDES, where the other pixel of each pair is.
    flow: float32 [n + 1, 3], the array to add to.
  """
  step = harmonic.SIDES[side]
  changes = {}

  def find(first: int, last: int) -> None:
    q = neighbours[first:last, side]
    p = np.flatnonzero(q < len(at))
    q, p = q[p], p + first
    # Nothing changes where both are copied from one place.
    moved = at[q] - at[p]
    apart = (moved[:, 0] != step[0]) | (moved[:, 1] != step[1])
    p, q = p[apart], q[apart]
    now = copies[q] - copies[p]
    there, may = _look(source, allowed, at[p] + step)
    wanted = np.where(may, there - copies[p], now)
    there, may_other = _look(source, allowed, at[q] - step)
    other = copies[q] - there
    is_larger = ~may | (np.abs(other) > np.abs(wanted))
    change = np.where(may_other & is_larger, other, wanted) - now
    changes[first] = p, q, change

  kernels.for_bands(len(at), find, _BAND)
  for first in sorted(changes):
    p, q, change = changes[first]
    flow[q] += change
    flow[p] -= change


def _look(
  source: np.ndarray, allowed: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns pixels, float32 [n, 3], and whether they may be taken, [n, 1].

  Args:
    source, allowed: as in `copy`.
    at: [n, 2], rows and columns, at most one pixel beyond the source's edge.
  """
  y, x = at[:, 0], at[:, 1]
  height, width = allowed.shape
  inside = (y >= 0) & (x >= 0) & (y < height) & (x < width)
  y, x = np.where(inside, y, 0), np.where(inside, x, 0)
  return source[y, x].astype(np.float32), (inside & allowed[y, x])[:, None]
