"""The folder of one run.

config.json         every field of the run's config
dataset.json        the name of the dataset that it was trained on
checkpoints/latest  the whole state, from which training continues
checkpoints/best    the variables of the best epoch, for inference
metrics.csv         one row per logged step, without clock times
samples/            one grid of images per epoch
test_metrics.json   the metrics of the test split
events.out.*        the curves, for TensorBoard
profile/            a trace of some steps, for TensorBoard and Perfetto
"""

from collections.abc import Iterator, Mapping, Set
import contextlib
import errno
import math
import os
import pathlib
import tempfile
from typing import Any

import filelock
import ml_collections

from inpaint_jax.system import config_files, errors, json_files, user_paths

# Fields that do not change what is trained: a run may continue with other
# values. A changed data.source must have the same photos, which
# input_pipeline.load checks by the dataset's name, and masks.source the same
# masks, see masks.digest.
FREE_FIELDS = (
  'data.cache',
  'data.data_dir',
  'data.num_threads',
  'data.source',
  'masks.source',
  'model.conv',
  'profile.num_steps',
  'profile.skip_steps',
)

# Fields that change what a training writes, but none of its steps.
_FREE_OF_STEPS = ('checkpoint_every_steps', 'log_every_steps', 'num_samples')

# Files and folders of a run whose names other programs use, too.
_WRITTEN = (
  'config.json',
  'dataset.json',
  'metrics.csv',
  'test_metrics.json',
  'test_other.json',
  'checkpoints',
  'samples',
  'profile',
)

# Sections and fields that the config of every run has had. A config.json that
# lacks one of them belongs to something else.
_ALWAYS = {'seed', 'eval_seed', 'loss', 'data', 'masks', 'model', 'optimizer'}

Path = str | os.PathLike[str]


@contextlib.contextmanager
def locked_workdir(
  workdir: Path, config: ml_collections.ConfigDict
) -> Iterator[pathlib.Path]:
  """Makes and locks the folder, which may be that of an earlier start.

  No other training can use it within the block. If several processes train
  together, the first one does all this and the others check that they see it.

  Raises:
    errors.UserError: the folder cannot be written to, is in use, holds
      checkpoints of another run or files of something else, or is not the
      folder that the first process sees.
  """
  # Imported here: only training needs JAX, which takes a second to import.
  from inpaint_jax.system import distributed

  workdir = user_paths.local(workdir, 'workdir')
  check_not_source(workdir, config)
  if not distributed.is_first():
    distributed.barrier('workdir')
    _check_shared(workdir, config)
    yield workdir
    return
  check_writable(workdir)
  _check_ours(workdir)
  try:
    # The system releases the lock of a process that was killed.
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
  """Raises a UserError if the workdir is the folder of the photos."""
  source = config.data.source
  if (
    source
    and workdir.resolve() == user_paths.local(source, 'data.source').resolve()
  ):
    raise errors.UserError(
      f'workdir={workdir} is data.source itself, and its sample grids would '
      'become photos; name another folder, which may lie below it'
    )


def check_writable(workdir: pathlib.Path) -> None:
  """Makes a folder; raises a UserError if it cannot be written to."""
  user_paths.check_utf8(workdir, 'workdir')
  with errors.error_as(f'workdir={workdir} cannot be written to'):
    workdir.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=workdir).close()


@contextlib.contextmanager
def disk_full_as_user_error(workdir: Path) -> Iterator[None]:
  """Turns a full disk within the block into a UserError."""
  try:
    yield
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
      raise
    raise errors.UserError(
      f'workdir={workdir} is on a full disk ({error.strerror}); free some '
      'space and start the same command again, earlier checkpoints are whole'
    ) from error


def _check_ours(workdir: pathlib.Path) -> None:
  """Raises a UserError if a run would overwrite files of something else."""
  # config.json is the first file that a run writes.
  if (workdir / 'config.json').exists():
    load_config(workdir)
  elif found := [name for name in _WRITTEN if (workdir / name).exists()]:
    raise errors.UserError(
      f'workdir={workdir} has {", ".join(found)}, which a run would write to, '
      'but no config.json of a run; name another folder'
    )


def _claim(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Writes config.json, unless there are checkpoints of another config."""
  if any((workdir / 'checkpoints').glob('*/[0-9]*')):
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
  workdir = user_paths.local(workdir, 'workdir')
  path = workdir / 'config.json'
  if not path.exists():
    raise errors.UserError(
      f'workdir={workdir} holds no run: {path.name} is missing; name the '
      '--workdir of a training run'
    )
  fields = json_files.read(path)
  if not isinstance(fields, dict) or _ALWAYS - fields.keys():
    raise errors.UserError(
      f'workdir={workdir} holds no run: its {path.name} is of something else; '
      'name another folder'
    )
  return to_config(fields)


def to_config(fields: dict[str, Any]) -> ml_collections.ConfigDict:
  """Returns a config from its fields in JSON.

  Missing fields, which later versions added, come from configs/default.py.
  """
  config = config_files.default()
  with config.ignore_type():
    config.update(_tuples(fields))
  return config


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns {'a.b': value} of all fields of a config, or of its dict."""
  flat: dict[str, Any] = {}
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict | dict):
      flat |= {f'{name}.{k}': x for k, x in flatten(value).items()}
    else:
      flat[name] = value
  return flat


def _differences(
  there: ml_collections.ConfigDict, here: ml_collections.ConfigDict
) -> list[str]:
  """Returns a text for each changed field with which a run cannot continue.

  It can continue if it would have made the same steps with the new values.
  """
  old, new = flatten(there), flatten(here)
  free = {*FREE_FIELDS, *_FREE_OF_STEPS}
  # A cosine schedule that ends later differs at every step.
  schedules = ('optimizer.schedule', 'discriminator.optimizer.schedule')
  are_constant = all(old.get(name) == 'constant' for name in schedules)
  if are_constant and new['num_epochs'] >= old.get('num_epochs', math.inf):
    free.add('num_epochs')
  # 0 means that training never stops early.
  patience = 'early_stopping_patience'
  if (new[patience] or math.inf) >= (old.get(patience) or math.inf):
    free.add(patience)
  return describe_differences(old, new, free)


def describe_differences(
  old: Mapping[str, Any], new: Mapping[str, Any], free: Set[str]
) -> list[str]:
  """Returns a text for each field that differs, except those in `free`.

  `old` and `new` are {'a.b': value}, see `flatten`.
  """
  return [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted((old.keys() | new.keys()) - free)
    if old.get(name) != new.get(name)
  ]


def _tuples(value: Any) -> Any:
  """Returns `value` with JSON's lists as tuples."""
  if isinstance(value, dict):
    return {name: _tuples(field) for name, field in value.items()}
  return tuple(value) if isinstance(value, list) else value
