"""Builds datasets on disk and opens them."""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import errno
import importlib.util
import io
import math
import os
import pathlib
import shutil
import sys
import threading
from typing import Any
from unittest import mock

import filelock
import ml_collections
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from inpaint_jax.photos import reading
from inpaint_jax.system import cache, errors, user_paths

# Every dataset is read as these splits.
SPLITS = ('train', 'val', 'test')
_WRITE_ERRORS = {'EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EPERM', 'EROFS'}
# Held while messages are kept off the terminal.
_quieting = threading.RLock()


@dataclasses.dataclass(kw_only=True)
class ImagesConfig(tfds.core.BuilderConfig):
  """Side of the images in pixels, and their number in each split."""

  image_size: int
  sizes: dict[str, int]


class Split:
  """Images of one split by number, read and decoded on access.

  Several threads may read at once.
  """

  def __init__(
    self,
    builder: tfds.core.DatasetBuilder,
    name: str,
    side: int,
    indices: Sequence[int] | None = None,
  ):
    """Opens images of a split, all by default, as squares of `side` pixels.

    It reads two of them, so that damaged files fail here, see
    `damage_as_user_error`.
    """
    self._key = image_key(builder)
    self._path = pathlib.Path(builder.data_path)
    # tensorflow-datasets would decode with OpenCV where that is installed.
    self._source = builder.as_data_source(
      name, decoders={self._key: tfds.decode.SkipDecoding()}
    )
    self._indices = range(len(self._source)) if indices is None else indices
    self._side = side
    # A file that is cut short lacks its last record.
    _ = self[0], self[len(self) - 1]

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    """Returns {'image': uint8 [S, S, 3]}."""
    # ArrayRecord detects a flipped byte when it reads the record.
    with damage_as_user_error(self._path):
      record = self._source[self._indices[index]]
      with Image.open(io.BytesIO(record[self._key])) as image:
        square = reading.square(reading.to_rgb(image), self._side)
    return {'image': np.asarray(square)}


def data_dir(setting: str) -> pathlib.Path:
  """Returns the folder of datasets; '' means the one in the user's cache."""
  if setting:
    return user_paths.local(setting, 'data.data_dir').absolute()
  return cache.folder('INPAINT_JAX_DATA', 'datasets')


def split_sizes(config: ml_collections.ConfigDict) -> dict[str, int]:
  """Returns how many images `config.data` wants in each split."""
  return {name: config[f'num_{name}'] for name in SPLITS}


def dataset_info(builder: tfds.core.DatasetBuilder) -> tfds.core.DatasetInfo:
  """Returns the info of one of our builders, which has an ImagesConfig."""
  side = builder.builder_config.image_size
  image = tfds.features.Image(shape=(side, side, 3), encoding_format='png')
  return tfds.core.DatasetInfo(
    builder=builder,
    description=builder.builder_config.description,
    # Keeps the first images of a split the first ones of a larger split.
    disable_shuffling=True,
    features=tfds.features.FeaturesDict(
      {'image': image, 'photo': tfds.features.Text()}
    ),
  )


def build(
  builder: tfds.core.DatasetBuilder, folder: pathlib.Path, quiet: bool = True
) -> None:
  """Builds a dataset unless it exists.

  tensorflow-datasets writes to a temporary folder and renames it at the end, so
  a build that was killed leaves no dataset. This function removes the temporary
  folder of such a build. If several processes want the same dataset, one builds
  it and the others wait.

  Args:
    quiet: whether to hide the progress bars of tensorflow-datasets.

  Raises:
    errors.UserError: the folder cannot be written, or what the builder raises.
  """
  path = pathlib.Path(builder.data_path)
  user_paths.check_utf8(folder, 'data.data_dir')
  name = path.relative_to(folder).as_posix()
  unwritable = f'data.data_dir={folder} cannot be written'
  advice = '; set data.data_dir to a folder with free space'
  with errors.error_as(unwritable, advice):
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _take_lock(path.parent / f'.{path.name}.lock', name)
  with lock:
    if path.exists():
      return
    try:
      for unfinished in path.parent.glob(f'incomplete.*_{path.name}'):
        shutil.rmtree(unfinished)
      print(f'Building {name} in {folder}', file=sys.stderr, flush=True)
      with _quiet_tfds(bars=not quiet), _sorted_in_memory():
        builder.download_and_prepare(
          download_dir=folder / 'downloads', file_format='array_record'
        )
    except errors.UserError:
      raise
    except Exception as error:
      reason = _write_failure(error)
      if reason is None:
        raise
      raise errors.UserError(f'{unwritable}: {reason}{advice}') from error


