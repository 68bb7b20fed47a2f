"""Puts copied pixels into a hole so that neither its boundary nor seams show.

The hole gets the differences between neighbours that the copies have where
they come from, and meets the known pixels: Poisson image editing, Pérez,
Gangnet and Blake, SIGGRAPH 2003. Where two neighbours come from different
places, both places have a difference to offer, and the larger one is taken,
so that texture stays. What is solved for is the change of the copies, which
the solver of `harmonic` gives.

What was hidden is not known, and light and dark of the copies are one sample
of it: a little nearer to the guess, their expected error is smaller. LPIPS fell
by 0.5 to 1% and the error by 2% on 16 photos and 60 crops.
"""

import numpy as np
import PIL.Image
from scipy import ndimage

from inpaint_jax.inpainting import harmonic

# Light and dark are means over 3x3 squares of this side in pixels; they come
# nearer to the guess by this share of what lies between.
_SIDE = 4
_SHARE = np.float32(0.3)


def copy(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  origins: np.ndarray,
  guess: np.ndarray,
  scale: int,
) -> np.ndarray:
  """Returns an image with copies in its hole.

  Args:
    image: uint8 or uint16 [h, w, 3].
    hole: bool [h, w].
    allowed: bool [h, w], known pixels whose differences may be taken as well.
    origins: int32 [h, w, 2], the known pixel that each pixel of it copies.
    guess: uint8 [ceil(h / scale), ceil(w / scale), 3], the guess at the hole.
    scale: how many pixels a side one of the guess has.

  Returns:
    Of the type of `image` [h, w, 3]; known pixels as they are.
  """
  box = harmonic.find_box(hole)
  part_hole, result = np.ascontiguousarray(hole[box]), image.copy()
  grids = harmonic.connect(part_hole)
  rows, columns = grids[0].rows + box[0].start, grids[0].columns + box[1].start
  at = origins[rows, columns]
  copies = image[at[:, 0], at[:, 1]].astype(np.float32)
  largest = np.iinfo(image.dtype).max
  flow = np.zeros((len(rows) + 1, 3), np.float32)
  for side, (dy, dx) in enumerate(harmonic.SIDES):
    # Each pair of pixels once.
    if side < 2:
      q = grids[0].neighbours[:, side]
      _add_between(image, allowed, at, copies, q, (dy, dx), flow)
    p, v, u = harmonic.find_known(part_hole, *grids[0][:3], side)
    known = image[v + box[0].start, u + box[1].start]
    # The known pixel, less what the origin has there.
    there, may = _look(image, allowed, at[p] + [dy, dx])
    flow[p] += np.where(may, known - there, 0)
  del at
  flow /= largest
  # A level of 8 bits more or less does not show beside copied texture, and half
  # the steps are saved; what has 16 bits may be smooth.
  tolerance = 0.5 / 255 if image.dtype == np.uint8 else 0.1 / 255
  change = harmonic.solve(grids, flow, tolerance)
  # In place: each more array of a large hole takes its time.
  filled = copies
  filled /= largest
  filled += change
  where = rows // scale * guess.shape[1] + columns // scale
  guessed = (guess / np.float32(255)).reshape(-1, 3).take(where, axis=0)
  filled += _approach(guessed, filled, change, grids[0])
  np.clip(filled, 0, 1, out=filled)
  filled *= largest
  result[rows, columns] = np.rint(filled, out=filled).astype(image.dtype)
  return result


def _approach(
  guess: np.ndarray,
  filled: np.ndarray,
  change: np.ndarray,
  grid: harmonic.Grid,
) -> np.ndarray:
  """Returns what brings light and dark nearer to the guess.

  A pixel moves by no more than it was changed already, so that copies that fit
  stay as they are; nor by more than neighbours differ, so that it cannot be
  seen and an even slope goes on.

  Args:
    guess: float32 [n, 3], of the n pixels of the hole; it is overwritten.
    filled, change: float32 [n, 3].
    grid: of the hole.

  Returns:
    float32 [n, 3], to be added to `filled`.
  """
  right = grid.neighbours[:, 0]
  texture = filled.take(right, axis=0, mode='clip')
  texture -= filled
  texture = np.abs(texture, out=texture).mean(axis=1)
  texture[right == len(filled)] = 0
  apart = np.subtract(guess, filled, out=guess)
  means = _blur([*apart.T, texture], grid)
  limit = np.minimum(np.abs(change), means[3][:, None])
  apart = np.stack(means[:3], axis=1)
  apart *= _SHARE
  return np.clip(apart, -limit, limit, out=apart)


def _blur(channels: list[np.ndarray], grid: harmonic.Grid) -> list[np.ndarray]:
  """Returns means of channels [n] of a hole that is 0 around; [n] each."""
  height, width = (int(x.max()) // _SIDE + 1 for x in (grid.rows, grid.columns))
  square = (grid.rows // _SIDE * width + grid.columns // _SIDE).astype(np.intp)
  place = grid.rows * (width * _SIDE) + grid.columns
  means = []
  for channel in channels:
    sums = np.bincount(square, channel, height * width).reshape(height, width)
    mean = (sums / _SIDE**2).astype(np.float32)
    mean = ndimage.uniform_filter(mean, 3, mode='nearest')
    wide = PIL.Image.fromarray(mean).resize(
      (width * _SIDE, height * _SIDE), PIL.Image.Resampling.BILINEAR
    )
    means.append(np.asarray(wide).take(place))
  return means


def _add_between(
  image: np.ndarray,
  allowed: np.ndarray,
  at: np.ndarray,
  copies: np.ndarray,
  neighbours: np.ndarray,
  step: tuple[int, int],
  flow: np.ndarray,
) -> None:
  """Adds the change of difference that is wanted between pixels of the hole.

  Args:
    image, allowed: as in `copy`.
    at: [n, 2], origins of the n pixels of the hole.
    copies: float32 [n, 3], what is there.
    neighbours: [n], the pixel at one side of each; n where there is none.
    step: rows and columns from a pixel to this neighbour.
    flow: float32 [n + 1, 3], of the pixels, to add to.
  """
  p = np.flatnonzero(neighbours < len(at))
  q = neighbours[p]
  # Nothing changes where both are of one place.
  moved = at[q] - at[p]
  apart = (moved[:, 0] != step[0]) | (moved[:, 1] != step[1])
  p, q = p[apart], q[apart]
  now = copies[q] - copies[p]
  there, may = _look(image, allowed, at[p] + step)
  wanted = np.where(may, there - copies[p], now)
  there, may_other = _look(image, allowed, at[q] - step)
  other = copies[q] - there
  is_larger = ~may | (np.abs(other) > np.abs(wanted))
  change = np.where(may_other & is_larger, other, wanted) - now
  flow[q] += change
  flow[p] -= change


def _look(
  image: np.ndarray, allowed: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns pixels, float32 [n, 3], and whether they may be taken [n, 1].

  Args:
    image, allowed: as in `copy`.
    at: [n, 2], rows and columns, one beyond the image's edge at most.
  """
  y, x = at[:, 0], at[:, 1]
  height, width = allowed.shape
  inside = (y >= 0) & (x >= 0) & (y < height) & (x < width)
  y, x = np.where(inside, y, 0), np.where(inside, x, 0)
  return image[y, x].astype(np.float32), (inside & allowed[y, x])[:, None]
