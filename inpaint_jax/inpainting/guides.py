"""Guides make a first guess at a hole, from which copying starts.

A guide is a function (image, hole) -> guess: image float32 [h, w, 3] in [0, 1],
hole bool [h, w], guess like the image, and equal to it where it is known. Only
the guess's large shapes and colours matter: copying calls a guide for reduced
windows, see `synthesis.make_guess`.
"""

from collections.abc import Callable
import math
import threading

import numpy as np
import PIL.Image
from scipy import ndimage

from inpaint_jax.inpainting import harmonic

Guide = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The longer side at which a model sees a window, in pixels.
SIZE = 256
# The number of columns that `smooth_along_lines` joins into one.
_SQUEEZE = 3
# Lines clearly vary less than rows if their variance is below this share.
_CLEARLY = 0.6
# About how many pixels are looked at to find the direction of the lines.
_SAMPLES = 8000


def smooth(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Guesses the smoothest surface; see `harmonic`. Without a known pixel, 0."""
  return np.clip(harmonic.harmonic_fill(image, ~hole), 0, 1)


def smooth_along_lines(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Guesses a surface that is smoother along lines of one direction.

  In a landscape, horizons and shores run along rows. So the guess is the mean
  of each row around the hole, plus a surface that meets the known pixels: a
  horizon beside the hole continues at its height, though the sky above or the
  ground below is nearer. Lines of another direction take the place of rows
  where they clearly vary less, as at a wall or a ridge. If no pixel is known,
  the guess is 0.
  """
  if hole.all():
    return np.zeros_like(image)
  # Pixels nearer to the hole count more: e times more for each time that the
  # hole is deep. Half and twice that gave results as good.
  depth = ndimage.distance_transform_cdt(hole, 'chessboard').max()
  distance = ndimage.distance_transform_edt(~hole)
  weight = np.where(hole, 0, np.exp(-distance / depth))
  angle = _find_angle(image, weight)
  lines, _ = _find_lines(image, weight, angle)
  rest = image - lines
  if abs(angle) > 45:
    turned = np.ascontiguousarray(rest.swapaxes(0, 1))
    surface = _surface_along_rows(turned, hole.T).swapaxes(0, 1)
  else:
    surface = _surface_along_rows(rest, hole)
  return np.where(hole[..., None], np.clip(lines + surface, 0, 1), image)


def _find_angle(image: np.ndarray, weight: np.ndarray) -> int:
  """Returns the direction of lines along which an image varies least.

  Args:
    image: [h, w, C].
    weight: [h, w], of each pixel, 0 in the hole.

  Returns:
    Degrees, clockwise from the rows; 0 unless another angle is clearly better.
  """
  step = max(1, math.isqrt(weight.size // _SAMPLES))
  image, weight = image[::step, ::step], weight[::step, ::step]
  if not weight.any():
    return 0

  def spread(angle: int) -> float:
    return _find_lines(image, weight, angle)[1]

  best = min(range(-75, 91, 15), key=spread)
  best = min((best, best - 5, best + 5), key=spread)
  return best if spread(best) < _CLEARLY * spread(0) else 0


def _find_lines(
  image: np.ndarray, weight: np.ndarray, angle: int
) -> tuple[np.ndarray, float]:
  """Returns means along lines, and the variance around these means.

  Args:
    image, weight: as in `_find_angle`.
    angle: direction of the lines, in degrees clockwise from the rows.

  Returns:
    float32 [h, w, C], and a number.
  """
  y, x = np.indices(weight.shape)
  turn = math.radians(angle)
  place = y * math.cos(turn) - x * math.sin(turn)
  place -= place.min()
  line = np.rint(place).astype(np.intp).ravel()
  total = np.bincount(line, weight.ravel())
  # A line with hardly any known pixels is interpolated from the nearest others.
  known, at = total > 1e-3 * min(1, total.max()), np.arange(len(total))
  means = np.empty((len(total), image.shape[-1]), np.float32)
  for c in range(image.shape[-1]):
    sums = np.bincount(line, (weight * image[..., c]).ravel())
    means[:, c] = np.interp(at, at[known], sums[known] / total[known])
  means = means[line].reshape(image.shape)
  squares = np.square(image - means).sum(axis=-1)
  return means, float(np.vdot(weight, squares) / total.sum())


def _surface_along_rows(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns the smoothest surface of the image at a third of its width."""
  height, width = hole.shape
  margin = -width % _SQUEEZE
  known = np.pad(~hole, [(0, 0), (0, margin)])
  known = known.reshape(height, -1, _SQUEEZE, 1)
  values = np.pad(image, [(0, 0), (0, margin), (0, 0)])
  values = values.reshape(height, known.shape[1], _SQUEEZE, -1)
  count = known.sum(axis=2, dtype=np.float32)
  means = np.sum(values * known, axis=2) / np.maximum(count, 1)
  surface = harmonic.harmonic_fill(means, count[..., 0] > 0)
  # Back to the full width, linearly between the centres of the joined columns.
  at = (np.arange(width, dtype=np.float32) + 0.5) / _SQUEEZE - 0.5
  at = np.clip(at, 0, surface.shape[1] - 1)
  left = at.astype(int)
  right = np.minimum(left + 1, surface.shape[1] - 1)
  share = (at - left).astype(np.float32)[:, None]
  return surface[:, left] * (1 - share) + surface[:, right] * share


class ModelGuide:
  """A guide whose guess is a model's image; threads may share one.

  The model always sees squares of one size, so that it is compiled once; beyond
  its edge the image is mirrored.
  """

  def __init__(
    self, fill: Callable[[np.ndarray, np.ndarray], np.ndarray], size: int = SIZE
  ):
    """Takes a model, see `backends.Fill`, and its squares' side in pixels."""
    self._fill, self._size = fill, size
    # One image at a time: a second one would double the memory and, during the
    # first compilation, compile the model once more.
    self._lock = threading.Lock()

  def __call__(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Returns the guess at the hole; see the module."""
    height, width = hole.shape
    if max(height, width) > self._size:
      return self._at_size(image, hole)
    with self._lock:
      output = paint(
        self._fill, image, hole, self._size - height, self._size - width
      )
    return meet(output, image, hole)

  def _at_size(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Guesses at the largest size that the model sees; enlarges the guess."""
    height, width = hole.shape
    scale = self._size / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = PIL.Image.fromarray(to_bytes(smooth(image, hole)))
    small = to_floats(np.asarray(whole.resize(size, PIL.Image.Resampling.BOX)))
    mask = PIL.Image.fromarray(hole.view(np.uint8) * np.uint8(255))
    mask = mask.resize(size, PIL.Image.Resampling.BOX)
    guess = to_bytes(self(small, np.asarray(mask) > 0))
    enlarged = PIL.Image.fromarray(guess).resize(
      (width, height), PIL.Image.Resampling.BICUBIC
    )
    return meet(to_floats(np.asarray(enlarged)), image, hole)


def paint(
  fill: Callable[[np.ndarray, np.ndarray], np.ndarray],
  image: np.ndarray,
  hole: np.ndarray,
  below: int,
  right: int,
) -> np.ndarray:
  """Returns a model's image, float32 [h, w, 3], of an image that is mirrored.

  Args:
    fill: the model, see `backends.Fill`.
    image: float32 [h, w, 3] in [0, 1].
    hole: bool [h, w].
    below, right: pixels by which the image is continued, mirrored.
  """
  margins = [(0, below), (0, right)]
  known = np.where(hole[..., None], np.float32(0), image)
  output = fill(
    np.pad(known, [*margins, (0, 0)], mode='symmetric')[None],
    np.pad(hole, margins, mode='symmetric')[None, ..., None].astype('f4'),
  )
  return np.asarray(output[0])[: len(hole), : hole.shape[1]]


def meet(guess: np.ndarray, known: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns a guess that is changed smoothly to meet the known pixels.

  Args:
    guess, known: float32 [h, w, 3] in [0, 1].
    hole: bool [h, w].
  """
  step = harmonic.harmonic_fill(known - guess, ~hole)
  return np.clip(guess + step, 0, 1)


def to_floats(image: np.ndarray) -> np.ndarray:
  """Returns uint8 as float32 in [0, 1]."""
  return image.astype(np.float32) / np.float32(255)


def to_bytes(image: np.ndarray) -> np.ndarray:
  """Returns floats in [0, 1] as uint8."""
  return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
