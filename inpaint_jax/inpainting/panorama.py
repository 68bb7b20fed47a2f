"""Fills panoramas of 360 degrees: the left border meets the right one."""

import numpy as np

from inpaint_jax.inpainting import window_filling

# Largest number of columns that are repeated beyond a border.
_MOST = 2048
# Columns on each side of the cut that are filled again, at least.
_REACH = 16


def fill_wrapped(
  image: np.ndarray,
  hole: np.ndarray,
  barred: np.ndarray,
  options: window_filling.Options,
) -> tuple[np.ndarray, np.ndarray | None]:
  """Returns an image with its hole filled, without a seam at the border.

  The image is rolled sideways so that its border cuts no hole, or as little of
  one as possible, and known columns are repeated beyond the border. If there
  are holes near the cut, they are filled again, with the cut in the middle of
  the image.

  Args:
    image: [H, W, 3].
    hole: bool [H, W].
    barred: bool [H, W], pixels that may not be copied.

  Returns:
    The filled image and the origins, as window_filling.fill_by_windows does.
  """
  fill, width = window_filling.fill_by_windows, hole.shape[1]
  cut, gap = _find_cut(hole)
  before, behind = (min(x, _MOST) for x in (gap // 2, gap - gap // 2))
  around = [(0, 0), (before, behind)]

  def turn(array: np.ndarray) -> np.ndarray:
    turned = np.roll(array, -cut, axis=1)
    return np.pad(turned, [*around, *[(0, 0)] * (array.ndim - 2)], mode='wrap')

  middle = width // 2
  reach = min(max(_REACH, int(hole.sum(axis=0).max())), width // 8)
  strip = np.roll(hole, middle - cut, axis=1)
  strip[:, : middle - reach] = strip[:, middle + reach :] = False
  parts = 2 if strip.any() else 1
  first = options.part(0, parts)
  filled, origins = fill(turn(image), turn(hole), turn(barred), first)
  image = filled[:, before : before + width]
  if origins is not None:
    origins = _move(origins[:, before : before + width], cut - before, width)
  if parts == 2:
    turned = np.roll(barred, middle - cut, axis=1)
    image = np.roll(image, middle, axis=1)
    again, others = fill(image, strip, turned, options.part(1, parts))
    image = np.roll(again, -middle, axis=1)
    if origins is not None and others is not None:
      others = np.roll(_move(others, cut - middle, width), -middle, axis=1)
      new = np.roll(strip, -middle, axis=1)
      origins = np.where(new[..., None], others, origins)
  if origins is not None:
    origins = np.roll(origins, cut, axis=1)
  return np.roll(image, cut, axis=1), origins


def _move(origins: np.ndarray, columns: int, width: int) -> np.ndarray:
  """Returns origins after their image was rolled by some columns."""
  moved = origins.copy()
  moved[..., 1] = (origins[..., 1] + columns) % width
  moved[origins[..., 0] < 0] = -1
  return moved


def _find_cut(hole: np.ndarray) -> tuple[int, int]:
  """Returns the column before which to cut, and the width of the gap around it.

  The cut is in the middle of the widest gap between holes or, if there is no
  gap, at the column with the least hole.
  """
  count = hole.sum(axis=0)
  (busy,) = np.nonzero(count)
  gaps = np.diff(busy, append=busy[0] + len(count)) - 1
  widest = int(np.argmax(gaps))
  if not gaps[widest]:
    return int(np.argmin(count)), 0
  gap = int(gaps[widest])
  return (int(busy[widest]) + 1 + gap // 2) % len(count), gap
