"""Corrects the hues and broad tones of copies that were changed to fit a hole.

Where nothing limits the change, such as far from the boundary in a missing
border, it goes on and on: a grey sky becomes purple. There the hues of the
copies stay, which are those of the photo.

The hidden part of the photo is not known, and the broad tones of the copies are
one sample of it: a little nearer to the guess, their expected error is smaller.
"""

import numpy as np
import PIL.Image
from scipy import ndimage

from inpaint_jax.inpainting import harmonic

# Broad tones are means over 3x3 squares of _SIDE pixels a side; they come
# nearer to the guess by _SHARE of the difference.
_SIDE = 4
_SHARE = np.float32(0.3)
# The distance from the known pixels, as a share of the image's shorter side,
# at which changes of hue are reduced to 1 / e where nothing encloses the hole.
_NEAR = 0.1


def fade_hues(
  hole: np.ndarray,
  change: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
  side: int,
) -> None:
  """Reduces changes of hue, not of brightness, in missing borders.

  They are reduced with the distance from the known pixels and towards the
  image's edge; not at all in a hole that known pixels enclose.

  Args:
    hole: bool [h, w]; where it ends at the image's edge, so does the array.
    change: float32 [n, 3], at the hole's n pixels; changed in place.
    rows, columns: [n], places of these pixels in `hole`.
    side: the image's shorter side.
  """
  if not any(edge.any() for edge in (hole[[0, -1]], hole[:, [0, -1]])):
    return
  distance = ndimage.distance_transform_cdt(hole, 'chessboard')[rows, columns]
  power = np.square(distance.astype(np.float32) / np.float32(_NEAR * side))
  power *= _enlarge(_find_openness(hole), rows, columns)
  light = change.mean(axis=1, keepdims=True)
  change -= light
  change *= np.exp(-power)[:, None]
  change += light


def approach(
  guess: np.ndarray,
  filled: np.ndarray,
  change: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
  right: np.ndarray,
) -> np.ndarray:
  """Returns the correction that brings broad tones nearer to the guess.

  It is no larger than the change of a pixel, so that copies that fit stay as
  they are, and no larger than the difference of neighbours, so that it cannot
  be seen and an even slope continues.

  Args:
    guess: float32 [n, 3], at the n pixels of the hole; it is overwritten.
    filled, change: float32 [n, 3].
    rows, columns: [n], as in `fade_hues`.
    right: [n], index of the pixel to the right of each; n where there is none.

  Returns:
    float32 [n, 3], to be added to `filled`.
  """
  texture = filled.take(right, axis=0, mode='clip')
  texture -= filled
  texture = np.abs(texture, out=texture).mean(axis=1)
  texture[right == len(filled)] = 0
  apart = np.subtract(guess, filled, out=guess)
  means = _blur([*apart.T, texture], rows, columns)
  limit = np.minimum(np.abs(change), means[3][:, None])
  apart = np.stack(means[:3], axis=1)
  apart *= _SHARE
  return np.clip(apart, -limit, limit, out=apart)


def _find_openness(hole: np.ndarray) -> np.ndarray:
  """Returns how little known pixels enclose each square of a hole.

  Args:
    hole: bool [h, w].

  Returns:
    float32 [ceil(h / _SIDE), ceil(w / _SIDE)]: 0 at known pixels, 1 beyond the
    edges, and between them as smooth as possible.
  """
  margins = [(0, -length % _SIDE) for length in hole.shape]
  wide = np.pad(hole, margins, constant_values=True)
  squares = wide.reshape(len(wide) // _SIDE, _SIDE, -1, _SIDE).all(axis=(1, 3))
  known = np.pad(~squares, 1, constant_values=True)
  beyond = np.pad(np.zeros_like(squares), 1, constant_values=True)
  return harmonic.harmonic_fill(beyond[..., None], known)[1:-1, 1:-1, 0]


def _blur(
  channels: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> list[np.ndarray]:
  """Returns blurred channels [n] of a hole, with 0 around it; [n] each."""
  height, width = (int(x.max()) // _SIDE + 1 for x in (rows, columns))
  square = (rows // _SIDE * width + columns // _SIDE).astype(np.intp)
  means = []
  for channel in channels:
    sums = np.bincount(square, channel, height * width).reshape(height, width)
    means.append(_enlarge(sums / _SIDE**2, rows, columns))
  return means


def _enlarge(
  squares: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
  """Returns means over 3x3 squares, of _SIDE pixels a side, at pixels [n]."""
  mean = ndimage.uniform_filter(squares.astype(np.float32), 3, mode='nearest')
  height, width = (side * _SIDE for side in mean.shape)
  wide = PIL.Image.fromarray(mean).resize(
    (width, height), PIL.Image.Resampling.BILINEAR
  )
  return np.asarray(wide).take(rows * width + columns)
