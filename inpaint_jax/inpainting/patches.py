"""The search for patches: for each target the source patch most like it.

Barnes et al., PatchMatch: A Randomized Correspondence Algorithm for Structural
Image Editing, SIGGRAPH 2009: a pixel tries the match of its neighbour, moved
along, and random places around its own match. Only patches that meet the hole
are targets.

Rows are searched in bands of a fixed height, each from one side to the other;
across the boundary of a band a pixel sees the match that its neighbour had
before. Random numbers are a hash of the seed and the pixel. So the result does
not depend on the number of threads.

Arrays of one resolution, for a window of [h, w] pixels:
  features: uint8 [h, w, 5], colours and gradients, see `compute_features`.
  hole: bool [h, w].
  target: bool [h, w], centres of patches that meet the hole.
  source: bool [h, w], centres of patches that may be copied.
  match: int32 [h, w, 2], row and column of the source of each target.
  cost: float32 [h, w], how unlike the two are; see `_difference`.
"""

from collections.abc import Callable
import concurrent.futures
import functools
import os
from typing import Any

import numpy as np

from inpaint_jax.inpainting import kernels

# Pixels from the centre of a patch to its sides: patches have 5x5 pixels. 7x7
# cost twice the time and were no better (measured on 18 crops).
RADIUS = 2
_SIDE = 2 * RADIUS + 1
CHANNELS = 5
_BAND = 32
# The weight of hole pixels in the cost, beside known ones: what is only
# guessed yet has little to say.
_HOLE_WEIGHT = 0.05
# A neighbour's match is taken if it costs up to this much more, a random one
# only if it costs this much less: large pieces of one place keep its texture,
# and few seams are left.
_NEIGHBOUR = 1.3
_RANDOM = 0.9
# Votes for a pixel lose this factor a pixel of distance from the boundary,
# Wexler et al., Space-Time Completion of Video, PAMI 29(3), 2007.
_DECAY = 1.3


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
  return concurrent.futures.ThreadPoolExecutor(os.cpu_count())


def for_bands(height: int, function: Callable[[int, int], None]) -> None:
  """Calls function(top, bottom) for all bands of rows, in parallel."""
  tops = range(0, height, _BAND)
  list(_threads().map(lambda y: function(y, min(y + _BAND, height)), tops))


def find_centres(allowed: np.ndarray) -> np.ndarray:
  """Returns the centres of patches that lie within `allowed`, bool [h, w]."""
  centres = np.zeros_like(allowed)
  height, width = (side - _SIDE + 1 for side in allowed.shape)
  if min(height, width) > 0:
    rows, columns = (slice(RADIUS, RADIUS + n) for n in (height, width))
    runs = np.logical_and.reduce(
      [allowed[i : i + height] for i in range(_SIDE)]
    )
    centres[rows, columns] = np.logical_and.reduce(
      [runs[:, i : i + width] for i in range(_SIDE)]
    )
  return centres


def find_targets(hole: np.ndarray) -> np.ndarray:
  """Returns the centres, within the image, of patches that meet the hole."""
  return find_centres(np.ones_like(hole)) & ~find_centres(~hole)


def compute_features(
  image: np.ndarray, features: np.ndarray, where: np.ndarray
) -> None:
  """Writes the features of pixels: colours and the gradient of their sum.

  Args:
    image: uint8 [h, w, 3].
    features: uint8 [h, w, 5], to write to.
    where: bool [h, w].
  """
  for_bands(
    len(image),
    lambda top, bottom: _compute_features(image, features, where, top, bottom),
  )


def start(
  target: np.ndarray,
  source: np.ndarray,
  seed: int,
  coarse: np.ndarray | None,
) -> np.ndarray:
  """Returns the match to begin with, int32 [h, w, 2].

  Args:
    target, source: bool [h, w].
    seed: of the random sources that targets without a coarse match get.
    coarse: the match of half the resolution, -1 where there is none.
  """
  match = np.full((*target.shape, 2), -1, np.int32)
  places = np.flatnonzero(source)
  if coarse is None:
    coarse = np.full((1, 1, 2), -1, np.int32)
  for_bands(
    len(target),
    lambda top, bottom: _start(
      target, source, places, coarse, match, seed, top, bottom
    ),
  )
  return match


