"""Where built datasets are kept, how they are built and opened."""

from collections.abc import Callable, Iterator
import contextlib
import errno
import fcntl
import io
import os
import pathlib
import shutil
import sys
from typing import TextIO

from absl import logging
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from inpaint_jax.photos import reading
from inpaint_jax.system import cache, errors

FIELD = 'data.data_dir'
_WRITE_ERRORS = frozenset(
  (
    errno.EACCES,
    errno.EDQUOT,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
  )
)
# Every dataset is read as these splits.
SPLITS = ('train', 'val', 'test')


class Split:
  """Pictures of one split by number, read and decoded when asked for.

  Reading from several threads is safe.
  """

  def __init__(
    self,
    builder: tfds.core.DatasetBuilder,
    name: str,
    side: int,
    start: int = 0,
    stop: int | None = None,
  ):
    """Opens pictures [start, stop) of a split, as squares of `side` pixels."""
    self._key = image_key(builder)
    self._path = pathlib.Path(builder.data_path)
    # Decoded here, so that it does not matter whether OpenCV is installed.
    self._source = builder.as_data_source(
      name, decoders={self._key: tfds.decode.SkipDecoding()}
    )
    self._range = range(len(self._source))[start:stop]
    self._side = side

  def __len__(self) -> int:
    return len(self._range)

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    """Returns {'image': uint8 [S, S, 3]}."""
    try:
      record = self._source[self._range[index]]
      with Image.open(io.BytesIO(record[self._key])) as image:
        picture = reading.square(reading.to_rgb(image), self._side)
    except Exception as error:
      # ArrayRecord notices a flipped byte as it reads the record, not before.
      raise damaged(self._path, error) from error
    return {'image': np.asarray(picture)}


def data_dir(setting: str) -> pathlib.Path:
  """Returns the folder of built datasets.

  Args:
    setting: `config.data.data_dir`; '' means $INPAINT_JAX_DATA or, without it,
      inpaint_jax/datasets in the user's cache folder.
  """
  if setting:
    return pathlib.Path(setting).expanduser().absolute()
  return cache.folder('INPAINT_JAX_DATA', 'datasets')


def dataset_info(
  builder: tfds.core.DatasetBuilder, side: int, description: str
) -> tfds.core.DatasetInfo:
  """Returns the info of our datasets.

  Args:
    builder: whose `_info` this is.
    side: of the pictures, in pixels.
    description: a sentence.
  """
  return tfds.core.DatasetInfo(
    builder=builder,
    description=description,
    features=tfds.features.FeaturesDict(
      {
        'image': tfds.features.Image(
          shape=(side, side, 3), encoding_format='png'
        ),
        'photo': tfds.features.Text(),
      }
    ),
  )


def build(
  make_builder: Callable[[], tfds.core.DatasetBuilder],
  folder: pathlib.Path,
  name: str,
  quiet: bool = True,
) -> None:
  """Builds a dataset unless it is there.

  tensorflow-datasets writes to a folder of another name and renames it at the
  end, so that a build that was killed is never taken for a dataset. Here what
  such builds left is removed, and of several processes that want the same
  dataset one builds and the others wait.

  Args:
    make_builder: gives the builder, with `folder` as its data_dir.
    folder: the folder of all built datasets.
    name: of the dataset: where below `folder` it lies.
    quiet: leave out the progress bars of tensorflow-datasets.

  Raises:
    errors.UserError: the folder cannot be written, or what the builder raises.
  """
  path = folder / name
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path.parent / f'.{path.name}.lock', 'w')  # noqa: SIM115
  except OSError as error:
    raise _unwritable(folder, error.strerror) from error
  with lock:
    _wait_for(lock, name)
    if path.exists():
      return
    try:
      for left in path.parent.glob(f'incomplete.*_{path.name}'):
        shutil.rmtree(left)
      print(f'Building {name} in {folder}', file=sys.stderr, flush=True)
      with _quiet_tfds(bars=not quiet):
        make_builder().download_and_prepare(
          download_dir=folder / 'downloads', file_format='array_record'
        )
    except errors.UserError:
      raise
    except Exception as error:
      reason = _write_failure(error)
      if reason is None:
        raise
      raise _unwritable(folder, reason) from error


def open_splits(path: pathlib.Path, side: int) -> dict[str, Split]:
  """Opens the splits train, val and test of one of our built datasets.

  Args:
    path: the folder of the dataset.
    side: of its pictures, in pixels.

  Raises:
    errors.UserError: the files are damaged, or of another size of pictures.
  """
  try:
    with _quiet_tfds():
      builder = tfds.builder_from_directory(path)
      splits = {name: Split(builder, name, side) for name in SPLITS}
    for split in splits.values():
      _ = split[0], split[len(split) - 1]
    shape = builder.info.features['image'].shape
  except Exception as error:
    raise damaged(path, error) from error
  if shape != (side, side, 3):
    raise errors.UserError(
      f'{path} has pictures of {shape[0]} px and {side} px are wanted; set '
      f'data.image_size={shape[0]}'
    )
  return splits


def image_key(builder: tfds.core.DatasetBuilder) -> str:
  """Returns the name of the first feature that is a picture.

  Raises:
    errors.UserError: there is none.
  """
  for key, feature in (builder.info.features or {}).items():
    if isinstance(feature, tfds.features.Image):
      return key
  raise errors.UserError(
    f'data.dataset={builder.name} has no pictures; choose a dataset of pictures'
  )


def damaged(path: pathlib.Path, error: Exception) -> errors.UserError:
  """Returns the error for a built dataset that cannot be read."""
  reason = errors.one_line(error, 100)
  return errors.UserError(
    f'the dataset in {path} is damaged ({reason}); delete that folder and '
    'start again to have it rebuilt'
  )


def _wait_for(lock: TextIO, name: str) -> None:
  """Takes a lock, which the system frees when the process ends in any way."""
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    print(f'Another process builds {name}: waiting', file=sys.stderr)
    fcntl.flock(lock, fcntl.LOCK_EX)


@contextlib.contextmanager
def _quiet_tfds(bars: bool = False) -> Iterator[None]:
  """Keeps the talk of tensorflow-datasets off the terminal."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  if not bars:
    tfds.disable_progress_bar()
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    tfds.enable_progress_bar()
    logging.set_verbosity(verbosity)


def _unwritable(folder: pathlib.Path, reason: str) -> errors.UserError:
  return errors.UserError(
    f'{FIELD}={folder} cannot be written ({reason}); set {FIELD} to a folder '
    'with room'
  )


def _write_failure(error: BaseException | None) -> str | None:
  """Returns why the system refused to write, or None if it did not."""
  while error is not None:
    if isinstance(error, OSError) and error.errno in _WRITE_ERRORS:
      return os.strerror(error.errno)
    # Record writers report the system's error as text.
    if os.strerror(errno.ENOSPC) in str(error):
      return os.strerror(errno.ENOSPC)
    error = error.__cause__ or error.__context__
  return None
