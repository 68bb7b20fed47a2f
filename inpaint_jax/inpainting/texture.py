"""Texture for holes that a model has filled smoothly.

A model that was trained for the least error paints means: colours and large
shapes are right, the fine texture of grass, rock and waves is missing. Here the
texture is copied from the known surroundings, patch by patch; all that is
coarser stays the model's.

An image is split into a low band, blurred to about what a model can tell of a
hole, and the detail. The low band is kept. The detail of the hole is assembled
from known patches. For each patch that reaches into the hole, the nearest
neighbour among the known patches is searched, by detail, low band, expected
contrast and position; then overlapping patches are averaged. This is repeated
from coarse to fine.

Sources: Barnes et al., PatchMatch, SIGGRAPH 2009 (the search); Wexler et al.,
Space-Time Completion of Video, PAMI 29(3), 2007 (the averages, the order of
scales); Hertzmann et al., Image Analogies, SIGGRAPH 2001 (a blurred image as
the guide to a sharp one); Kaspar et al., Self Tuning Texture Optimization,
Computer Graphics Forum 34(2), 2015 (a penalty on patches that are used often).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import harmonic

# Patches have 2 * _RADIUS + 1 pixels a side.
_RADIUS = 3
_SIDE = range(-_RADIUS, _RADIUS + 1)
_OFFSETS = [(y, x) for y in _SIDE for x in _SIDE]
# The coarsest scale is the first at which no pixel of the hole is deeper.
_DEPTH = 7
# Deviation of the blur that makes the low band, in pixels of that scale.
_LOW = 1.3
# Rounds of search and average at the coarsest scale, and at each other.
_FIRST_ROUNDS, _ROUNDS = 4, 2
# Above this number, patches are not searched but follow those of the scale
# before, which bounds the time.
MAX_PATCHES = 40_000
# Least number of known patches per wanted one; with fewer, repeats show.
_ENOUGH = 0.1
# Width in pixels of the surroundings that are searched; more for a deep hole.
_MARGIN = 128

# The detail of a patch is compared by so many principal components.
_COMPONENTS = 20
# Weights of what else is compared: the low band; the logarithm of the contrast;
# the position, since texture changes with the depth of the scene, and in a
# landscape depth changes with the row; how often a patch is used already.
_LOW_WEIGHT = 1.0
_CONTRAST_WEIGHT = 0.5
_ROW_WEIGHT = 3.0
_COLUMN_WEIGHT = 1.5
_REUSE_WEIGHT = 0.05
# Contrast below this, in [0, 1], is noise.
_NOISE = 0.004

# In averages, a patch counts less the farther a pixel is from its centre. What
# is coarser than _SPLIT is averaged widely, against seams between patches; what
# is finer narrowly, against blur. Standard deviations in pixels.
_SPLIT = 1.5
_WIDE, _NARROW = 2.5, 1.1
# How far an error at the boundary is continued into the hole, in pixels.
_REACH = 2.0


class _Scale(NamedTuple):
  """An image at one resolution, its N pixels in one row."""

  shape: tuple[int, int]
  hole: np.ndarray  # bool [N]
  low: np.ndarray  # float32 [N, 3]
  detail: np.ndarray  # float32 [N, 3]; in the hole, the result so far
  wanted: np.ndarray  # int [n], centres of patches that reach into the hole
  sources: np.ndarray  # int [m], centres of known patches
  is_source: np.ndarray  # bool [N]


class _Features(NamedTuple):
  """Patches as points whose squared distance compares them."""

  basis: np.ndarray  # [values of a patch, _COMPONENTS]
  context: np.ndarray  # [N, K], what is compared beside the detail
  points: np.ndarray  # [N, _COMPONENTS + K]; detail of sources only
  variance: float  # of the detail


def synthesize_texture(
  image: np.ndarray, hole: np.ndarray, *, seed: int = 0
) -> np.ndarray:
  """Gives a smoothly filled hole the texture of its surroundings.

  Time and memory grow with the hole and its surroundings. At resolutions at
  which a hole has more than 40,000 patches, they are not searched.

  Args:
    image: float32 [h, w, 3] in [0, 1], filled.
    hole: bool [h, w].
    seed: of the search; equal seeds give equal images.

  Returns:
    float32 [h, w, 3] in [0, 1]; known pixels are those of `image`, bit for bit.
    All pixels are, if there is no hole or too little around it to copy from.
  """
  result = image.copy()
  if not hole.any():
    return result
  place = _surroundings(hole)
  part, part_hole = image[place], hole[place]
  pyramid = _pyramid(part, part_hole)
  if not pyramid:
    return result
  rng = np.random.default_rng(seed)
  scale = _synthesize_detail(pyramid, rng)
  filled = np.clip(scale.low + scale.detail, 0, 1).reshape(part.shape)
  result[place] = np.where(part_hole[..., None], filled, part)
  return result


def _synthesize_detail(
  pyramid: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> _Scale:
  """Returns the finest scale with its hole filled, from coarse to fine."""
  coarsest = len(pyramid) - 1
  low = _blur(pyramid[coarsest][0], _LOW)
  scale = _create_scale(*pyramid[coarsest], low)
  features = _create_features(scale, round(_LOW), rng)
  # The detail is still that of the smooth filling: it is not compared yet,
  # since it would match smooth patches.
  nnf = rng.choice(scale.sources, len(scale.wanted))
  nnf, cost = _search(scale, features, nnf, rng, sweeps=4, blind=True)
  _average(scale, nnf, cost)
  nnf = _search_and_average(scale, features, nnf, rng, _FIRST_ROUNDS)
  for level in range(coarsest - 1, -1, -1):
    image, hole = pyramid[level]
    low = _double(low, hole.shape)
    coarser, scale = scale, _create_scale(image, hole, low)
    search = len(scale.wanted) <= MAX_PATCHES
    if search:
      step = round(_LOW * 2 ** (coarsest - level))
      features = _create_features(scale, step, rng)
    nnf = _upsample_nnf(coarser, nnf, scale, rng)
    _average(scale, nnf, np.ones(len(nnf), np.float32))
    if search:
      nnf = _search_and_average(scale, features, nnf, rng, _ROUNDS)
  return scale


def _search_and_average(
  scale: _Scale,
  features: _Features,
  nnf: np.ndarray,
  rng: np.random.Generator,
  rounds: int,
) -> np.ndarray:
  """Improves the patches and the detail in turns; returns the new field."""
  for _ in range(rounds):
    nnf, cost = _search(scale, features, nnf, rng)
    _average(scale, nnf, cost)
  return nnf


def _surroundings(hole: np.ndarray) -> tuple[slice, slice]:
  """Returns the rows and columns of the hole and of what is searched."""
  margin = max(_MARGIN, _depth(hole))

  def extent(axis: int) -> slice:
    index = np.flatnonzero(hole.any(axis))
    return slice(max(index[0] - margin, 0), index[-1] + 1 + margin)

  return extent(1), extent(0)


def _depth(hole: np.ndarray) -> int:
  """Returns the depth of a hole in pixels."""
  return int(ndimage.distance_transform_cdt(hole, 'chessboard').max())


def _pyramid(
  image: np.ndarray, hole: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Returns the image and its hole at all scales, the finest first.

  The list is empty if too little is known.
  """
  scales: list[tuple[np.ndarray, np.ndarray]] = []
  while True:
    wanted, sources = _centres(hole)
    if sources.sum() <= _ENOUGH * wanted.sum():
      return scales
    scales.append((image, hole))
    if _depth(hole) <= _DEPTH and wanted.sum() <= MAX_PATCHES:
      return scales
    image, hole = _halve(image, hole)