def search(
  features: np.ndarray,
  hole: np.ndarray,
  target: np.ndarray,
  source: np.ndarray,
  match: np.ndarray,
  seed: int,
  passes: int,
  reach: int,
) -> None:
  """Improves a match, in place.

  Args:
    features, hole, target, source, match: see the module.
    seed: of the random places.
    passes: how often to go over all targets, from above and below in turns.
    reach: how far from a match random places are tried at first, in pixels;
      then half as far, and so on.
  """
  cost = np.full(target.shape, np.inf, np.float32)
  tops = np.arange(0, len(match), _BAND)
  for number in range(passes):
    forward = number % 2 == 0
    # The rows beyond the bands' boundaries, as they were before this pass.
    beyond = tops - 1 if forward else tops + _BAND
    edges = match[np.clip(beyond, 0, len(match) - 1)]
    search_rows = functools.partial(
      _search,
      features,
      hole,
      target,
      source,
      match,
      edges,
      cost,
      seed + number,
      reach,
      forward,
      number == 0,
    )
    for_bands(len(target), search_rows)


def vote(
  image: np.ndarray,
  hole: np.ndarray,
  depth: np.ndarray,
  target: np.ndarray,
  match: np.ndarray,
) -> np.ndarray:
  """Returns the image with the mean of what all patches copy in its hole.

  Args:
    image: uint8 [h, w, 3].
    hole: bool [h, w].
    depth: float32 [h, w], distance of each pixel of the hole to the boundary.
    target, match: see the module.
  """
  weight = _DECAY ** -np.minimum(depth, 64)
  weight = np.where(target, weight, 0).astype(np.float32)
  result = image.copy()
  for_bands(
    len(image),
    lambda top, bottom: _vote(image, hole, weight, match, result, top, bottom),
  )
  return result


def find_origins(hole: np.ndarray, match: np.ndarray) -> np.ndarray:
  """Returns the pixel that each pixel of a hole copies, int32 [h, w, 2].

  It is the centre of the match; near the image's edge, where a pixel is no
  centre, it is the pixel beside the nearest match. -1 outside the hole.
  """
  height, width = hole.shape
  y, x = np.nonzero(hole)
  rows = np.clip(y, RADIUS, height - 1 - RADIUS)
  columns = np.clip(x, RADIUS, width - 1 - RADIUS)
  origins = np.full((height, width, 2), -1, np.int32)
  origins[y, x] = match[rows, columns] + np.stack([y - rows, x - columns], 1)
  return origins


