"""The patch search: finds the most similar source patch for each target patch.

This is the PatchMatch of Barnes et al., PatchMatch: A Randomized Correspondence
Algorithm for Structural Image Editing, SIGGRAPH 2009: a pixel tries the matches
of its neighbours, moved along, and random places around its own match. Only
patches that overlap the hole are targets.

Rows are searched in bands of a fixed height, each from one side to the other;
beyond the edge of its band, a pixel sees the matches from before the pass.
Random numbers are a hash of the seed and the pixel. So the result does not
depend on the number of threads.

Arrays of one level of a window's pyramid, of [h, w] pixels:
  image: uint8 [h, w, c], colours, and `roughness` at all levels but the finest.
  features: uint8 [h, w + 2, c + 2], the features of each pixel, see `features`.
  hole: bool [h, w].
  target: bool [h, w], centres of patches that overlap the hole.
  source: bool [h, w], centres of patches that may be copied.
  match: int32 [h, w, 2], row and column of the source of each target.
  cost: float32 [h, w], how much the two differ; see `_search`.
"""

import functools

import numpy as np

from inpaint_jax.inpainting import kernels

# Pixels from the centre of a patch to its sides: patches have 5x5 pixels.
RADIUS = 2
_SIDE = 2 * RADIUS + 1
# The features in a row of a patch are followed by some of weight 0, up to a
# multiple of this number: the loop over them then runs in whole vectors.
_VECTOR = 8
_BAND = 32
# The weights of hole pixels and of known ones in the cost: hole pixels count
# little, since they are only guesses so far.
_HOLE_WEIGHT = np.float32(0.05)
_KNOWN_WEIGHT = np.float32(1)
# How much distance adds to the difference of two places, in levels of a
# feature: over the full height, and over the full width. Near places are more
# alike; places in one row are equally far away, and seen at the same scale. So
# horizons continue.
_APART = 120, 40
# A neighbour's match, or a random one, is taken if it costs less than this
# factor times the present one. Neighbours are preferred, since large pieces of
# one place keep its texture and leave few seams.
_NEIGHBOUR = np.float32(1.3)
_RANDOM = np.float32(0.9)
# The votes of a patch lose this factor for each pixel from the boundary to its
# centre: Wexler et al., Space-Time Completion of Video, PAMI 29(3), 2007.
_DECAY = 1.3
# Steps to a pixel itself and to its eight neighbours.
_AROUND = (
  (0, 0),
  *((-1, 0), (1, 0), (0, -1), (0, 1)),
  *((-1, -1), (-1, 1), (1, -1), (1, 1)),
)
# Constants of SplitMix64, which turns numbers into random bits.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(32)
_LOW = np.uint64(2**32 - 1)
_ZERO = np.float32(0)


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
  """Returns the centres of patches in the image that overlap the hole."""
  return find_centres(np.ones_like(hole)) & ~find_centres(~hole)


def has_centre(allowed: np.ndarray) -> bool:
  """Returns whether a patch lies within `allowed`, bool [h, w]."""
  return bool(find_centres(allowed).any())


def start(
  target: np.ndarray, source: np.ndarray, seed: int, coarse: np.ndarray | None
) -> np.ndarray:
  """Returns the match to begin with, int32 [h, w, 2].

  Args:
    target, source: bool [h, w].
    seed: seed of the random sources of targets without a coarse match.
    coarse: the match of the next coarser level, -1 where there is none.
  """
  height, width = target.shape
  match = np.full((height, width, 2), -1, np.int32)
  rows, columns = (x.astype(np.int32) for x in np.nonzero(target))
  if coarse is not None:
    # A frame without matches, so that all pixels have eight neighbours.
    coarse = np.pad(coarse, [(1, 1), (1, 1), (0, 0)], constant_values=-1)
    for dy, dx in _AROUND:
      i, j = (rows >> 1) + dy, (columns >> 1) + dx
      at = coarse[i + 1, j + 1]
      v, u = rows + 2 * (at[:, 0] - i), columns + 2 * (at[:, 1] - j)
      found = (at[:, 0] >= 0) & (v >= 0) & (u >= 0) & (v < height) & (u < width)
      found &= source[np.where(found, v, 0), np.where(found, u, 0)]
      match[rows[found], columns[found], 0] = v[found]
      match[rows[found], columns[found], 1] = u[found]
      rows, columns = rows[~found], columns[~found]
  places = np.flatnonzero(source)
  numbers = np.uint64(seed) + _STEP * (rows * width + columns).astype(np.uint64)
  at = places[_hash(numbers) % np.uint64(len(places))]
  match[rows, columns] = np.stack(np.divmod(at, width), 1)
  return match


