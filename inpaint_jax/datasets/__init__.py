"""Datasets of pictures by name.

`load(config.data)` builds a dataset the first time and opens it from then on.
Ours are in `DATASETS`; any other name is one of tensorflow-datasets.
"""

from collections.abc import Mapping
import dataclasses
import pathlib

import ml_collections
import tensorflow_datasets as tfds

from inpaint_jax.datasets import other_datasets, storage
from inpaint_jax.datasets.photo_crops import PhotoCrops
from inpaint_jax.datasets.synthetic import Synthetic
from inpaint_jax.system import errors

# A dataset is a builder with `from_config(config.data)`, which returns its
# BuilderConfig, and with the splits train, val and test.
DATASETS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
  'synthetic': Synthetic,
  'photo_crops': PhotoCrops,
}
IMAGE_SIZES = (32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Dataset:
  """An opened dataset.

  Attributes:
    name: what the pictures are, on any machine, such as
      'synthetic/64px-2048-256-512-seed0/1.0.0'.
    splits: 'train', 'val' and 'test', each with `len(split)` and
      `split[i] -> {'image': uint8 [S, S, 3]}`.
    path: the folder it lies in.
  """

  name: str
  splits: Mapping[str, storage.Split]
  path: pathlib.Path


def dataset_name(config: ml_collections.ConfigDict) -> str:
  """Returns the name that `load(config)` would give, without building.

  Args:
    config: the section `config.data`.

  Raises:
    errors.UserError: a field that does not fit, or a missing source.
  """
  _check(config)
  if config.dataset not in DATASETS:
    folder = storage.data_dir(config.data_dir)
    known = tuple(sorted(DATASETS))
    return other_datasets.builder(config.dataset, folder, known).info.full_name
  builder = DATASETS[config.dataset]
  name = builder.from_config(config).name
  return f'{config.dataset}/{name}/{builder.VERSION}'


def load(config: ml_collections.ConfigDict, name: str | None = None) -> Dataset:
  """Opens the dataset of a run, and builds it before if it is not there.

  Args:
    config: the section `config.data`.
    name: of a dataset that a run has used. If it is there it is opened, even if
      `config.source` is gone or has changed.

  Raises:
    errors.UserError: a field that does not fit, a missing source, a folder that
      cannot be written, or damaged files.
  """
  _check(config)
  folder = storage.data_dir(config.data_dir)
  if config.dataset not in DATASETS:
    builder = other_datasets.builder(
      config.dataset, folder, tuple(sorted(DATASETS))
    )
    path = pathlib.Path(builder.data_path)
    splits = other_datasets.open_splits(builder, folder, config)
    return Dataset(builder.info.full_name, splits, path)
  if name is None or not (folder / name).is_dir():
    name = dataset_name(config)
    if not (folder / name).is_dir():
      cls = DATASETS[config.dataset]
      storage.build(
        lambda: cls(data_dir=folder, config=cls.from_config(config)),
        folder,
        name,
      )
  splits = storage.open_splits(folder / name, config.image_size)
  return Dataset(name, splits, folder / name)


def _check(config: ml_collections.ConfigDict) -> None:
  if config.image_size not in IMAGE_SIZES:
    sizes = ', '.join(map(str, IMAGE_SIZES))
    raise errors.UserError(
      f'data.image_size={config.image_size} is not one of {sizes}; '
      'choose one of them'
    )
  if config.source and config.dataset != 'photo_crops':
    raise errors.UserError(
      f'data.source={config.source} has no effect with '
      f'data.dataset={config.dataset}; add '
      'data.dataset=photo_crops to use these photos'
    )
  for field in ('num_train', 'num_val', 'num_test'):
    if config[field] < 1:
      raise errors.UserError(
        f'data.{field}={config[field]} leaves a split empty; set it '
        'to 1 or more'
      )
