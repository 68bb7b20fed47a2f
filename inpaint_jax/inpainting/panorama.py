"""Fills panoramas of 360 degrees: the left border meets the right one."""

from collections.abc import Callable

import numpy as np

# The most columns that are repeated beyond a border.
_MOST = 2048
# Columns on each side of the cut that are filled anew, at least.
_REACH = 16


def fill_wrapped(
  fill: Callable[[np.ndarray, np.ndarray], np.ndarray],
  image: np.ndarray,
  hole: np.ndarray,
) -> np.ndarray:
  """Returns an image with its hole filled, without a seam at the border.

  The image is turned so that its border cuts no hole, or as little as can be,
  and known columns are repeated beyond the border. Where the border does cut a
  hole, a strip around the cut is filled once more, with the cut in the middle.

  Args:
    fill: (image, hole) -> filled image; may change what it is given.
    image: [H, W, 3].
    hole: bool [H, W].
  """
  width = hole.shape[1]
  cut, gap = _find_cut(hole)
  image, hole = np.roll(image, -cut, axis=1), np.roll(hole, -cut, axis=1)
  before, behind = (min(x, _MOST) for x in (gap // 2, gap - gap // 2))
  around = [(0, 0), (before, behind)]
  wide = np.pad(image, [*around, (0, 0)], mode='wrap')
  image = fill(wide, np.pad(hole, around, mode='wrap'))
  image = image[:, before : before + width]
  middle = width // 2
  reach = min(max(_REACH, int(hole.sum(axis=0).max())), width // 8)
  strip = np.roll(hole, middle, axis=1)
  strip[:, : middle - reach] = strip[:, middle + reach :] = False
  if strip.any():
    image = np.roll(
      fill(np.roll(image, middle, axis=1), strip), -middle, axis=1
    )
  return np.roll(image, cut, axis=1)


def _find_cut(hole: np.ndarray) -> tuple[int, int]:
  """Returns the column before which to cut, and how many are known around it.

  It is the middle of the widest gap between holes, or else the column with the
  least hole.
  """
  count = hole.sum(axis=0)
  (busy,) = np.nonzero(count)
  gaps = np.diff(busy, append=busy[0] + len(count)) - 1
  widest = int(np.argmax(gaps))
  if not gaps[widest]:
    return int(np.argmin(count)), 0
  gap = int(gaps[widest])
  return (int(busy[widest]) + 1 + gap // 2) % len(count), gap
