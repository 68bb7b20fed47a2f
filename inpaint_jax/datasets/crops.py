"""Crops of photos, and their order."""

from collections.abc import Iterator, Sequence
import itertools

from PIL import Image

from inpaint_jax.photos import reading


def crop_side(side: int) -> int:
  """Returns the side in pixels with which crops are cut from a photo.

  They are then shrunk to images of `side` pixels, so that smaller images show
  the same scenes at lower resolution.
  """
  return max(side, 256)


def crop_corners(height: int, width: int, side: int) -> list[tuple[int, int]]:
  """Returns (left, top) of the crops of a photo, in pixels.

  A photo of at least twice `crop_side(side)` on both sides gives every square
  of the largest centred grid. A smaller one gives an empty list: it is used
  whole.
  """
  crop = crop_side(side)
  if min(height, width) < 2 * crop:
    return []
  top, left = (height % crop) // 2, (width % crop) // 2
  return [
    (left + column * crop, top + row * crop)
    for row in range(height // crop)
    for column in range(width // crop)
  ]


def cut_crops(
  photo: Image.Image, indices: Sequence[int], side: int
) -> list[Image.Image]:
  """Returns some crops of a photo as squares of `side` pixels.

  Crops are shrunk to `side` by area. A photo that is used whole has one crop,
  its centred square (Lanczos).

  Args:
    photo: RGB.
    indices: indices into `crop_corners`; [0] for a photo that is used whole.
    side: a divisor of `crop_side(side)`.
  """
  corners, crop = crop_corners(*photo.size[::-1], side), crop_side(side)
  if not corners:
    return [reading.square(photo, side) for _ in indices]
  crops = []
  for index in indices:
    left, top = corners[index]
    box = (left, top, left + crop, top + crop)
    crops.append(photo.reduce(crop // side, box))
  return crops


def in_order(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
  """Yields (photo, crop) of all crops of a split, in the order of their use.

  Every photo gives one crop before any photo gives its second. The first crops
  of a photo are spread over it.

  Args:
    counts: number of crops of each photo.
  """
  rounds = itertools.zip_longest(*map(_spread, counts))
  for crops in rounds:
    for photo, crop in enumerate(crops):
      if crop is not None:
        yield photo, crop


def _spread(count: int) -> list[int]:
  """Returns 0 to count - 1, ordered so that the first ones are spread out."""
  # Multiples of the golden ratio, modulo 1, have this property.
  return sorted(range(count), key=lambda index: index * 0.618034 % 1)
