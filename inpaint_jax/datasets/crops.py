"""Crops of photos, and their order."""

from collections.abc import Iterator, Sequence
import itertools

from PIL import Image

from inpaint_jax.photos import reading

# Crops are cut with this side in pixels and then shrunk, so that smaller images
# show the same scenes at lower resolution.
CROP = 256


def crop_corners(height: int, width: int) -> list[tuple[int, int]]:
  """Returns (left, top) of the crops of a photo, in pixels.

  A photo of at least twice `CROP` on both sides gives every square of the
  largest centred grid. A smaller one gives an empty list: it is used whole.
  """
  if min(height, width) < 2 * CROP:
    return []
  top, left = (height % CROP) // 2, (width % CROP) // 2
  return [
    (left + column * CROP, top + row * CROP)
    for row in range(height // CROP)
    for column in range(width // CROP)
  ]


def cut_crops(
  photo: Image.Image, indices: Sequence[int], side: int
) -> list[Image.Image]:
  """Returns some crops of a photo as squares of `side` pixels.

  Crops of `CROP` pixels are shrunk to `side` by area. A photo that is used
  whole has one crop, its centred square (Lanczos).

  Args:
    photo: RGB.
    indices: indices into `crop_corners`; [0] for a photo that is used whole.
    side: a divisor of `CROP`.
  """
  corners = crop_corners(photo.height, photo.width)
  if not corners:
    return [reading.square(photo, side) for _ in indices]
  crops = []
  for index in indices:
    left, top = corners[index]
    box = (left, top, left + CROP, top + CROP)
    crops.append(photo.reduce(CROP // side, box))
  return crops


def in_order(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
  """Yields (photo, crop) of all crops of a split, in the order of their use.

  Every photo gives one crop before any photo gives its second, since many
  scenes teach and measure more than many crops of a few scenes. The first crops
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
