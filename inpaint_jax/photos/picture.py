"""A picture: a photo in memory, with what must survive of its file."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

import numpy as np

from inpaint_jax.photos.metadata import Metadata

# Number of pixels processed at a time: no second image is held in memory.
_BAND = 2**20


@dataclasses.dataclass(frozen=True)
class Picture:
  """A photo in memory, upright.

  Attributes:
    pixels: the image, uint8 or uint16 [H, W, 3]; three equal channels if grey.
    alpha: [H, W], of the type of `pixels`, 0 = transparent; None = no alpha.
    grey: whether the photo is written with one channel.
    jpeg: how its file was compressed, as Pillow's `save` takes it; None if this
      cannot be repeated.
    lossless: whether its file was compressed without loss.
    notes: lines on what was changed in reading.
  """

  pixels: np.ndarray
  alpha: np.ndarray | None = None
  grey: bool = False
  metadata: Metadata = dataclasses.field(default_factory=Metadata)
  jpeg: Mapping[str, Any] | None = None
  lossless: bool = False
  notes: tuple[str, ...] = ()

  @property
  def image(self) -> np.ndarray:
    """The pixels with alpha, if there is any: [H, W, 3] or [H, W, 4]."""
    if self.alpha is None:
      return self.pixels
    return np.dstack([self.pixels, self.alpha])

  def with_image(self, image: np.ndarray) -> 'Picture':
    """Returns the picture with another `image` of the same channels."""
    alpha = None if self.alpha is None else image[..., 3]
    return dataclasses.replace(self, pixels=image[..., :3], alpha=alpha)


def row_bands(height: int, width: int) -> Iterator[slice]:
  """Yields ranges of rows, of about a megapixel each, that cover an image."""
  rows = max(1, _BAND // width)
  for top in range(0, height, rows):
    yield slice(top, min(top + rows, height))


def turn_upright(array: np.ndarray, orientation: int) -> np.ndarray:
  """Returns an image [H, W, ...] upright, by EXIF's orientation, 1 to 8."""
  if orientation in (5, 6, 7, 8):
    array = array.swapaxes(0, 1)
  if orientation in (3, 4, 7, 8):
    array = array[::-1]
  if orientation in (2, 3, 6, 7):
    array = array[:, ::-1]
  return np.ascontiguousarray(array)


def luma(values: np.ndarray) -> np.ndarray:
  """Returns the ITU-R BT.601 luma [h, W, 1]; it keeps greys as they are."""
  red, green, blue = np.moveaxis(values.astype(np.uint32), 2, 0)
  luma = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
  return luma.astype(values.dtype)[..., None]
