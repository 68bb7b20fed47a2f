"""The folder of one run.

config.json         every field of the run's config
dataset.json        the name of the dataset that it was trained on
checkpoints/latest  the whole state, from which training goes on
checkpoints/best    the variables of the best epoch, for inference
metrics.csv         one row a logged step, without clock times
samples/            a grid of images an epoch
test_metrics.json   the metrics of the test split
events.out.*        the curves, for TensorBoard
profile/            a trace of some steps, for TensorBoard and Perfetto
"""

from collections.abc import Iterator
import contextlib
import errno
import os
import pathlib
import tempfile
from typing import Any

import filelock
import ml_collections

from inpaint_jax.system import errors, json_files

# Fields that do not change what is trained: a run may go on with other values.
# The dataset's name stands for the content of data.source, see
# input_pipeline.load.
FREE_FIELDS = (
  'data.cache',
  'data.data_dir',
  'data.num_threads',
  'data.source',
  'model.conv',
  'profile.num_steps',
  'profile.skip_steps',
)

# Fields that runs of earlier versions lack, with the values that they had.
_ADDED = {
  'accumulate_steps': 1,
  'hole_weight': 1.0,
  'init_from': '',
  'model.conv': 'auto',
  'profile.num_steps': 0,
  'profile.skip_steps': 10,
}

Path = str | os.PathLike[str]


@contextlib.contextmanager
def locked_workdir(
  workdir: Path, config: ml_collections.ConfigDict
) -> Iterator[pathlib.Path]:
  """Makes the folder, or takes the one of an earlier start of the same run.

  No other training can use it within the block. Of several processes that train
  together, the first one locks the folder and writes all that is written.

  Args:
    workdir: the folder.
    config: the run; written to config.json.

  Yields:
    `workdir` as a path.

  Raises:
    errors.UserError: the folder cannot be written to, is in use, holds
      checkpoints of another run, or is not that of the first process.
  """
  # Imported here: only training needs JAX, which takes a second to import.
  from inpaint_jax.system import distributed

  workdir = pathlib.Path(workdir).expanduser()
  check_not_source(workdir, config)
  if not distributed.is_first():
    distributed.barrier('workdir')
    _check_shared(workdir, config)
    yield workdir
    return
  check_writable(workdir)
  try:
    # The system frees the lock of a process that was killed.
    lock = filelock.FileLock(workdir / '.lock').acquire(timeout=0)
  except filelock.Timeout as error:
    raise errors.UserError(
      f'workdir={workdir} is in use by another process that trains there; '
      'wait for its end, or name another workdir'
    ) from error
  with lock:
    _claim(workdir, config)
    distributed.barrier('workdir')
    yield workdir


def check_not_source(
  workdir: pathlib.Path, config: ml_collections.ConfigDict
) -> None:
  """Raises a UserError if a folder is the one of the photos."""
  source = config.data.source
  if (
    source and workdir.resolve() == pathlib.Path(source).expanduser().resolve()
  ):
    raise errors.UserError(
      f'workdir={workdir} is data.source itself, and its sample grids would '
      'become photos; name another folder, which may lie below it'
    )


def check_writable(workdir: pathlib.Path) -> None:
  """Makes a folder; raises a UserError if it cannot be written to."""
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workdir):
      pass
  except OSError as error:
    raise errors.UserError(
      f'workdir={workdir} cannot be written to: {error.strerror}'
    ) from error


@contextlib.contextmanager
def disk_full_as_user_error(workdir: Path) -> Iterator[None]:
  """Turns a full disk within the block into a UserError."""
  try:
    yield
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
      raise
    raise errors.UserError(
      f'workdir={workdir} has no room left ({error.strerror}); free some '
      'space and start the same command again, earlier checkpoints are whole'
    ) from error


def _claim(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Writes config.json, unless there are checkpoints of another config."""
  if any((workdir / 'checkpoints').glob('*/[0-9]*')):
    if not (workdir / 'config.json').exists():
      raise errors.UserError(
        f'workdir={workdir} has checkpoints but no config.json to tell what '
        'run they belong to; name another folder'
      )
    differences = _differences(load_config(workdir), config)
    if differences:
      raise errors.UserError(
        f'workdir={workdir} holds a run of another config: '
        f'{", ".join(differences)}; name another workdir, or give the same '
        'fields to go on with that run'
      )
  else:
    # Nothing was trained yet, so this start may use another dataset.
    (workdir / 'dataset.json').unlink(missing_ok=True)
  json_files.write(workdir / 'config.json', config.to_dict())


def _check_shared(
  workdir: pathlib.Path, config: ml_collections.ConfigDict
) -> None:
  """Raises a UserError unless the first process's config.json is here."""
  path = workdir / 'config.json'
  # FREE_FIELDS may differ from host to host.
  if not path.exists() or _differences(load_config(workdir), config):
    raise errors.UserError(
      f'workdir={workdir} is not the same folder, or --config not the same '
      'run, as in process 0; name a folder on a file system that all hosts '
      'share, and the same config everywhere'
    )


def load_config(workdir: Path) -> ml_collections.ConfigDict:
  """Returns the config of the run in `workdir`."""
  workdir = pathlib.Path(workdir).expanduser()
  path = workdir / 'config.json'
  if not path.exists():
    raise errors.UserError(
      f'workdir={workdir} holds no run: {path.name} is missing; name the '
      '--workdir of a training run'
    )
  return to_config(json_files.read(path))


def to_config(fields: dict[str, Any]) -> ml_collections.ConfigDict:
  """Returns a config from its fields in JSON, and adds those it lacks."""
  config = ml_collections.ConfigDict(_tuples(fields))
  for name, value in _ADDED.items():
    section, _, field = name.rpartition('.')
    if section and section not in config:
      config[section] = ml_collections.ConfigDict()
    place = config[section] if section else config
    if field not in place:
      place[field] = value
  return config


def _differences(
  there: ml_collections.ConfigDict, here: ml_collections.ConfigDict
) -> list[str]:
  """Returns a text for each field in which two configs differ."""
  # Imported here: only training needs Flax, which takes a second to import.
  from flax import traverse_util

  old, new = (
    traverse_util.flatten_dict(config.to_dict(), sep='.')
    for config in (there, here)
  )
  return [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted(old.keys() | new.keys())
    if name not in FREE_FIELDS and old.get(name) != new.get(name)
  ]


def _tuples(value: Any) -> Any:
  """Returns `value` with tuples in place of the lists of JSON."""
  if isinstance(value, dict):
    return {name: _tuples(field) for name, field in value.items()}
  return tuple(value) if isinstance(value, list) else value
