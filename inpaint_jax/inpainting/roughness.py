"""How rough an image is, along either axis: a feature of the search.

A patch of a reduced image looks smooth, whatever was there, and a mean of
copies is smoother than each of them. So the search would copy smooth places.
Roughness is measured at full resolution; from there on it is reduced, guessed
and copied like a colour, and the mean of the roughness of patches is no
smoother than they are. Measured on borders of 40 photos and 150 crops, LPIPS
fell by 4 to 8%, and fine texture rose from .74 to .91 and from .75 to .80 of
the truth's. One number for both axes gave half of that on the borders.
"""

import numpy as np

from inpaint_jax.inpainting import kernels

# By the mean step between neighbours, summed over colours, in quarters of a
# level: 40 for each doubling. What is beyond 8 bits is cut off.
_STEPS = np.arange(4 * 3 * 255 + 1)
_CODES = np.minimum(np.rint(40 * np.log2(1 + _STEPS / 12)), 255).astype('u1')


def measure(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the roughness of an image, uint8 [h, w, 2].

  It is the logarithm of the mean step between known neighbours, of which the
  four that are nearest in the row, in three rows, count across, and as many
  along the columns. Where there are none it is 0.

  Args:
    image: uint8 [h, w, 3].
    hole: bool [h, w].
  """
  height, width = hole.shape
  rough = np.empty((height, width, 2), np.uint8)

  def work(top: int, bottom: int) -> None:
    first, last = max(top - 2, 0), min(bottom + 2, height)
    margins = [(first - top + 2, bottom + 2 - last), (2, 2)]
    total = image[first:last, :, 0].astype(np.int16)
    total += image[first:last, :, 1]
    total += image[first:last, :, 2]
    total = np.pad(total, margins)
    known = np.pad(~hole[first:last], margins)
    rough[top:bottom, :, 0] = _across(total[1:-1], known[1:-1])
    rough[top:bottom, :, 1] = _across(total[:, 1:-1].T, known[:, 1:-1].T).T

  kernels.for_bands(height, work, kernels.ROWS)
  return rough


def _across(total: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Returns the roughness across rows, uint8 [h, w].

  Args:
    total: sums of colours, int16 [h + 2, w + 4].
    known: bool [h + 2, w + 4].
  """
  are_known = known[:, 1:] & known[:, :-1]
  steps = np.abs(total[:, 1:] - total[:, :-1]) * are_known
  count = np.maximum(_sum(are_known.astype(np.int16)), 1)
  # 4 * 12 steps of up to 765 are more than 16 bits hold.
  return _CODES[_sum(steps).astype(np.int32) * 4 // count]


def _sum(steps: np.ndarray) -> np.ndarray:
  """Sums [h + 2, w + 3] over three rows and four columns, to [h, w]."""
  rows = steps[:-2] + steps[1:-1] + steps[2:]
  return rows[:, :-3] + rows[:, 1:-2] + rows[:, 2:-1] + rows[:, 3:]
