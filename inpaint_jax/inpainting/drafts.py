"""Drafts: small copies of an image, filled before holes that must be cut.

A hole that is too large for one window is filled in parts. If each part were
searched alone, the parts would not fit together: so what they copy is found
once, in a draft in which the hole fits a window.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image


class Draft(NamedTuple):
  """A small copy of an image [H, W], filled.

  Attributes:
    image: uint8 [ceil(H / scale), ceil(W / scale), 3].
    origins: int32, its rows and columns, and 2: the pixels of the draft that
      its hole copies, or -1.
    scale: side of a pixel of the draft, in pixels of the image.
  """

  image: np.ndarray
  origins: np.ndarray
  scale: int

  def locate(self, place: tuple[slice, slice], hole: np.ndarray) -> np.ndarray:
    """Returns which pixels of the image the hole in a place copies.

    Args:
      place: rows and columns of the image [h, w].
      hole: bool [h, w].

    Returns:
      int32 [h, w, 2], -1 outside the hole.
    """
    rows, columns = (np.arange(x.start, x.stop, dtype=np.int32) for x in place)
    # In place, since the parts of a large hole have millions of pixels.
    origins = self.origins[(rows // self.scale)[:, None], columns // self.scale]
    origins *= self.scale
    origins[..., 0] += (rows % self.scale)[:, None]
    origins[..., 1] += columns % self.scale
    origins[~hole] = -1
    return origins

  def crop(self, place: tuple[slice, slice]) -> np.ndarray:
    """Returns the draft's pixels of a place that starts at multiples of scale.

    Args:
      place: rows and columns of the image.
    """
    rows, columns = (
      slice(x.start // self.scale, -(-x.stop // self.scale)) for x in place
    )
    return self.image[rows, columns]


def create(
  image: np.ndarray,
  hole: np.ndarray,
  barred: np.ndarray,
  scale: int,
  fill: Callable[
    [np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | None]
  ],
) -> Draft | None:
  """Returns a draft, or None if some of its hole copies nothing.

  Args:
    image: uint8 or uint16 [H, W, 3].
    hole: bool [H, W].
    barred: bool [H, W], pixels that may not be copied, the hole among them.
    scale: side of a pixel of the draft, in pixels of the image.
    fill: (image, hole, barred) -> the filled image and its origins.
  """
  eight = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
  small = np.array(PIL.Image.fromarray(eight).reduce(scale))
  small_hole = _any_of(hole, scale, False)
  # Nothing is copied from squares that the image's edge cuts.
  small_barred = _any_of(barred, scale, True)
  if small_barred.all():
    return None
  filled, origins = fill(small, small_hole, small_barred)
  if origins is None or (origins[small_hole] < 0).any():
    return None
  return Draft(filled, origins, scale)


def _any_of(mask: np.ndarray, scale: int, beyond: bool) -> np.ndarray:
  """Returns for each square of `scale` pixels a side whether any is True."""
  margins = [(0, -length % scale) for length in mask.shape]
  mask = np.pad(mask, margins, constant_values=beyond)
  height, width = (length // scale for length in mask.shape)
  rows = mask.reshape(height, scale, -1).any(axis=1)
  return np.asarray(rows.reshape(height, width, scale).any(axis=2))
