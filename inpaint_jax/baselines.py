"""Fillings that need no training, to compare the nets with.

A baseline takes and returns one picture in NumPy, because OpenCV does:
fn(image uint8 [H, W, 3], mask uint8 or bool [H, W], other than 0 = hole)
-> uint8 [H, W, 3]. Known pixels come back bit for bit.
"""

from collections.abc import Callable
import importlib.util

import numpy as np

from inpaint_jax.system import errors

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


def patchmatch(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole with patches of its surroundings, with PyPatchMatch.

  Barnes et al., PatchMatch: A Randomized Correspondence Algorithm for
  Structural Image Editing, SIGGRAPH 2009, and the voting of Wexler et al.,
  Space-Time Completion of Video, PAMI 29(3), 2007. Patches of 7x7 pixels, as in
  the package's own examples: its default of 31x31 is for large pictures. The
  search starts from the same seed for every picture.

  Args:
    image: [H, W, 3] uint8.
    mask: [H, W] uint8 or bool, other than 0 = hole.

  Returns:
    [H, W, 3] uint8.

  Raises:
    errors.UserError: if no pixel is known, or PyPatchMatch is not installed,
      or was installed without its compiled part.
  """
  known = _known(mask)
  try:
    import patchmatch
  except ImportError as error:
    raise errors.UserError(
      'the baseline patchmatch wants PyPatchMatch: pip install pypatchmatch'
    ) from error
  if not patchmatch.patchmatch_available:
    raise errors.UserError(
      'PyPatchMatch is installed without its compiled library; it takes a C++ '
      'compiler, CMake and the headers of OpenCV to build it'
    )
  filled = patchmatch.inpaint(image, ~known, patch_size=3)
  return np.where(known[:, :, None], image, filled)


BASELINES: dict[str, Baseline] = {
  'mean_fill': mean_fill,
  'telea': telea,
  'patchmatch': patchmatch,
}

# The modules of packages that are not always installed.
_WANTED = {'telea': 'cv2', 'patchmatch': 'patchmatch'}


def available() -> dict[str, Baseline]:
  """Returns those of BASELINES whose packages are installed."""
  return {
    name: fill
    for name, fill in BASELINES.items()
    if name not in _WANTED or importlib.util.find_spec(_WANTED[name])
  }


def _known(mask):
  known = mask == 0
  if not known.any():
    raise errors.UserError(
      'the mask covers the whole picture; leave some of it known'
    )
  return known
