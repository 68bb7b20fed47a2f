"""Cases: whole photos or crops of them, each with a hole.

A folder OUT/KIND has the truths as truth/000.png, the holes as hole/000.png and
the fillings of a method as METHOD/000.png.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import hashlib
import pathlib

import jax
import ml_collections
import numpy as np
from PIL import Image

from inpaint_jax import masks
from inpaint_jax.comparison import holes
from inpaint_jax.photos import photo_jobs, reading
from inpaint_jax.system import atomic_files, errors

# Whole photos are reduced to this longer side.
MAX_SIDE = 1150
CROP_SIDE = 256
# The kinds of the package's own masks that crops get in turn.
CROP_MASKS = ('stamps', 'strokes', 'box')
KINDS = (*holes.KINDS, 'crops')


@dataclasses.dataclass(frozen=True)
class Case:
  """An image to fill.

  Attributes:
    truth: uint8 [H, W, 3].
    hole: bool [H, W], True = hole.
  """

  name: str
  truth: np.ndarray
  hole: np.ndarray

  @functools.cached_property
  def digest(self) -> str:
    """A digest of truth and hole."""
    return digest(self.truth, self.hole)

  def path(self, folder: pathlib.Path, part: str) -> pathlib.Path:
    """Returns the path of a part, such as a method, in a folder OUT/KIND."""
    return folder / part / f'{self.name}.png'


def digest(*arrays: np.ndarray) -> str:
  """Returns 16 hexadecimal digits that identify the content of arrays."""
  made = hashlib.sha256()
  for array in arrays:
    made.update(f'{array.dtype}{array.shape}'.encode())
    made.update(np.ascontiguousarray(array).data)
  return made.hexdigest()[:16]


def choose_photos(folder: pathlib.Path, count: int) -> list[pathlib.Path]:
  """Returns photos of a folder, evenly spaced in the order of their names.

  Raises:
    errors.UserError: there is no photo.
  """
  with errors.error_as(
    f'photos={folder} cannot be used', kind=(OSError, errors.UserError)
  ):
    photos = photo_jobs.find_photos(folder)
  places = np.linspace(0, len(photos), min(count, len(photos)), endpoint=False)
  return [photos[int(place)] for place in places]


def create(kind: str, photos: Sequence[pathlib.Path], seed: int) -> list[Case]:
  """Returns the cases of a kind, one per photo.

  Args:
    photos: paths of photos. Those that cannot be read, or are too small for a
      crop, are left out.

  Raises:
    errors.UserError: none is left.
  """
  created = []
  for index, path in enumerate(photos):
    try:
      photo = reading.read(str(path))
    except reading.UnreadableError as error:
      print(f'{path.name} is left out: {error}')
      continue
    photo.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    image = np.asarray(photo)
    if kind != 'crops':
      hole = holes.draw(kind, seed, index, *image.shape[:2])
    elif min(image.shape[:2]) >= CROP_SIDE:
      image, hole = _crop(image, seed, index)
    else:
      print(f'{path.name} is left out: smaller than {CROP_SIDE} px')
      continue
    created.append(Case(f'{index:03d}', image, hole))
  if not created:
    raise errors.UserError(
      f'no photo in photos={photos[0].parent} can be used for {kind}; name '
      'another folder'
    )
  return created


def save(folder: pathlib.Path, case: Case) -> None:
  """Writes truth and hole as PNG files, unless they are there."""
  parts = {'truth': case.truth, 'hole': np.uint8(255) * case.hole}
  for part, array in parts.items():
    path = case.path(folder, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or not np.array_equal(read(path), array):
      with atomic_files.replacing(path) as temporary:
        Image.fromarray(array).save(temporary, 'PNG', compress_level=1)


def read(path: pathlib.Path) -> np.ndarray:
  """Returns the pixels of a PNG file, uint8 [H, W, 3] or [H, W]."""
  with Image.open(path) as image:
    return np.asarray(image)


def _crop(
  image: np.ndarray, seed: int, index: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns a crop of CROP_SIDE at a random place, and its hole."""
  rng = np.random.default_rng([seed, len(holes.KINDS), index])
  top, left = (rng.integers(0, x - CROP_SIDE + 1) for x in image.shape[:2])
  crop = image[top : top + CROP_SIDE, left : left + CROP_SIDE]
  kind = CROP_MASKS[index % len(CROP_MASKS)]
  mask = _sampler(kind)(seed, np.array([index]))
  return np.ascontiguousarray(crop), np.asarray(mask[0, ..., 0]) > 0


@functools.cache
def _sampler(kind: str) -> Callable[[int, np.ndarray], jax.Array]:
  """Returns a jitted function (seed, indices) -> masks, once for each kind."""
  config = ml_collections.ConfigDict({'kind': kind, 'strokes': 'medium'})
  sampler, side = masks.create_sampler(config), CROP_SIDE
  return jax.jit(
    lambda seed, index: masks.evaluation_masks(sampler, seed, index, side, side)
  )
