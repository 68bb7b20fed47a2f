"""The folder of one run.

config.json         every field of the run's config
dataset.json        the name of the dataset that it was trained on
checkpoints/latest  what training goes on from: the whole state
checkpoints/best    what inference uses: the variables of the best epoch
metrics.csv         one row a logged step, without clock times
samples/            a grid of pictures an epoch
test_metrics.json   what the evaluation of the test split found
events.out.*        the curves, for TensorBoard
"""

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import os
import pathlib
import tempfile
from typing import Any

import ml_collections

from inpaint_jax.system import errors, json_files

# Fields that say where and how fast, not what: a run may go on with others.
# What the source holds is checked by the dataset's name, see data.load.
FREE_FIELDS = (
  'data.cache',
  'data.data_dir',
  'data.num_threads',
  'data.source',
  'model.conv',
  'profile.num_steps',
  'profile.skip_steps',
)

# Fields that came after the first version, with what they were in its runs.
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

  Within the block no other process can train there. Of several that train
  together the first one does all that is written.

  Args:
    workdir: the folder.
    config: the run; written to config.json.

  Yields:
    `workdir` as a path.

  Raises:
    errors.UserError: the folder cannot be written to, is in use, holds
      checkpoints of another run, or is not the first process's.
  """
  # JAX takes a second to import: only training needs it here.
  from inpaint_jax.system import distributed

  workdir = pathlib.Path(workdir).expanduser()
  if not distributed.is_first():
    distributed.barrier('workdir')
    _check_shared(workdir, config)
    yield workdir
    return
  check_writable(workdir)
  with (workdir / '.lock').open('w') as lock:
    try:
      # The system frees the lock if the process ends, in whatever way.
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise errors.UserError(
        f'workdir={workdir} is in use by another process that trains there; '
        'wait for its end, or name another workdir'
      ) from error
    _claim(workdir, config)
    distributed.barrier('workdir')
    yield workdir


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
  """Writes config.json, unless checkpoints of another config are there."""
  if any((workdir / 'checkpoints').glob('*/[0-9]*')):
    if not (workdir / 'config.json').exists():
      raise errors.UserError(
        f'workdir={workdir} has checkpoints but no config.json to tell what '
        'run they belong to; name another folder'
      )
    _check_same(workdir, load_config(workdir), config)
  else:
    # Nothing was trained yet: what an earlier start settled on is free again.
    (workdir / 'dataset.json').unlink(missing_ok=True)
  json_files.write(workdir / 'config.json', config.to_dict())


def _check_shared(
  workdir: pathlib.Path, config: ml_collections.ConfigDict
) -> None:
  """Raises a UserError unless the first process's config.json is here."""
  path = workdir / 'config.json'
  # Fields that may differ from host to host are not compared.
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
  """Returns a config from its fields in JSON, with those that came later."""
  config = ml_collections.ConfigDict(_tuples(fields))
  for name, value in _ADDED.items():
    section, _, field = name.rpartition('.')
    if section and section not in config:
      config[section] = ml_collections.ConfigDict()
    place = config[section] if section else config
    if field not in place:
      place[field] = value
  return config


def _check_same(
  workdir: pathlib.Path,
  there: ml_collections.ConfigDict,
  here: ml_collections.ConfigDict,
) -> None:
  """Raises a UserError that names the fields in which two configs differ."""
  differences = _differences(there, here)
  if differences:
    raise errors.UserError(
      f'workdir={workdir} holds a run of another config: '
      f'{", ".join(differences)}; name another workdir, or give the same '
      'fields to go on with that run'
    )


def _differences(
  there: ml_collections.ConfigDict, here: ml_collections.ConfigDict
) -> list[str]:
  """Returns a text for each field in which two configs differ."""
  old, new = _flatten(there.to_dict()), _flatten(here.to_dict())
  return [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted(old.keys() | new.keys())
    if name not in FREE_FIELDS and old.get(name) != new.get(name)
  ]


def _flatten(fields: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  """Returns {'a.b': value} for {'a': {'b': value}}."""
  flat = {}
  for name, value in fields.items():
    if isinstance(value, dict):
      flat.update(_flatten(value, f'{prefix}{name}.'))
    else:
      flat[prefix + name] = value
  return flat


def _tuples(value: Any) -> Any:
  """Returns `value` with tuples for lists, which JSON has alone."""
  if isinstance(value, dict):
    return {name: _tuples(field) for name, field in value.items()}
  return tuple(value) if isinstance(value, list) else value