def _hash(z: np.ndarray) -> np.ndarray:
  """Returns 64 random bits for each number (the finalizer of SplitMix64)."""
  z = (z ^ (z >> 30)) * _MIX_1
  z = (z ^ (z >> 27)) * _MIX_2
  return z ^ (z >> 31)


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
    seed: seed of the random places.
    passes: number of passes over all targets, alternately from above and below.
    reach: distance in pixels from a match within which random places are tried
      at first; then half of it, and so on.
  """
  cost = np.empty(target.shape, np.float32)
  channels = features.shape[2]
  rows = features.reshape(len(features), -1)
  length = -(-_SIDE * channels // _VECTOR) * _VECTOR
  tops = np.arange(0, len(match), _BAND)

  def search_band(
    number: int, step: int, edges: np.ndarray, top: int, bottom: int
  ) -> None:
    _search(
      rows,
      hole,
      target,
      source,
      match,
      edges[top // _BAND],
      cost,
      np.zeros((2, _SIDE, length), np.float32),
      channels,
      np.uint64(seed + number),
      # The cost of the match itself is known after the first pass.
      min(number, 1),
      3 + reach.bit_length(),
      reach,
      step,
      top,
      bottom,
    )

  for number in range(passes):
    step = 1 if number % 2 == 0 else -1
    # The matches in the row beyond each band, as they were before this pass.
    beyond = tops - 1 if step > 0 else tops + _BAND
    edges = match[np.clip(beyond, 0, len(match) - 1)]
    search_rows = functools.partial(search_band, number, step, edges)
    kernels.for_bands(len(target), search_rows, _BAND)


def vote(
  image: np.ndarray,
  hole: np.ndarray,
  weight: np.ndarray,
  match: np.ndarray,
  radius: int = RADIUS,
) -> None:
  """Fills the hole, in place, with means of what the patches around would copy.

  Args:
    image, hole, match: see the module.
    weight: float32 [h, w], the weight of each patch, by its centre.
    radius: distance in pixels from a pixel within which the centres of patches
      vote for it. If 0, the pixel becomes a copy; see `find_origins`.
  """

  def vote_rows(top: int, bottom: int) -> None:
    sums = np.zeros(image.shape[2], np.float32)
    _vote(image, hole, weight, match, sums, radius, top, bottom)

  kernels.for_bands(len(image), vote_rows, kernels.ROWS)


def find_weights(depth: np.ndarray, target: np.ndarray) -> np.ndarray:
  """Returns the weights of votes, float32 [h, w].

  Args:
    depth: [h, w], distance of each pixel of the hole to the boundary.
    target: see the module.
  """
  weight = np.float32(_DECAY) ** -np.minimum(depth, 64)
  return np.where(target, weight, 0).astype(np.float32)


def find_origins(hole: np.ndarray, match: np.ndarray) -> np.ndarray:
  """Returns the pixel that each pixel of a hole copies, int32 [h, w, 2].

  It is the centre of the pixel's match. Near the image's edge, where a pixel
  cannot be the centre of a patch, the match of the nearest centre is moved
  along. Outside the hole it is -1.
  """
  height, width = hole.shape
  origins = np.where(hole[..., None], match, np.int32(-1))
  rim = hole.copy()
  rim[RADIUS : height - RADIUS, RADIUS : width - RADIUS] = False
  y, x = np.nonzero(rim)
  rows = np.clip(y, RADIUS, height - 1 - RADIUS)
  columns = np.clip(x, RADIUS, width - 1 - RADIUS)
  origins[y, x] = match[rows, columns] + np.stack([y - rows, x - columns], 1)
  return origins


@functools.partial(kernels.kernel, fastmath=True)
def _search(
  features: np.ndarray,
  hole: np.ndarray,
  target: np.ndarray,
  source: np.ndarray,
  match: np.ndarray,
  edge: np.ndarray,
  cost: np.ndarray,
  scratch: np.ndarray,
  channels: int,
  seed: int,
  first: int,
  last: int,
  reach: int,
  step: int,
  top: int,
  bottom: int,
) -> None:
  """Searches a band of rows from the top left or (step < 0) the bottom right.

  A target tries candidates number `first` to `last - 1`: 0 is its own match, 1
  and 2 are those of two neighbours, the others random places. The cost is the
  weighted sum of the squared differences of the features, and of the distance.
  """
  height, width = target.shape
  down = np.float32(_APART[0] / height)
  across = np.float32(_APART[1] / width)
  patch, weight = scratch[0], scratch[1]
  y = top if step > 0 else bottom - 1
  for _ in range(bottom - top):
    x = 0 if step > 0 else width - 1
    for _ in range(width):
      if target[y, x]:
        weights = _ZERO
        for i in range(_SIDE):
          row = features[y - RADIUS + i, (x - RADIUS) * channels :]
          for k in range(patch.shape[1]):
            patch[i, k] = row[k]
          for j in range(_SIDE):
            is_hole = hole[y - RADIUS + i, x - RADIUS + j]
            one = _HOLE_WEIGHT if is_hole else _KNOWN_WEIGHT
            weights += one
            for c in range(channels):
              weight[i, j * channels + c] = one
        v, u, best = match[y, x, 0], match[y, x, 1], cost[y, x]
        for number in range(first, last):
          limit = np.float32(np.inf)
          i, j = v, u
          if number > 2:
            radius = reach >> (number - 3)
            # As `_hash` does.
            z = seed + np.uint64((y * width + x) * last + number) * _STEP
            z = (z ^ (z >> _SHIFT_1)) * _MIX_1
            z = (z ^ (z >> _SHIFT_2)) * _MIX_2
            span = np.uint64(2 * radius + 1)
            i += np.int64((z >> _SHIFT_3) * span >> _SHIFT_3) - radius
            j += np.int64((z & _LOW) * span >> _SHIFT_3) - radius
            limit = best * _RANDOM
          elif number == 2:
            if target[y - step, x]:
              if top <= y - step < bottom:
                i, j = match[y - step, x, 0] + step, match[y - step, x, 1]
              else:
                i, j = edge[x, 0] + step, edge[x, 1]
            limit = best * _NEIGHBOUR
          elif number == 1:
            if target[y, x - step]:
              i, j = match[y, x - step, 0], match[y, x - step, 1] + step
            limit = best * _NEIGHBOUR
          if (
            0 <= i < height
            and 0 <= j < width
            and source[i, j]
            and (number == 0 or i != v or j != u)
          ):
            dy, dx = down * np.float32(i - y), across * np.float32(j - x)
            total = weights * (dy * dy + dx * dx)
            for k in range(_SIDE):
              row = features[i - RADIUS + k, (j - RADIUS) * channels :]
              # The length is not a constant: LLVM would unroll the loop
              # instead of computing it in vectors.
              for m in range(patch.shape[1]):
                difference = np.float32(row[m]) - patch[k, m]
                total += weight[k, m] * difference * difference
              if total > limit:
                break
            if total < limit:
              best, v, u = total, i, j
        match[y, x, 0], match[y, x, 1] = v, u
        cost[y, x] = best
      x += step
    y += step


@kernels.kernel
def _vote(
  image: np.ndarray,
  hole: np.ndarray,
  weight: np.ndarray,
  match: np.ndarray,
  sums: np.ndarray,
  radius: int,
  top: int,
  bottom: int,
) -> None:
  height, width = hole.shape
  lowest, rightmost = height - 1 - RADIUS, width - 1 - RADIUS
  for y in range(top, bottom):
    # Near the image's edge, as far as the nearest centre of a patch.
    first = y - radius if y - radius < lowest else lowest
    last = y + radius if y + radius > RADIUS else RADIUS
    for x in range(width):
      if hole[y, x]:
        left = x - radius if x - radius < rightmost else rightmost
        right = x + radius if x + radius > RADIUS else RADIUS
        total = _ZERO
        for c in range(len(sums)):
          sums[c] = _ZERO
        for v in range(first, last + 1):
          for u in range(left, right + 1):
            if 0 <= v < height and 0 <= u < width:
              w = weight[v, u]
              i, j = match[v, u, 0] + y - v, match[v, u, 1] + x - u
              total += w
              for c in range(len(sums)):
                sums[c] += w * image[i, j, c]
        for c in range(len(sums)):
          image[y, x, c] = sums[c] / total + np.float32(0.5)
