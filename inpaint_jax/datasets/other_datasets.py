"""Any image dataset of tensorflow-datasets, read as train, val and test."""

from collections.abc import Iterable, Iterator
import contextlib
import pathlib

import ml_collections
import tensorflow_datasets as tfds

from inpaint_jax.datasets import storage
from inpaint_jax.system import errors

# The names that datasets have for these splits.
_NAMES = {'val': ('validation', 'val', 'valid', 'dev'), 'test': ('test',)}
# The images of `train` that a missing split takes, by index modulo 10.
_TENTHS = {'val': (1,), 'test': (2, 7)}


def create_builder(
  config: ml_collections.ConfigDict, ours: Iterable[str]
) -> tfds.core.DatasetBuilder:
  """Returns the builder of `config.dataset`, such as 'oxford_flowers102'.

  Args:
    ours: names of our datasets, for the error.

  Raises:
    errors.UserError: no such dataset, or a package that it needs is missing.
  """
  name, folder = config.dataset, storage.data_dir(config.data_dir)
  try:
    with _failures_named(name):
      return tfds.builder(name, data_dir=folder, file_format='array_record')
  except tfds.core.DatasetNotFoundError as error:
    known = ', '.join(sorted(ours))
    raise errors.UserError(
      f'data.dataset={name!r} is unknown; choose one of: {known}, or the name '
      'of any tensorflow-datasets image dataset'
    ) from error


def load_splits(
  builder: tfds.core.DatasetBuilder,
  folder: pathlib.Path,
  config: ml_collections.ConfigDict,
) -> dict[str, storage.Split]:
  """Opens a dataset, after downloading and building it if necessary.

  The images are those of the first feature that holds images. The splits train,
  validation and test are used; a missing validation split is every tenth image
  of train, a missing test split every fifth. Only the first images of a split
  are used, as many as `config` asks for.

  Raises:
    errors.UserError: it cannot be downloaded, built or read.
  """
  storage.image_key(builder)  # Raises before a useless download.
  path = pathlib.Path(builder.data_path)
  if not path.is_dir():
    with _failures_named(builder.name):
      storage.build(builder, folder, quiet=False)
  parts = _choose_parts(builder, storage.split_sizes(config))
  with storage.damage_as_user_error(path):
    return {
      name: storage.Split(builder, source, config.image_size, indices)
      for name, (source, indices) in parts.items()
    }


def _choose_parts(
  builder: tfds.core.DatasetBuilder, wanted: dict[str, int]
) -> dict[str, tuple[str, list[int]]]:
  """Returns (split of the builder, indices) for each of our splits."""
  sizes = {
    name: info.num_examples for name, info in builder.info.splits.items()
  }
  given = {
    name: next((alias for alias in aliases if sizes.get(alias)), None)
    for name, aliases in _NAMES.items()
  }
  owner = {
    tenth: name
    for name, tenths in _TENTHS.items()
    if not given[name]
    for tenth in tenths
  }
  parts = {}
  for name in storage.SPLITS:
    source, indices = given.get(name), range(sizes.get('train', 0))
    if source:
      found = list(range(sizes[source]))
    else:
      source = 'train'
      found = [i for i in indices if owner.get(i % 10, 'train') == name]
    if not found:
      raise errors.UserError(
        f'data.dataset={builder.name} has {len(indices)} images in its split '
        f'train, which leaves none for {name}; choose another dataset'
      )
    parts[name] = source, found[: wanted[name]]
  return parts


@contextlib.contextmanager
def _failures_named(name: str) -> Iterator[None]:
  """Turns any other failure of a dataset's builder into a UserError."""
  try:
    yield
  except (errors.UserError, tfds.core.DatasetNotFoundError):
    raise
  except Exception as error:
    reason = str(error)
    if reason.startswith('Failed to encode example'):
      # The example follows, and only then the reason.
      reason = reason.splitlines()[-1]
    reason = errors.one_line(reason, 160) if reason else type(error).__name__
    raise errors.UserError(
      f'data.dataset={name!r} is not available from tensorflow-datasets here '
      f'({reason}); check the network, install tensorflow '
      'if it is named, or choose another dataset'
    ) from error
