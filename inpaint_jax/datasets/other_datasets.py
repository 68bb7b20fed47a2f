"""Any image dataset of tensorflow-datasets, read as train, val and test."""

import pathlib

import ml_collections
import tensorflow_datasets as tfds

from inpaint_jax.datasets import storage
from inpaint_jax.system import errors

FIELD = 'data.dataset'
# What the splits are called by those who made the datasets.
_NAMES = {'val': ('validation', 'val', 'valid', 'dev'), 'test': ('test',)}


def builder(
  name: str, folder: pathlib.Path, ours: tuple[str, ...]
) -> tfds.core.DatasetBuilder:
  """Returns the builder of a dataset.

  Args:
    name: such as 'tf_flowers' or 'oxford_flowers102'.
    folder: the folder of all built datasets.
    ours: names to list in the message if `name` is unknown.

  Raises:
    errors.UserError: no such dataset, or one that needs what is not installed.
  """
  try:
    return tfds.builder(name, data_dir=folder, file_format='array_record')
  except tfds.core.DatasetNotFoundError as error:
    raise errors.UserError(
      f'{FIELD}={name!r} is unknown; choose one of: {", ".join(ours)}, or the '
      'name of any tensorflow-datasets image dataset'
    ) from error
  except Exception as error:
    raise _failed(name, error) from error


def open_splits(
  builder: tfds.core.DatasetBuilder,
  folder: pathlib.Path,
  config: ml_collections.ConfigDict,
) -> dict[str, storage.Split]:
  """Opens a dataset, after downloading and building it if need be.

  The first feature that is a picture counts. The splits train, validation and
  test are used; the missing ones are cut from the end of train. Each gives its
  first pictures up to the number asked for.

  Args:
    builder: see `builder`.
    folder: the folder of all built datasets.
    config: the section `config.data`.

  Raises:
    errors.UserError: it cannot be downloaded, built or read.
  """
  storage.image_key(builder)  # Before a download that would be in vain.
  path = pathlib.Path(builder.data_path)
  if not path.is_dir():
    try:
      storage.build(
        lambda: builder,
        folder,
        path.relative_to(folder).as_posix(),
        quiet=False,
      )
    except errors.UserError:
      raise
    except Exception as error:
      raise _failed(builder.name, error) from error
  wanted = {
    'train': config.num_train,
    'val': config.num_val,
    'test': config.num_test,
  }
  parts = _parts(builder, wanted)
  try:
    splits = {
      name: storage.Split(builder, source, config.image_size, start, stop)
      for name, (source, start, stop) in parts.items()
    }
    for split in splits.values():
      _ = split[0]
  except errors.UserError:
    raise
  except Exception as error:
    raise storage.damaged(path, error) from error
  return splits


def _parts(
  builder: tfds.core.DatasetBuilder, wanted: dict[str, int]
) -> dict[str, tuple[str, int, int]]:
  """Returns (split of the builder, start, stop) of each of our splits."""
  sizes = {
    name: info.num_examples for name, info in builder.info.splits.items()
  }
  parts = {}
  for name, aliases in _NAMES.items():
    source = next((alias for alias in aliases if sizes.get(alias)), None)
    if source:
      parts[name] = (source, 0, min(wanted[name], sizes[source]))
  cut = {name: n for name, n in wanted.items() if name not in parts}
  stop = sizes.get('train', 0)
  if stop < len(cut):
    raise errors.UserError(
      f'{FIELD}={builder.name} has {stop} pictures in its split train and '
      f'{len(cut)} are wanted; choose another dataset'
    )
  # With too few pictures, the splits shrink in proportion.
  share = min(1.0, stop / sum(cut.values()))
  for name in ('test', 'val'):
    if name in cut:
      start = stop - max(1, int(cut[name] * share))
      parts[name] = ('train', start, stop)
      stop = start
  parts['train'] = ('train', 0, min(wanted['train'], stop))
  return {name: parts[name] for name in storage.SPLITS}


def _failed(name: str, error: Exception) -> errors.UserError:
  reason = errors.one_line(error, 160)
  return errors.UserError(
    f'{FIELD}={name!r} cannot be had from tensorflow-datasets here ({reason}); '
    'check the network, install tensorflow if it is named, or choose another'
  )
