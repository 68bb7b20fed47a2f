"""Features of pixels, by which patches are compared.

The features of an image [h, w, c] are uint8 [h, w + 2, c + 2]: its channels,
and how the sum of its colours changes across the columns and the rows. The last
two columns are padding, since the search reads rows in whole vectors.
"""

import numpy as np

from inpaint_jax.inpainting import kernels


def create(shape: tuple[int, ...]) -> np.ndarray:
  """Returns an array of zeros for the features of an image of a shape."""
  height, width, channels = shape
  return np.zeros((height, width + 2, channels + 2), np.uint8)


def compute(
  image: np.ndarray, features: np.ndarray, box: tuple[slice, slice]
) -> None:
  """Computes the features of the pixels in a box.

  Args:
    image: uint8 [h, w, c], the first three channels are colours.
    features: the array to write to, see the module.
    box: rows and columns of the pixels.
  """
  height, width = image.shape[:2]
  rows, (left, right) = box[0], (box[1].start, box[1].stop)

  def work(first: int, last: int) -> None:
    top, bottom = rows.start + first, rows.start + last
    part = image[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    above, below = int(top == 0), int(bottom == height)
    beside = int(left == 0), int(right == width)
    part = np.pad(part, [(above, below), beside, (0, 0)], mode='edge')
    total = part[..., 0].astype(np.int16)
    total += part[..., 1]
    total += part[..., 2]
    across = total[1:-1, 2:] - total[1:-1, :-2]
    along = total[2:, 1:-1] - total[:-2, 1:-1]
    place = features[top:bottom, left:right]
    # NumPy is eight times slower at copying all channels at once.
    for c in range(image.shape[2]):
      place[..., c] = part[1:-1, 1:-1, c]
    # They weigh as much as the halved gradients of all three colours would;
    # values beyond 8 bits are clipped.
    place[..., -2] = np.clip(128 + (across * 37 >> 7), 0, 255)
    place[..., -1] = np.clip(128 + (along * 37 >> 7), 0, 255)

  kernels.for_bands(rows.stop - rows.start, work, kernels.ROWS)