def _centres(hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns two masks: the centres of wanted and of known patches."""
  inside = np.zeros(hole.shape, bool)
  inside[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS] = True
  near = ndimage.binary_dilation(hole, np.ones((2 * _RADIUS + 1,) * 2))
  return inside & near, inside & ~near


def _create_scale(
  image: np.ndarray, hole: np.ndarray, low: np.ndarray
) -> _Scale:
  wanted, sources = (x.ravel() for x in _centres(hole))
  return _Scale(
    shape=hole.shape,
    hole=hole.ravel(),
    low=low.reshape(-1, 3),
    detail=(image - low).reshape(-1, 3),
    wanted=np.flatnonzero(wanted),
    sources=np.flatnonzero(sources),
    is_source=sources,
  )


def _create_features(
  scale: _Scale, step: int, rng: np.random.Generator
) -> _Features:
  count = min(len(scale.sources), 4000)
  sample = _patches(scale, rng.choice(scale.sources, count, replace=False))
  # Without any detail, what is compared beside it must still count.
  variance = np.mean(sample**2) + 1e-6
  _, vectors = np.linalg.eigh(sample.T @ sample)
  # The square of a distance is then a mean over the values of a patch.
  basis = vectors[:, -_COMPONENTS:] / math.sqrt(len(vectors))
  context = _context(scale, step, np.sqrt(variance))
  blank = np.zeros((len(context), _COMPONENTS), np.float32)
  points = np.concatenate([blank, context], axis=1)
  for some in np.array_split(scale.sources, len(scale.sources) // 16384 + 1):
    points[some, :_COMPONENTS] = _patches(scale, some) @ basis
  return _Features(basis, context, points, variance)


def _context(scale: _Scale, step: int, deviation: float) -> np.ndarray:
  """Returns what is compared beside the detail, [N, K]."""
  height, width = scale.shape
  # The low band at the centre and on four sides of it.
  padded = np.pad(
    scale.low.reshape(height, width, 3),
    [(step, step), (step, step), (0, 0)],
    'edge',
  )
  sides = (0, 0), (-step, 0), (step, 0), (0, -step), (0, step)
  parts = [
    padded[step + y : step + y + height, step + x : step + x + width]
    for y, x in sides
  ]
  low = np.concatenate(parts, axis=-1)
  low = low * math.sqrt(_LOW_WEIGHT / (3 * len(sides)))
  # The contrast at the boundary is continued into the hole.
  known = ~scale.hole.reshape(height, width, 1)
  power = np.mean(scale.detail**2, axis=1).reshape(height, width, 1) * known
  weight = _blur(known.astype(np.float32), 2)
  power = _blur(power, 2) / np.maximum(weight, 1e-6)
  contrast = harmonic.harmonic_fill(
    np.log(power + _NOISE**2) / 2, known[..., 0]
  )
  rows, columns = np.mgrid[:height, :width] / max(height, width)
  rest = [
    _CONTRAST_WEIGHT * contrast,
    _ROW_WEIGHT * rows[..., None],
    _COLUMN_WEIGHT * columns[..., None],
  ]
  context = np.concatenate(
    [low, deviation * np.concatenate(rest, axis=-1)], axis=-1, dtype=np.float32
  )
  return context.reshape(height * width, -1)


def _search(
  scale: _Scale,
  features: _Features,
  nnf: np.ndarray,
  rng: np.random.Generator,
  sweeps: int = 1,
  blind: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
  """Searches for nearer patches, for all wanted ones at once (PatchMatch).

  Args:
    scale: the scale.
    features: its features.
    nnf: int [n], the nearest-neighbour field: the centre of the known patch for
      each wanted one.
    rng: for the random candidates.
    sweeps: rounds of propagation and random search.
    blind: whether the detail is left out of the comparison.

  Returns:
    The new field, and the costs of its patches, [n].
  """
  height, width = scale.shape
  first = _COMPONENTS if blind else 0
  target = features.context[scale.wanted]
  if not blind:
    detail = _patches(scale, scale.wanted) @ features.basis
    target = np.concatenate([detail, target], axis=1)
  penalty = _reuse_penalty(scale, nnf, features.variance)
  everyone = np.arange(len(nnf))

  def compare(i: np.ndarray, q: np.ndarray) -> np.ndarray:
    difference = features.points[q, first:] - target[i]
    return np.einsum('ij,ij->i', difference, difference) + penalty[q]

  def attempt(i: np.ndarray, q: np.ndarray) -> None:
    allowed = scale.is_source[q]
    i, q = i[allowed], q[allowed]
    new = compare(i, q)
    better = new < cost[i]
    i = i[better]
    nnf[i], cost[i] = q[better], new[better]

  nnf = nnf.copy()
  cost = compare(everyone, nnf)
  number = _numbers(scale)
  last = height * width - 1
  for _ in range(sweeps):
    for jump in (4, 2, 1):
      for shift in (jump, -jump, jump * width, -jump * width):
        # Propagation: the patch beside that of a neighbour.
        neighbour = number[np.clip(scale.wanted + shift, 0, last)]
        i = np.flatnonzero(neighbour >= 0)
        attempt(i, np.clip(nnf[neighbour[i]] - shift, 0, last))
    attempt(everyone, rng.choice(scale.sources, len(nnf)))
    reach = max(height, width) / 2
    while reach >= 1:
      moves = rng.uniform(-reach, reach, (2, len(nnf))).round().astype(int)
      y, x = np.stack(np.divmod(nnf, width)) + moves
      y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
      attempt(everyone, y * width + x)
      reach /= 3
  return nnf, cost


def _reuse_penalty(
  scale: _Scale, nnf: np.ndarray, variance: float
) -> np.ndarray:
  """Returns the cost of using a patch once more, [N]."""
  use = np.bincount(nnf, minlength=len(scale.hole)).reshape(scale.shape)
  use = ndimage.uniform_filter(use.astype(np.float32), 5).ravel()
  fair = max(1, len(nnf) / len(scale.sources))
  return np.float32(_REUSE_WEIGHT * variance) * np.maximum(use / fair - 1, 0)


def _average(scale: _Scale, nnf: np.ndarray, cost: np.ndarray) -> None:
  """Sets the hole's detail to the average of its patches, in place."""
  width = scale.shape[1]
  confidence = np.exp(-cost / (2 * np.quantile(cost, 0.75) + 1e-9))
  coarse = _blur(scale.detail.reshape(*scale.shape, 3), _SPLIT).reshape(-1, 3)
  # Two bands of three colours, and ones for the sum of the weights.
  values = np.ones((len(coarse), 2, 4), np.float32)
  values[:, 0, :3], values[:, 1, :3] = coarse, scale.detail - coarse
  total = np.zeros_like(values)
  deviations = np.array([_WIDE, _NARROW], np.float32)
  for y, x in _OFFSETS:
    focus = np.exp(-(y * y + x * x) / (2 * deviations**2))
    shift = y * width + x
    weight = confidence[:, None, None] * focus[:, None]
    total[scale.wanted + shift] += weight * values[nnf + shift]
  means = total[..., :3] / np.maximum(total[..., 3:], 1e-12)
  painted = means.sum(axis=1)
  # On known pixels the error of the patches is known; it is continued into the
  # hole. For so narrow a blur the boundary is a straight line: half of its
  # weight falls on known pixels.
  beyond = scale.wanted[~scale.hole[scale.wanted]]
  error = np.zeros_like(painted)
  error[beyond] = scale.detail[beyond] - painted[beyond]
  error = _blur(error.reshape(*scale.shape, 3), _REACH).reshape(-1, 3)
  scale.detail[scale.hole] = (painted + 2 * error)[scale.hole]


def _upsample_nnf(
  scale: _Scale, nnf: np.ndarray, finer: _Scale, rng: np.random.Generator
) -> np.ndarray:
  """Returns the nearest-neighbour field at twice the resolution."""
  height, width = scale.shape
  row, column = np.divmod(finer.wanted, finer.shape[1])
  y = np.clip(row // 2, _RADIUS, height - _RADIUS - 1)
  x = np.clip(column // 2, _RADIUS, width - _RADIUS - 1)
  number = _numbers(scale)[y * width + x]
  source_y, source_x = np.divmod(nnf[number], width)
  row, column = row + 2 * (source_y - y), column + 2 * (source_x - x)
  place = np.clip(row * finer.shape[1] + column, 0, len(finer.hole) - 1)
  # The last row or column of an odd size has no pixel at the coarser scale.
  lost = (number < 0) | ~finer.is_source[place]
  place[lost] = rng.choice(finer.sources, np.count_nonzero(lost))
  return place


def _numbers(scale: _Scale) -> np.ndarray:
  """Returns the index of each pixel in `wanted`, -1 if it is not there."""
  number = np.full(len(scale.hole), -1)
  number[scale.wanted] = np.arange(len(scale.wanted))
  return number


def _patches(scale: _Scale, centres: np.ndarray) -> np.ndarray:
  """Returns the detail around pixels, [n] -> [n, values of a patch]."""
  width = scale.shape[1]
  return np.concatenate(
    [scale.detail[centres + y * width + x] for y, x in _OFFSETS], axis=1
  )


def _halve(
  image: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Halves an image; a pixel is hole if any of its four is."""
  padding = [(0, length % 2) for length in hole.shape]
  image = np.pad(image, [*padding, (0, 0)], 'edge')
  hole = np.pad(hole, padding, 'edge')
  shape = hole.shape[0] // 2, 2, hole.shape[1] // 2, 2
  image = image.reshape(*shape, 3).mean(axis=(1, 3), dtype=np.float32)
  return image, np.any(hole.reshape(shape), axis=(1, 3))


def _double(x: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
  """Interpolates [h, w, C] linearly to twice the resolution."""
  for axis, length in enumerate(shape):
    place = np.clip((np.arange(length) - 0.5) / 2, 0, x.shape[axis] - 1)
    below = np.minimum(place.astype(int), x.shape[axis] - 2)
    part = np.expand_dims(place - below, (1 - axis, 2)).astype(np.float32)
    x = x.take(below, axis) * (1 - part) + x.take(below + 1, axis) * part
  return x


def _blur(x: np.ndarray, deviation: float) -> np.ndarray:
  return ndimage.gaussian_filter(x, (deviation, deviation, 0), mode='nearest')
