"""Crops of a photo, and the assignment of photos to splits."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from inpaint_jax.photos import reading

# Crops are cut at this side and then shrunk, so that smaller images show the
# same scenes at lower resolution.
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
    indices: which of `crop_corners`; [0] for a photo that is used whole.
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


def assign_to_splits(
  counts: Sequence[int], wanted: dict[str, int]
) -> dict[str, list[tuple[int, list[int]]]]:
  """Assigns photos to splits, and chooses crops of each photo.

  Each photo in turn goes, with all its crops, to the split that is furthest
  below its share. Every photo of a split is then used, as evenly as possible:
  many scenes teach and measure more than many crops of few. If there are fewer
  crops than wanted, all splits shrink in proportion.

  Args:
    counts: number of crops of each photo.
    wanted: number of crops of each split, at least 1.

  Returns:
    For each split, (photo, its crops) as indices.
  """
  total = sum(wanted.values())
  if sum(counts) < total:
    share = sum(counts) / total
    wanted = {name: max(1, int(n * share)) for name, n in wanted.items()}
  available = dict.fromkeys(wanted, 0)
  members: dict[str, list[int]] = {name: [] for name in wanted}
  for photo, count in enumerate(counts):
    split = min(wanted, key=lambda name: available[name] / wanted[name])
    members[split].append(photo)
    available[split] += count
  return {
    name: _choose_crops([(i, counts[i]) for i in photos], wanted[name])
    for name, photos in members.items()
  }


def _choose_crops(
  sources: Sequence[tuple[int, int]], wanted: int
) -> list[tuple[int, list[int]]]:
  """Chooses `wanted` crops of (photo, its number of crops), evenly."""
  taken = dict.fromkeys((photo for photo, _ in sources), 0)
  missing = min(wanted, sum(count for _, count in sources))
  while missing:
    for photo, count in sources:
      if missing and taken[photo] < count:
        taken[photo] += 1
        missing -= 1
  return [
    (photo, _spread(count, taken[photo]))
    for photo, count in sources
    if taken[photo]
  ]


def _spread(count: int, number: int) -> list[int]:
  """Returns `number` indices of 0 to count - 1, evenly spread."""
  return np.linspace(0, count - 1, number).round().astype(int).tolist()
