"""Other programs that fill holes, as functions like those of baselines.

A peer is a function (image uint8 [H, W, 3], hole bool [H, W]) -> filled image
uint8 [H, W, 3], whose known pixels come back bit for bit. No peer sees what the
hole hides. To add one, write its function and add a line to PEERS.

Attributes:
  PEERS: name to peer.
"""

import contextlib
import functools
import importlib
import importlib.util
from typing import Any

import numpy as np
from PIL import Image

from inpaint_jax import baselines


def _in_the_hole_alone(fill: baselines.Baseline) -> baselines.Baseline:
  """Makes a peer of a program that may change known pixels.

  The program gets an image whose hole has the mean colour of its known pixels.
  """

  @functools.wraps(fill)
  def peer(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    filled = fill(baselines.mean_fill(image, hole), hole)
    return np.where(hole[..., None], filled, image)

  return peer


@_in_the_hole_alone
def resynthesizer(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Fills with single pixels of similar surroundings, like GIMP's plug-in.

  Harrison, Image Texture Tools, thesis, Monash University, 2005. Uses the
  defaults of the PyPI package resynthesizer.
  """
  import resynthesizer as package

  filled = package.resynthesize(
    Image.fromarray(image), Image.fromarray(np.uint8(255) * hole)
  )
  return np.asarray(filled.convert('RGB'))


@_in_the_hole_alone
def gmic(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Fills with patches, by the command inpaint_matchpatch of G'MIC.

  Uses its defaults and the same seed every time. Results still differ, because
  it runs in several threads.
  """
  import gmic as package

  parts = [image, np.uint8(255) * hole[..., None]]
  # Its arrays have the axes x, y, z, c.
  images = [
    package.Image(part.swapaxes(0, 1)[:, :, None].astype(np.float32))
    for part in parts
  ]
  result = package.run(
    'srand 0 inpaint_matchpatch[0] [1]', package.ImageList(images)
  )
  filled = result[0].to_numpy()[:, :, 0].swapaxes(0, 1)
  return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


@_in_the_hole_alone
def shiftmap(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Fills with shifted copies of large regions, by OpenCV's xphoto.

  He and Sun, Statistics of Patch Offsets for Image Completion, ECCV 2012. Only
  opencv-contrib-python-headless has it. It gets CIELAB, as documented there.
  """
  # The type stubs of cv2 lack the module xphoto.
  cv2: Any = importlib.import_module('cv2')
  lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
  filled = np.zeros_like(lab)
  known = np.uint8(255) * ~hole
  cv2.xphoto.inpaint(lab, known, filled, cv2.xphoto.INPAINT_SHIFTMAP)
  return cv2.cvtColor(filled, cv2.COLOR_Lab2RGB)


PEERS: dict[str, baselines.Baseline] = {
  'mean': baselines.mean_fill,
  'telea': baselines.telea,
  'pypatchmatch': baselines.patchmatch,
  'resynthesizer': resynthesizer,
  'gmic': gmic,
  'shiftmap': shiftmap,
}

# Modules that are not always installed, and the packages that have them.
_NEEDED = {
  'telea': ('cv2', 'opencv-python-headless'),
  'pypatchmatch': ('patchmatch', 'pypatchmatch'),
  'resynthesizer': ('resynthesizer', 'resynthesizer'),
  'gmic': ('gmic', 'gmic'),
  'shiftmap': (
    'cv2.xphoto',
    'opencv-contrib-python-headless, in place of opencv-python-headless',
  ),
}


def missing(name: str) -> str:
  """Returns what to install for a peer, '' if nothing is missing."""
  module, package = _NEEDED.get(name, ('', ''))
  # The package of the module may be missing, too.
  with contextlib.suppress(ImportError):
    if not module or importlib.util.find_spec(module):
      return ''
  return f'pip install {package}'
