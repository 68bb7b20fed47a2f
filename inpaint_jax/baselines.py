"""Fills holes by methods without training, to compare the models with.

A baseline is a function (image, mask) -> filled image on NumPy arrays: image
uint8 [H, W, 3], mask uint8 or bool [H, W], nonzero = hole, filled image uint8
[H, W, 3]. Known pixels come back bit for bit. All raise an errors.UserError if
no pixel is known, or if their package is not installed. To add one, write its
function and add one line to BASELINES.

Attributes:
  BASELINES: name to baseline.
"""

from collections.abc import Callable
import importlib.util

import jax
import numpy as np

from inpaint_jax.models import harmonic as models_harmonic
from inpaint_jax.system import errors

Baseline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean_fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole with the mean colour of the known pixels."""
  known = _known(mask)
  colour = np.round(np.mean(image[known], axis=0)).astype(np.uint8)
  return np.where(known[:, :, None], image, colour)


def harmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole with the smoothest surface that meets the known pixels.

  Models with `model.base=harmonic` start from this fill.
  """
  known = _known(mask)[..., None]
  seen = np.where(known, image, 0)[None] / np.float32(255)
  filled = _fill_harmonically(seen, 1 - known[None].astype(np.float32))
  filled = np.rint(np.clip(filled[0], 0, 1) * 255).astype(np.uint8)
  return np.where(known, image, filled)


_fill_harmonically = jax.jit(models_harmonic.fill)


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole from its boundary inwards, with OpenCV.

  Telea, An Image Inpainting Technique Based on the Fast Marching Method,
  Journal of Graphics Tools 9(1), 2004, with a radius of 3 pixels.
  """
  known = _known(mask)
  errors.check_installed('cv2', 'the baseline telea', 'metrics')
  # Without a desktop, opencv-python lacks the system's libGL.
  advice = '; install opencv-python-headless in place of opencv-python'
  with errors.error_as('OpenCV cannot be imported', advice, kind=ImportError):
    import cv2

  hole = (~known).astype(np.uint8)
  # OpenCV reads pixels in the hole, which must not be the true ones.
  blanked = mean_fill(image, mask)
  filled = cv2.inpaint(blanked, hole, 3, cv2.INPAINT_TELEA)
  return np.where(known[:, :, None], image, filled)


def patchmatch(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fills the hole with patches of its surroundings, with PyPatchMatch.

  Barnes et al., PatchMatch: A Randomized Correspondence Algorithm for
  Structural Image Editing, SIGGRAPH 2009, and the voting of Wexler et al.,
  Space-Time Completion of Video, PAMI 29(3), 2007. Patches have 7x7 pixels, as
  in the package's own examples: its default of 31x31 is for large images. The
  search starts from the same seed for every image.
  """
  known = _known(mask)
  errors.check_installed('patchmatch', 'the baseline patchmatch', 'metrics')
  import patchmatch

  if not patchmatch.patchmatch_available:
    raise errors.UserError(
      'PyPatchMatch is installed without its compiled library; it takes a C++ '
      'compiler, CMake and the headers of OpenCV to build it'
    )
  filled = patchmatch.inpaint(image, ~known, patch_size=3)
  return np.where(known[:, :, None], image, filled)


BASELINES: dict[str, Baseline] = {
  'mean_fill': mean_fill,
  'harmonic': harmonic,
  'telea': telea,
  'patchmatch': patchmatch,
}

# The modules of optional packages that baselines need.
_NEEDED = {'telea': 'cv2', 'patchmatch': 'patchmatch'}


def available() -> dict[str, Baseline]:
  """Returns the baselines whose packages are installed."""
  return {
    name: fill
    for name, fill in BASELINES.items()
    if name not in _NEEDED or importlib.util.find_spec(_NEEDED[name])
  }


def _known(mask: np.ndarray) -> np.ndarray:
  known = mask == 0
  if not known.any():
    raise errors.UserError(
      'the mask covers the whole image; leave some of it known'
    )
  return known
