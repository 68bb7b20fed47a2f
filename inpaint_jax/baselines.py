"""Fillings that need no training, to compare the nets with.

A baseline takes and returns one picture in NumPy, because OpenCV does:
fn(image uint8 [H, W, 3], mask uint8 or bool [H, W], other than 0 = hole)
-> uint8 [H, W, 3]. Known pixels come back bit for bit.
"""

from collections.abc import Callable
import importlib.util

import numpy as np

from inpaint_jax import errors

Baseline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean_fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole with the mean colour of the known pixels.

  Args:
    image: [H, W, 3] uint8.
    mask: [H, W] uint8 or bool, other than 0 = hole.

  Returns:
    [H, W, 3] uint8.

  Raises:
    errors.UserError: if no pixel is known.
  """
  known = _known(mask)
  colour = np.round(np.mean(image[known], axis=0)).astype(np.uint8)
  return np.where(known[:, :, None], image, colour[None, None, :])


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole from its rim inwards, with OpenCV.

  Telea, An Image Inpainting Technique Based on the Fast Marching Method,
  Journal of Graphics Tools 9(1), 2004, with a radius of 3 pixels.

  Args:
    image: [H, W, 3] uint8.
    mask: [H, W] uint8 or bool, other than 0 = hole.

  Returns:
    [H, W, 3] uint8.

  Raises:
    errors.UserError: if no pixel is known, or OpenCV is not installed.
  """
  known = _known(mask)
  try:
    import cv2
  except ImportError as error:
    raise errors.UserError(
      'the baseline telea wants OpenCV: pip install opencv-python-headless'
    ) from error
  hole = (~known).astype(np.uint8)
  # Near the border of the picture OpenCV reads pixels of the hole, so that the
  # truth must not be in there.
  blanked = mean_fill(image, mask)
  filled = cv2.inpaint(blanked, hole, 3, cv2.INPAINT_TELEA)
  return np.where(known[:, :, None], image, filled)


BASELINES: dict[str, Baseline] = {'mean_fill': mean_fill, 'telea': telea}


def available() -> dict[str, Baseline]:
  """Returns those of BASELINES that can run here: telea wants OpenCV."""
  has_opencv = importlib.util.find_spec('cv2') is not None
  return {k: v for k, v in BASELINES.items() if k != 'telea' or has_opencv}


def _known(mask):
  known = mask == 0
  if not known.any():
    raise errors.UserError(
      'the mask covers the whole picture; leave some of it known'
    )
  return known
