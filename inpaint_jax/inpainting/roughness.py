"""Measures how rough an image is along each axis, a feature of the search.

A patch of a reduced image looks smooth even where the photo is rough, and a
mean of copies is smoother than each of them. So the search would copy smooth
places. Roughness is measured once, at full resolution; then it is reduced,
guessed and copied like a colour, and the mean of the roughness of patches is no
smoother than they are. With it, LPIPS fell by 4 to 8% in borders of 40 photos
and 60 crops, and fine texture rose from .74 to .91 and from .75 to .80 of the
ground truth's. One number for both axes gave half of that on 24 of them.
"""

import numpy as np

from inpaint_jax.inpainting import kernels

# The roughness for each mean step between neighbours, summed over colours, in
# quarters of an 8-bit level: it grows by 40 with each doubling, up to 255.
_STEPS = np.arange(4 * 3 * 255 + 1)
_CODES = np.minimum(np.rint(40 * np.log2(1 + _STEPS / 12)), 255).astype('u1')


def measure(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the roughness of an image at half its resolution.

  It is the logarithm of the mean step between known neighbours, over the twelve
  pairs that are nearest to a pixel of the half resolution. Where no pair is
  known it is 0.

  Args:
    image: uint8 [h, w, 3].
    hole: bool [h, w].

  Returns:
    uint8 [(h + 1) // 2, (w + 1) // 2, 2], across the columns and the rows.
  """
  height, width = hole.shape
  rough = np.empty(((height + 1) // 2, (width + 1) // 2, 2), np.uint8)

  def work(top: int, bottom: int) -> None:
    rows, margins = kernels.blocks(top, bottom, height, width)
    total = image[rows, :, 0].astype(np.int16)
    total += image[rows, :, 1]
    total += image[rows, :, 2]
    total = np.pad(total, margins)
    known = np.pad(~hole[rows], margins)
    rough[top:bottom, :, 0] = _across(total, known)
    rough[top:bottom, :, 1] = _across(total.T, known.T).T

  kernels.for_bands(len(rough), work, kernels.ROWS)
  return rough


def _across(total: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Returns the roughness across columns, uint8 [h, w].

  Args:
    total: sums of colours, int16 [2 h + 2, 2 w + 2].
    known: bool [2 h + 2, 2 w + 2].
  """
  are_known = known[:, 1:] & known[:, :-1]
  steps = np.abs(total[:, 1:] - total[:, :-1]) * are_known
  count = np.maximum(_sum(are_known.astype(np.int16)), 1)
  # Four times the sum of 12 steps of up to 765 does not fit 16 bits.
  return _CODES[_sum(steps).astype(np.int32) * 4 // count]


def _sum(steps: np.ndarray) -> np.ndarray:
  """Sums [2 h + 2, 2 w + 1] over four rows and three columns, to [h, w]."""
  columns = steps[:, :-2:2] + steps[:, 1:-1:2] + steps[:, 2::2]
  return columns[:-3:2] + columns[1:-2:2] + columns[2:-1:2] + columns[3::2]
