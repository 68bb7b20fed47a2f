r"""Fills holes in photos with the engine, to train the net that refines them.

  python scripts/make_fillings.py --photos=DIR --out=DIR

Writes OUT/train/ and OUT/val/ for the photos of these splits (by content), one
file for each filling; see `Filling`. A file depends on its number, the seed of
all choices, and on the photos. Files that are there already stay, so that a
command that was stopped goes on.
"""

from collections.abc import Iterator, Sequence
import io
import multiprocessing
import pathlib
from typing import NamedTuple

from absl import flags
import numpy as np
from PIL import Image

from inpaint_jax.comparison import holes
from inpaint_jax.datasets import photo_folder, photo_splits
from inpaint_jax.inpainting import inpainter, kernels, refining
from inpaint_jax.photos import reading
from inpaint_jax.system import atomic_files, command_line, errors

_PHOTOS = flags.DEFINE_string('photos', '', 'Folder of photos.')
_OUT = flags.DEFINE_string('out', '', 'Folder for the fillings.')
_NUM_TRAIN = flags.DEFINE_integer(
  'num_train', 20_000, 'Fillings to train with.', 1
)
_NUM_VAL = flags.DEFINE_integer('num_val', 300, 'Fillings to validate with.', 1)
_WORKERS = flags.DEFINE_integer(
  'workers', kernels.NUM_THREADS, 'Processes that fill holes.', 1
)

# Side of a filling, in pixels. Photos must be larger.
SIDE = 384

# The engine of a worker.
_fill: inpainter.Inpainter


class Task(NamedTuple):
  """A filling to be made of a photo."""

  number: int
  photo: str
  path: pathlib.Path


def draw_hole(rng: np.random.Generator, side: int) -> np.ndarray:
  """Returns a thing, border, box, wires or letters, bool [side, side]."""
  hole = np.zeros((side, side), bool)
  kind = rng.choice(
    ['things', 'borders', 'box', 'wires', 'text'],
    p=[0.4, 0.3, 0.06, 0.12, 0.12],
  )
  if kind == 'things':
    for _ in range(rng.integers(1, 3)):
      share = np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
      hole |= holes.blob(rng, side, side, share)
  elif kind == 'borders':
    for edge in rng.permutation(4)[: rng.integers(1, 3)]:
      depth = int(rng.uniform(0.06, 0.25) * side)
      np.rot90(hole, edge)[:depth] = True
  elif kind == 'box':
    shares = np.exp(rng.uniform(np.log(0.1), np.log(0.5), 2))
    height, width = (shares * side).astype(int)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    hole[top : top + height, left : left + width] = True
  else:
    hole = holes.KINDS[kind](rng, side, side)
  hole[side // 2, side // 2] |= not hole.any()
  return hole


def make_filling(
  fill: inpainter.Inpainter, photo: Image.Image, number: int
) -> np.ndarray:
  """Fills a hole in a part of a photo.

  Args:
    fill: the engine.
    photo: of more than SIDE pixels a side. It is reduced at random.
    number: seed of all choices.

  Returns:
    uint8 [SIDE, SIDE, 7]: the truth, the filling, and 1 for pixels of the hole
    plus 2 for those with a neighbour that is copied from elsewhere.
  """
  rng = np.random.default_rng(number)
  least = (SIDE + 1) / min(photo.size)
  scale = max(np.exp(rng.uniform(np.log(0.55), 0)), least)
  size = round(photo.width * scale), round(photo.height * scale)
  image = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
  top, left = (rng.integers(0, x - SIDE + 1) for x in image.shape[:2])
  truth = image[top : top + SIDE, left : left + SIDE]
  hole = draw_hole(rng, SIDE)
  blanked = np.where(hole[..., None], 0, truth).astype(np.uint8)
  filled = fill.explain(
    blanked, hole, seed=int(rng.integers(2**31)), refine=False
  )
  seams = refining.find_seams(filled.origins, hole)
  return np.dstack([truth, filled.image, hole + 2 * seams]).astype(np.uint8)


def _find_split(path: pathlib.Path) -> tuple[str, str]:
  """Returns the split of a photo, or '', and why it cannot be used."""
  try:
    photo = reading.read(str(path))
  except reading.UnreadableError as error:
    return '', f'{path} is left out: {error}'
  if min(photo.size) <= SIDE:
    return '', f'{path} is left out: it has {SIDE} pixels a side or less'
  return photo_splits.by_content(photo), ''


def _list_tasks(
  photos: Sequence[str], folder: pathlib.Path, count: int
) -> Iterator[Task]:
  """Yields tasks: in each round, each photo is filled once."""
  rng, number = np.random.default_rng(0), 0
  while number < count:
    for photo in rng.permutation(photos)[: count - number]:
      yield Task(number, str(photo), folder / f'{number:06d}.npy')
      number += 1


def _write_filling(task: Task) -> None:
  if not task.path.exists():
    photo = reading.read(task.photo)
    file = io.BytesIO()
    np.save(file, make_filling(_fill, photo, task.number))
    atomic_files.write(task.path, file.getvalue())


def _start_worker() -> None:
  """Loads the engine; each process has one thread."""
  global _fill
  kernels.NUM_THREADS = 1
  _fill = inpainter.load()


def main(argv: Sequence[str]) -> None:
  """Fills the holes in several processes."""
  command_line.check_flags(argv, photos='DIR', out='DIR')
  out = pathlib.Path(_OUT.value)
  found = photo_folder.list_photos(_PHOTOS.value, field='photos')
  paths = [pathlib.Path(found.root, path) for path in found.paths]
  context = multiprocessing.get_context('spawn')
  with context.Pool(_WORKERS.value, _start_worker) as pool:
    photos: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
    splits = pool.imap(_find_split, paths, chunksize=8)
    for path, (split, reason) in zip(paths, splits, strict=True):
      if split:
        photos[split].append(str(path))
      else:
        print(reason)
    print({split: len(names) for split, names in photos.items()}, 'photos')
    counts = {'val': _NUM_VAL.value, 'train': _NUM_TRAIN.value}
    for split, count in counts.items():
      if not photos[split]:
        raise errors.UserError(
          f'photos={_PHOTOS.value} has no photo of over {SIDE} pixels a side '
          f'for {split}; give more photos'
        )
      folder = out / split
      with errors.error_as(f'out={out} cannot be written'):
        folder.mkdir(parents=True, exist_ok=True)
      tasks = _list_tasks(photos[split], folder, count)
      for number, _ in enumerate(pool.imap_unordered(_write_filling, tasks)):
        if (number + 1) % 1000 == 0:
          print(f'{split}: {number + 1} fillings', flush=True)


if __name__ == '__main__':
  command_line.run(main)