@kernels.fast_kernel
def _compute_features(
  image: np.ndarray,
  features: np.ndarray,
  where: np.ndarray,
  top: int,
  bottom: int,
) -> None:
  height, width = where.shape
  for y in range(top, bottom):
    above, below = max(y - 1, 0), min(y + 1, height - 1)
    for x in range(width):
      if not where[y, x]:
        continue
      left, right = max(x - 1, 0), min(x + 1, width - 1)
      across, along = np.int32(0), np.int32(0)
      for c in range(3):
        features[y, x, c] = image[y, x, c]
        across += np.int32(image[y, right, c]) - np.int32(image[y, left, c])
        along += np.int32(image[below, x, c]) - np.int32(image[above, x, c])
      # Together as heavy as the halved gradients of all colours would be; what
      # is beyond 8 bits is cut off.
      features[y, x, 3] = min(max(128 + (across * 29) // 100, 0), 255)
      features[y, x, 4] = min(max(128 + (along * 29) // 100, 0), 255)


@kernels.fast_kernel
def _hash(seed: int, place: int, number: int) -> np.uint64:
  """Returns 64 random bits (the finalizer of SplitMix64)."""
  z = (
    np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    + np.uint64(place) * np.uint64(0xBF58476D1CE4E5B9)
    + np.uint64(number) * np.uint64(0x94D049BB133111EB)
  )
  z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return z ^ (z >> np.uint64(31))


@kernels.fast_kernel
def _start(
  target: np.ndarray,
  source: np.ndarray,
  places: np.ndarray,
  coarse: np.ndarray,
  match: np.ndarray,
  seed: int,
  top: int,
  bottom: int,
) -> None:
  height, width = target.shape
  for y in range(top, bottom):
    for x in range(width):
      if not target[y, x]:
        continue
      found = False
      # The coarse pixel over this one, then those around it.
      for k in range(9):
        i = y // 2 + (0, -1, 1, 0, 0, -1, -1, 1, 1)[k]
        j = x // 2 + (0, 0, 0, -1, 1, -1, 1, -1, 1)[k]
        if i < 0 or j < 0 or i >= coarse.shape[0] or j >= coarse.shape[1]:
          continue
        if coarse[i, j, 0] < 0:
          continue
        v = y + 2 * (coarse[i, j, 0] - i)
        u = x + 2 * (coarse[i, j, 1] - j)
        if 0 <= v < height and 0 <= u < width and source[v, u]:
          match[y, x, 0], match[y, x, 1] = v, u
          found = True
          break
      if not found:
        z = _hash(seed, y * width + x, np.int64(0)) % np.uint64(len(places))
        place = places[np.int64(z)]
        match[y, x, 0], match[y, x, 1] = place // width, place % width


@kernels.fast_kernel
def _difference(
  features: np.ndarray,
  patch: np.ndarray,
  weight: np.ndarray,
  y: int,
  x: int,
  limit: Any,
) -> Any:
  """Returns the weighted sum of squares, or more than `limit` early."""
  total = np.float32(0)
  for i in range(_SIDE):
    row = features[y - RADIUS + i, (x - RADIUS) * CHANNELS :]
    for k in range(_SIDE * CHANNELS):
      difference = np.float32(row[k]) - patch[i, k]
      total += weight[i, k] * difference * difference
    if total > limit:
      break
  return total


@kernels.fast_kernel
def _search(
  features: np.ndarray,
  hole: np.ndarray,
  target: np.ndarray,
  source: np.ndarray,
  match: np.ndarray,
  edges: np.ndarray,
  cost: np.ndarray,
  seed: int,
  reach: int,
  forward: bool,
  is_first: bool,
  top: int,
  bottom: int,
) -> None:
  height, width = target.shape
  flat = features.reshape(height, width * CHANNELS)
  patch = np.empty((_SIDE, _SIDE * CHANNELS), np.float32)
  weight = np.empty((_SIDE, _SIDE * CHANNELS), np.float32)
  step = -1 if forward else 1
  for i in range(top, bottom):
    y = i if forward else bottom - 1 - (i - top)
    for j in range(width):
      x = j if forward else width - 1 - j
      if not target[y, x]:
        continue
      for dy in range(_SIDE):
        for dx in range(_SIDE):
          v, u = y - RADIUS + dy, x - RADIUS + dx
          w = np.float32(_HOLE_WEIGHT) if hole[v, u] else np.float32(1)
          for c in range(CHANNELS):
            patch[dy, dx * CHANNELS + c] = features[v, u, c]
            weight[dy, dx * CHANNELS + c] = w
      by, bx = np.int64(match[y, x, 0]), np.int64(match[y, x, 1])
      if is_first:
        best = _difference(flat, patch, weight, by, bx, np.float32(np.inf))
      else:
        best = cost[y, x]
      for k in range(2):
        v, u = (y, x + step) if k == 0 else (y + step, x)
        if v < 0 or u < 0 or v >= height or u >= width or not target[v, u]:
          continue
        if top <= v < bottom:
          sy, sx = match[v, u, 0], match[v, u, 1]
        else:
          sy, sx = edges[top // _BAND, u, 0], edges[top // _BAND, u, 1]
        sy, sx = sy + y - v, sx + x - u
        if sy < 0 or sx < 0 or sy >= height or sx >= width:
          continue
        if not source[sy, sx] or (sy == by and sx == bx):
          continue
        limit = best * np.float32(_NEIGHBOUR)
        new = _difference(flat, patch, weight, sy, sx, limit)
        if new < limit:
          best, by, bx = new, sy, sx
      radius = reach
      number = 0
      while radius >= 1:
        z = _hash(seed, y * width + x, number)
        low = np.int64(z & np.uint64(0xFFFFFFFF))
        high = np.int64(z >> np.uint64(32))
        sy = by + low % (2 * radius + 1) - radius
        sx = bx + high % (2 * radius + 1) - radius
        if 0 <= sy < height and 0 <= sx < width and source[sy, sx]:
          limit = best * np.float32(_RANDOM)
          new = _difference(flat, patch, weight, sy, sx, limit)
          if new < limit:
            best, by, bx = new, sy, sx
        radius //= 2
        number += 1
      match[y, x, 0], match[y, x, 1] = by, bx
      cost[y, x] = best


@kernels.fast_kernel
def _vote(
  image: np.ndarray,
  hole: np.ndarray,
  weight: np.ndarray,
  match: np.ndarray,
  result: np.ndarray,
  top: int,
  bottom: int,
) -> None:
  height, width = hole.shape
  for y in range(top, bottom):
    for x in range(width):
      if not hole[y, x]:
        continue
      total = np.float32(0)
      red, green, blue = np.float32(0), np.float32(0), np.float32(0)
      for v in range(max(y - RADIUS, 0), min(y + RADIUS + 1, height)):
        for u in range(max(x - RADIUS, 0), min(x + RADIUS + 1, width)):
          w = weight[v, u]
          if w > 0:
            i, j = match[v, u, 0] + y - v, match[v, u, 1] + x - u
            total += w
            red += w * image[i, j, 0]
            green += w * image[i, j, 1]
            blue += w * image[i, j, 2]
      result[y, x, 0] = np.uint8(red / total + np.float32(0.5))
      result[y, x, 1] = np.uint8(green / total + np.float32(0.5))
      result[y, x, 2] = np.uint8(blue / total + np.float32(0.5))
