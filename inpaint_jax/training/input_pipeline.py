"""Reads a dataset as batches in the memory of the host.

A batch is a dict of NumPy arrays:
  image: uint8 [B, H, W, 3]; the step converts it to float32 in [0, 1], so that
    only a quarter of the bytes are sent to the device.
  index: int32 [B], the position of each image in its split.
  valid: float32 [B], 0 for padding in the last evaluation batch, else 1.
Masks are drawn on the device, see masks.py.
"""

from collections.abc import Iterator
import functools
import pathlib
import sys
from typing import Any, Protocol

import grain
import ml_collections
import numpy as np

from inpaint_jax import datasets
from inpaint_jax.datasets import storage
from inpaint_jax.system import distributed, errors, json_files, user_paths

Batch = dict[str, np.ndarray]


class Source(Protocol):
  """A split: images in a fixed order, each read when it is indexed."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> dict[str, Any]: ...


def load(
  config: ml_collections.ConfigDict,
  record: pathlib.Path | None = None,
  *,
  test_only: bool = False,
) -> datasets.Dataset:
  """Returns a dataset, and builds it first if it does not exist.

  Prints one line if splits have fewer images than wanted.

  Args:
    record: a file that keeps the dataset's name from one start of a run to the
      next. A run can then continue without its photos, from the dataset that
      was built from them, but not with other photos.
    test_only: see datasets.load; without effect on a dataset of a record.

  Raises:
    errors.UserError: the dataset cannot be built or read, or is not the one
      that the record names.
  """
  if record is not None and record.exists():
    dataset = _load_recorded(config, record)
  else:
    dataset = datasets.load(config, test_only=test_only)
    if record is not None:
      json_files.write(record, {'name': dataset.name})
  few = [
    f'{name} has {len(split)} of {config[f"num_{name}"]}'
    for name, split in dataset.splits.items()
    if len(split) < config[f'num_{name}']
  ]
  if few and distributed.is_first():
    print(f'fewer images than wanted: {", ".join(few)}', file=sys.stderr)
  return dataset


def check(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError on a wrong field of `config.data`; reads no file.

  There may still be fewer images than wanted.
  """
  datasets.check(config.data)
  # The check of the run's other fields refuses what is not positive.
  if config.batch_size > 0:
    steps_per_epoch(config.data.num_train, config.batch_size)


def read_record(record: pathlib.Path) -> str:
  """Returns the name of the dataset in a run's dataset.json.

  Raises:
    errors.UserError: the file is missing, damaged, or of something else.
  """
  fields = json_files.read(record)
  if not isinstance(fields, dict) or not isinstance(fields.get('name'), str):
    raise errors.UserError(
      f'{record} names no dataset; delete it to use that of the config'
    )
  return fields['name']


def _load_recorded(
  config: ml_collections.ConfigDict, record: pathlib.Path
) -> datasets.Dataset:
  """Returns the dataset that a record names, or raises a UserError."""
  name, folder = read_record(record), record.parent
  source = config.source and user_paths.local(config.source, 'data.source')
  is_built = datasets.is_built(config, name)
  there = f'set data.data_dir to the folder that holds {name}'
  reads_source = datasets.reads_source(config.dataset)
  if reads_source and not (source and source.exists()):
    if not is_built:
      data_dir = storage.data_dir(config.data_dir)
      raise errors.UserError(
        f'the run in {folder} was trained on {name}, which is not in '
        f'data.data_dir={data_dir}, and data.source={config.source!r}, of '
        f'which it was built, does not exist; {there}, or data.source to its '
        'photos'
      )
    if source:
      print(
        f'data.source={source} does not exist: the run goes on with {name}, as '
        'it was built',
        file=sys.stderr,
      )
    return datasets.load(config, name=name)
  now = datasets.dataset_name(config)
  if now != name and not reads_source:
    raise errors.UserError(
      f'the run in {folder} was trained on {name}, and what is installed here '
      f'has {now}; install the versions of the run, or name another workdir'
    )
  if now != name:
    undo = "set data.source=''" + ('' if is_built else f' and {there[4:]}')
    raise errors.UserError(
      f'data.source={config.source!r} holds other photos than the run in '
      f'{folder} was trained on ({now}, wanted {name}); {undo} to go on with '
      'those, or name another workdir'
    )
  return datasets.load(config, name=name)