def open_built(path: pathlib.Path, side: int) -> dict[str, Split]:
  """Opens those splits of one of our built datasets that were built.

  Raises:
    errors.UserError: the files are damaged, or the images have another size.
  """
  with damage_as_user_error(path):
    with _quiet_tfds():
      builder = tfds.builder_from_directory(path)
      names = [name for name in SPLITS if name in builder.info.splits]
      splits = {name: Split(builder, name, side) for name in names}
    shape = builder.info.features['image'].shape
  if shape != (side, side, 3):
    raise errors.UserError(
      f'{path} has images of {shape[0]} px and {side} px are wanted; set '
      f'data.image_size={shape[0]}'
    )
  return splits


def image_key(builder: tfds.core.DatasetBuilder) -> str:
  """Returns the first feature that is an image; a UserError without one."""
  for key, feature in (builder.info.features or {}).items():
    if isinstance(feature, tfds.features.Image):
      return key
  raise errors.UserError(
    f'data.dataset={builder.name} has no images; choose a dataset of images'
  )


@contextlib.contextmanager
def damage_as_user_error(path: pathlib.Path) -> Iterator[None]:
  """Turns an error in reading a built dataset into a UserError."""
  try:
    yield
  except errors.UserError:
    raise
  # Damage raises errors of many types.
  except Exception as error:
    raise errors.UserError(
      f'the dataset in {path} is damaged ({errors.one_line(error, 100)}); '
      'delete that folder and start again to have it rebuilt'
    ) from error


def _take_lock(
  path: pathlib.Path, name: str
) -> contextlib.AbstractContextManager[Any]:
  """Takes a lock, which the system frees however the process ends."""
  lock = filelock.FileLock(path)
  try:
    return lock.acquire(timeout=0)
  except filelock.Timeout:
    print(f'waiting: another process is building {name}', file=sys.stderr)
    return lock.acquire()


@contextlib.contextmanager
def _quiet_tfds(bars: bool = False) -> Iterator[None]:
  """Keeps the messages of tensorflow-datasets off the terminal."""
  # What is changed belongs to the process: of two threads, the one that ends
  # last would put back what the other one had put there.
  with _quieting:
    if not bars:
      tfds.disable_progress_bar()
    try:
      with contextlib.redirect_stdout(io.StringIO()):
        yield
    finally:
      tfds.enable_progress_bar()


def _sorted_in_memory() -> contextlib.AbstractContextManager[Any]:
  """Lets tensorflow-datasets sort splits of more than 1 GB without TensorFlow.

  Beyond that it would sort in files, which it opens with TensorFlow.
  """
  if importlib.util.find_spec('tensorflow'):
    return contextlib.nullcontext()
  return mock.patch.object(shuffle, 'MAX_MEM_BUFFER_SIZE', math.inf)


def _write_failure(error: BaseException | None) -> str | None:
  """Returns why the system refused to write, None for any other error."""
  while error is not None:
    if isinstance(error, OSError) and (
      errno.errorcode.get(error.errno or 0) in _WRITE_ERRORS
    ):
      return error.strerror
    # Record writers report the system's error as text.
    if os.strerror(errno.ENOSPC) in str(error):
      return os.strerror(errno.ENOSPC)
    error = error.__cause__ or error.__context__
  return None
