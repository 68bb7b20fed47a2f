"""Datasets of images by name.

`load(config.data)` builds a dataset the first time and opens it from then on.
Our own are in `DATASETS`; any other name is one of tensorflow-datasets.
"""

from collections.abc import Mapping
import dataclasses
import pathlib

import ml_collections

from inpaint_jax.datasets import other_datasets, photo_splits, storage
from inpaint_jax.datasets.photo_crops import PhotoCrops
from inpaint_jax.datasets.synthetic import Synthetic
from inpaint_jax.system import errors

# A dataset is a builder with `from_config(config.data)`, which returns its
# BuilderConfig, and with the splits train, val and test. It may read
# config.data.source.
DATASETS: dict[str, type[Synthetic] | type[PhotoCrops]] = {
  'synthetic': Synthetic,
  'photo_crops': PhotoCrops,
}
IMAGE_SIZES = (32, 64, 128, 256, 512)
# Ends the names of datasets from tensorflow-datasets, whose missing splits are
# taken from `train` by index.
_BY_INDEX = 'by-index'


@dataclasses.dataclass(frozen=True)
class Dataset:
  """An opened dataset.

  Attributes:
    name: identifies the images on every machine, such as
      'synthetic/64px-2048-256-512/2.0.0'.
    splits: 'train', 'val' and 'test', each with `len(split)` and
      `split[i] -> {'image': uint8 [S, S, 3]}`; only 'test' if `load` built no
      more.
    path: the folder of its files.
  """

  name: str
  splits: Mapping[str, storage.Split]
  path: pathlib.Path


def dataset_name(config: ml_collections.ConfigDict) -> str:
  """Returns the name that `load(config)` would give, without building.

  Raises:
    errors.UserError: a wrong field, or a missing source.
  """
  check(config)
  if config.dataset not in DATASETS:
    other = other_datasets.create_builder(config, ours=DATASETS)
    return f'{other.info.full_name}/{_BY_INDEX}'
  return _own_name(config)


def _own_name(config: ml_collections.ConfigDict) -> str:
  builder = DATASETS[config.dataset]
  name = builder.from_config(config).name
  # tensorflow-datasets names the folder after the class.
  return f'{builder.name}/{name}/{builder.VERSION}'


def load(
  config: ml_collections.ConfigDict,
  name: str | None = None,
  *,
  test_only: bool = False,
) -> Dataset:
  """Opens the dataset of a run, after building it if necessary.

  Args:
    name: name of the dataset that the run has used. If it exists it is opened,
      even if `config.source` is gone or has changed.
    test_only: whether the splits train and val may be missing: of photos they
      are then not built, and need no photo.

  Raises:
    errors.UserError: a wrong field, a missing source or split, a folder that
      cannot be written, or damaged files.
  """
  check(config)
  folder = storage.data_dir(config.data_dir)
  if config.dataset not in DATASETS:
    other = other_datasets.create_builder(config, ours=DATASETS)
    splits = other_datasets.load_splits(other, folder, config)
    path = pathlib.Path(other.data_path)
    return Dataset(f'{other.info.full_name}/{_BY_INDEX}', splits, path)
  if name is None or not is_built(config, name):
    name = dataset_name(config)
    if (
      test_only
      and config.dataset == 'photo_crops'
      and not is_built(config, name)
    ):
      config = config.copy_and_resolve_references().unlock()
      config.num_train = config.num_val = 0
      name = _own_name(config)
  path = folder / name
  if not path.is_dir():
    cls = DATASETS[config.dataset]
    builder = cls(data_dir=folder, config=cls.from_config(config))
    storage.build(builder, folder)
  splits = storage.open_built(path, config.image_size)
  for split in ['test'] if test_only else storage.SPLITS:
    if split not in splits:
      raise errors.UserError(
        f'data.dataset={config.dataset} has no split {split}; let its builder '
        f'make the splits {", ".join(storage.SPLITS)}, and delete {path}'
      )
  return Dataset(name, splits, path)


def is_built(config: ml_collections.ConfigDict, name: str) -> bool:
  """Returns whether one of our own datasets is built already."""
  return (storage.data_dir(config.data_dir) / name).is_dir()


def reads_source(name: str) -> bool:
  """Returns whether a dataset may read data.source."""
  return DATASETS.get(name) not in (None, Synthetic)


def check(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError on a wrong field of `config.data`; reads no file."""
  if config.image_size not in IMAGE_SIZES:
    sizes = ', '.join(map(str, IMAGE_SIZES))
    raise errors.UserError(
      f'data.image_size={config.image_size} is not one of {sizes}; '
      'choose one of them'
    )
  if config.source and not reads_source(config.dataset):
    raise errors.UserError(
      f'data.source={config.source} has no effect with '
      f'data.dataset={config.dataset}; add data.dataset=photo_crops to use '
      'these photos'
    )
  errors.check_name(photo_splits.RULES, config.split, 'data.split')
  if config.split != 'content' and config.dataset != 'photo_crops':
    raise errors.UserError(
      f'data.split={config.split} has no effect with '
      f'data.dataset={config.dataset}, which has splits of its own; leave it '
      'out'
    )
  for name, size in storage.split_sizes(config).items():
    if size < 1:
      raise errors.UserError(
        f'data.num_{name}={size} leaves a split empty; set it to 1 or more'
      )
