"""Guides: a first guess at a hole, from which the copying starts.

A guide is a function (image, hole) -> guess: image uint8 [h, w, 3], hole bool
[h, w], guess uint8 [h, w, 3], equal to the image where it is known. What counts
are its large shapes and colours; it is asked for windows reduced to at most
SIZE pixels a side.
"""

from collections.abc import Callable
import threading

import numpy as np
import PIL.Image

from inpaint_jax.inpainting import harmonic

Guide = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The longer side at which a guide sees a window, in pixels.
SIZE = 256


def smooth(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Guesses the smoothest surface; see `harmonic`."""
  return _to_bytes(harmonic.harmonic_fill(_to_floats(image), ~hole))


class ModelGuide:
  """Guesses what a model paints; threads may share one.

  The model always sees squares of one size, so that it is compiled once; beyond
  the image's edge the image is mirrored.
  """

  def __init__(
    self,
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray],
    size: int = SIZE,
  ):
    """Prepares a model: `fills.Fill`, and the side in pixels that it sees."""
    self._fill, self._size = fill, size
    # One image at a time: a second one would double the memory and, during the
    # first compilation, compile the model once more.
    self._lock = threading.Lock()

  def __call__(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Returns the guess at the hole; see the module."""
    height, width = hole.shape
    if max(height, width) > self._size:
      return self._at_size(image, hole)
    known = _to_floats(image)
    masked = np.where(hole[..., None], 0, known)
    margins = [(0, self._size - height), (0, self._size - width)]
    with self._lock:
      output = self._fill(
        np.pad(masked, [*margins, (0, 0)], mode='symmetric')[None],
        np.pad(hole, margins, mode='symmetric')[None, ..., None].astype('f4'),
      )
    output = np.asarray(output[0])[:height, :width]
    return _to_bytes(meet(output, known, hole))

  def _at_size(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Guesses at the largest size that the model sees, and enlarges that."""
    height, width = hole.shape
    scale = self._size / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = PIL.Image.fromarray(smooth(image, hole))
    small = np.asarray(whole.resize(size, PIL.Image.Resampling.BOX))
    mask = PIL.Image.fromarray(hole.view(np.uint8) * np.uint8(255))
    mask = mask.resize(size, PIL.Image.Resampling.BOX)
    guess = PIL.Image.fromarray(self(small, np.asarray(mask) > 0))
    guess = guess.resize((width, height), PIL.Image.Resampling.BICUBIC)
    return _to_bytes(
      meet(_to_floats(np.asarray(guess)), _to_floats(image), hole)
    )


def meet(guess: np.ndarray, known: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns a guess, changed smoothly to meet the known pixels.

  Args:
    guess, known: float32 [h, w, 3] in [0, 1].
    hole: bool [h, w].
  """
  step = harmonic.harmonic_fill(known - guess, ~hole)
  return np.clip(guess + step, 0, 1)


def _to_floats(image: np.ndarray) -> np.ndarray:
  return image.astype(np.float32) / np.float32(255)


def _to_bytes(image: np.ndarray) -> np.ndarray:
  return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
