"""From a dataset to batches.

A batch is a dict of NumPy arrays:
  image: uint8 [B, H, W, 3]; the step makes it float32 in [0, 1], so that a
    quarter of the bytes travel to the device.
  index: int32 [B], the place of each picture in its split.
  valid: float32 [B], 0 where the last evaluation batch is padding.
Masks are not here: they are drawn on the device, see masks.py.
"""

from collections.abc import Iterator
import functools
import pathlib
from typing import Any, Protocol

import grain
import ml_collections
import numpy as np

from inpaint_jax import datasets
from inpaint_jax.system import errors, json_files

Batch = dict[str, np.ndarray]


class Source(Protocol):
  """A split: pictures in a fixed order, each read when it is asked for."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> dict[str, Any]: ...


class _Indexed:
  """A source whose examples know their index and carry nothing else."""

  def __init__(self, source: Source, with_images: bool = True):
    self._source = source
    self._with_images = with_images

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    image = {}
    if self._with_images:
      image = {'image': self._source[index]['image']}
    return {**image, 'index': np.int32(index), 'valid': np.float32(1)}


class _Padded(_Indexed):
  """A source brought to whole batches, and of each of them some rows.

  What is missing in the last batch is black and not valid.
  """

  def __init__(self, source: Source, batch_size: int, rows: slice):
    super().__init__(source)
    self._batch_size = batch_size
    self._rows = range(batch_size)[rows]

  def __len__(self) -> int:
    return -(-len(self._source) // self._batch_size) * len(self._rows)

  def __getitem__(self, index: int) -> dict[str, Any]:
    batch, row = divmod(index, len(self._rows))
    place = batch * self._batch_size + self._rows[row]
    if place < len(self._source):
      return super().__getitem__(place)
    return self._black

  @functools.cached_property
  def _black(self) -> dict[str, Any]:
    example = super().__getitem__(0)
    return {name: np.zeros_like(x) for name, x in example.items()}


class _Rows(grain.MapDataset):
  """Of every `batch_size` examples of a dataset some rows, without end."""

  def __init__(self, parent: grain.MapDataset, batch_size: int, rows: slice):
    super().__init__(parent)
    self._batch_size = batch_size
    self._rows = range(batch_size)[rows]

  def __len__(self) -> int:
    return len(self._parent) // self._batch_size * len(self._rows)

  def __getitem__(self, index: int) -> Any:
    # Grain counts on from epoch to epoch.
    epoch, index = divmod(index, len(self))
    batch, row = divmod(index, len(self._rows))
    start = epoch * len(self._parent) + batch * self._batch_size
    return self._parent[start + self._rows[row]]


def load(
  config: ml_collections.ConfigDict, record: pathlib.Path | None = None
) -> datasets.Dataset:
  """Returns a dataset, building it where it is not there.

  Args:
    config: the section `data` of a config.
    record: a file that keeps the dataset's name from one start of a run to the
      next. A run can then go on without its photographs, from what was built
      of them, but not with others.

  Raises:
    errors.UserError: the dataset cannot be built or read, or is another one
      than the record names.
  """
  if record is None:
    return datasets.load(config)
  if not record.exists():
    dataset = datasets.load(config)
    json_files.write(record, {'name': dataset.name})
    return dataset
  name = json_files.read(record)['name']
  if config.dataset == 'photo_crops' and not (
    config.source and pathlib.Path(config.source).exists()
  ):
    return datasets.load(config, name=name)
  now = datasets.dataset_name(config)
  if now != name:
    raise errors.UserError(
      f'the run in {record.parent} was trained on {name}, and now there is '
      f'{now}: data.source={config.source!r} holds other files, or '
      'the dataset is of another version; name another workdir, or undo that'
    )
  return datasets.load(config)


def draw_augmentation(
  rng: np.random.Generator, *, flip: bool, rotate: bool
) -> dict[str, np.ndarray]:
  """Draws how a picture is flipped and turned.

  Args:
    rng: where chance comes from.
    flip: whether to flip left and right, with probability 1/2.
    rotate: whether to rotate by 0, 90, 180 or 270 degrees, equally likely.

  Returns:
    `flipped`, 0 or 1, and `turns`, quarters to the left after that; int8.
  """
  # Both are drawn in any case: a switch does not move the other's chance.
  flipped, turns = rng.integers(2), rng.integers(4)
  return {
    'flipped': np.int8(flipped if flip else 0),
    'turns': np.int8(turns if rotate else 0),
  }


def augment(image: np.ndarray, flipped: int, turns: int) -> np.ndarray:
  """Returns a square picture [S, S, 3] flipped and turned."""
  if flipped:
    image = np.fliplr(image)
  return np.ascontiguousarray(np.rot90(image, turns))


def steps_per_epoch(source: Source, batch_size: int) -> int:
  """Returns the number of whole batches in the training split."""
  steps = len(source) // batch_size
  if not steps:
    raise errors.UserError(
      f'batch_size={batch_size} is more than the {len(source)} '
      'training pictures; lower it, or raise data.num_train'
    )
  return steps


def train_batches(
  source: Source,
  config: ml_collections.ConfigDict,
  *,
  seed: int,
  batch_size: int,
  start_step: int = 0,
  rows: slice | None = None,
  with_images: bool = True,
) -> Iterator[Batch]:
  """Yields training batches without end, from `start_step` on.

  Each epoch sees every picture at most once, in an order of its own; the last
  `len(source) % batch_size` of that order are left out. Batch s is a pure
  function of (source, seed, s): a run that is resumed needs no saved position.

  Args:
    source: the training split.
    config: the section `data` of the config.
    seed: of order and augmentation.
    batch_size: pictures a batch.
    start_step: batches to pass over, without reading them.
    rows: those of each batch that are read, all unless named; what they hold
      does not depend on it.
    with_images: whether to read them; else batches have what was drawn for
      their augmentation, see draw_augmentation.
  """

  def augment_example(example, rng):
    drawn = draw_augmentation(rng, flip=config.flip, rotate=config.rotate)
    if not with_images:
      return {**example, **drawn}
    return {**example, 'image': augment(example['image'], **drawn)}

  rows = rows or slice(batch_size)
  examples = (
    grain.MapDataset.source(_Indexed(source, with_images))
    .seed(seed)
    .shuffle()
    .random_map(augment_example)
  )
  dataset = (
    _Rows(examples, batch_size, rows)
    .batch(len(range(batch_size)[rows]), drop_remainder=True)
    .repeat()
  )
  options = grain.ReadOptions(
    num_threads=config.num_threads, prefetch_buffer_size=8
  )
  return iter(dataset[start_step:].to_iter_dataset(options))


def eval_batches(
  source: Source,
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  rows: slice | None = None,
) -> Iterator[Batch]:
  """Yields the whole split once, in order, the last batch padded with black.

  Args:
    source: a validation or test split.
    config: the section `data` of the config.
    batch_size: pictures a batch.
    rows: those of each batch that are read, all unless named.
  """
  rows = rows or slice(batch_size)
  dataset = grain.MapDataset.source(_Padded(source, batch_size, rows)).batch(
    len(range(batch_size)[rows])
  )
  options = grain.ReadOptions(
    num_threads=config.num_threads, prefetch_buffer_size=8
  )
  yield from dataset.to_iter_dataset(options)