def steps_per_epoch(num_images: int, batch_size: int) -> int:
  """Returns the number of whole batches of so many training images.

  Raises:
    errors.UserError: there is none.
  """
  steps = num_images // batch_size
  if not steps:
    raise errors.UserError(
      f'batch_size={batch_size} is more than the {num_images} '
      'training images; lower it, or raise data.num_train'
    )
  return steps


def draw_augmentation(
  rng: np.random.Generator, *, flip: bool, rotate: bool
) -> dict[str, np.int8]:
  """Draws `flipped` (0 or 1) and `turns` (0 to 3), each uniformly.

  `turns` counts counterclockwise quarter turns after the flip. `flipped` is 0
  without `flip`, `turns` without `rotate`.
  """
  # Always draws both, so that turning one off does not change the other.
  flipped, turns = rng.integers(2), rng.integers(4)
  return {
    'flipped': np.int8(flipped if flip else 0),
    'turns': np.int8(turns if rotate else 0),
  }


def augment(
  image: np.ndarray, flipped: int | np.integer, turns: int | np.integer
) -> np.ndarray:
  """Returns a square image [S, S, 3], flipped left to right, then rotated."""
  if flipped:
    image = np.fliplr(image)
  return np.ascontiguousarray(np.rot90(image, int(turns)))


def train_batches(
  source: Source,
  config: ml_collections.ConfigDict,
  *,
  seed: int,
  batch_size: int,
  start_step: int = 0,
  rows: slice | None = None,
) -> Iterator[Batch]:
  """Yields training batches without end, from `start_step` on.

  Each epoch has its own random order of the images, and leaves out the last
  `len(source) % batch_size` of them. Batch s is a pure function of (source,
  seed, s), so a run that continues needs no saved position.

  Args:
    source: the training split. If its examples have no image, batches have
      `flipped` and `turns` instead, see draw_augmentation.
    start_step: batches to skip, without reading them.
    rows: the rows of each batch to read, all by default. The choice does not
      change their content.
  """

  def draw(index: int, rng: np.random.Generator) -> dict[str, Any]:
    drawn = draw_augmentation(rng, flip=config.flip, rotate=config.rotate)
    return {'index': np.int32(index), 'valid': np.float32(1), **drawn}

  indices = grain.MapDataset.range(len(source))
  # Computed when indexed, so that a process draws for its own rows alone.
  drawn = indices.seed(seed).shuffle().random_map(draw)
  own = range(batch_size)[rows or slice(None)]
  num_batches = len(source) // batch_size

  def read(step: int) -> Batch:
    epoch, number = divmod(step, num_batches)
    first = epoch * len(source) + number * batch_size
    picked = [drawn[first + row] for row in own]
    batch = {name: np.stack([x[name] for x in picked]) for name in picked[0]}
    examples = [source[int(x['index'])] for x in picked]
    if 'image' not in examples[0]:
      return batch
    images = [x['image'] for x in examples]
    augmented = map(augment, images, batch.pop('flipped'), batch.pop('turns'))
    return {'image': np.stack(list(augmented)), **batch}

  steps = grain.MapDataset.range(start_step, 2**31)
  return iter(steps.map(read).to_iter_dataset(_read_options(config)))


def eval_batches(
  source: Source,
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  rows: slice | None = None,
) -> Iterator[Batch]:
  """Yields the whole split once, in order; pads the last batch with zeros."""
  num_batches = -(-len(source) // batch_size)
  indices = np.arange(num_batches * batch_size).reshape(num_batches, batch_size)
  own = indices[:, rows or slice(None)]

  # Once, since reading an image takes time.
  @functools.cache
  def padding() -> dict[str, Any]:
    return {name: np.zeros_like(x) for name, x in read(0).items()}

  def read(index: int) -> dict[str, Any]:
    if index >= len(source):
      return padding()
    image = source[index]['image']
    return {'image': image, 'index': np.int32(index), 'valid': np.float32(1)}

  numbers = grain.MapDataset.source(own.ravel().tolist())
  dataset = numbers.map(read).batch(own.shape[1])
  return iter(dataset.to_iter_dataset(_read_options(config)))


def _read_options(config: ml_collections.ConfigDict) -> grain.ReadOptions:
  return grain.ReadOptions(
    num_threads=config.num_threads, prefetch_buffer_size=8
  )
