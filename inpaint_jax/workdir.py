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

import json
import os
import pathlib
import tempfile
from typing import Any

import ml_collections

from inpaint_jax import errors

# Fields that say where and how fast, not what: a run may go on with others.
# What the source holds is checked by the dataset's name, see data.load.
FREE_FIELDS = ('data.data_dir', 'data.num_threads', 'data.source')

Path = str | os.PathLike[str]


def prepare(workdir: Path, config: ml_collections.ConfigDict) -> pathlib.Path:
  """Makes the folder, or takes the one of an earlier start of the same run.

  Args:
    workdir: the folder.
    config: the run; written to config.json.

  Returns:
    `workdir` as a path.

  Raises:
    errors.UserError: the folder cannot be written to, or holds another run.
  """
  workdir = pathlib.Path(workdir).expanduser()
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workdir):
      pass
  except OSError as error:
    raise errors.UserError(
      f'--workdir={workdir} cannot be written to: {error.strerror}'
    ) from error
  if (workdir / 'config.json').exists():
    _check_same(workdir, load_config(workdir), config)
  elif (workdir / 'checkpoints').exists():
    raise errors.UserError(
      f'--workdir={workdir} has checkpoints but no config.json to tell what '
      'run they belong to; name another folder'
    )
  else:
    write_json(workdir / 'config.json', config.to_dict())
  return workdir


def load_config(workdir: Path) -> ml_collections.ConfigDict:
  """Returns the config of the run in `workdir`."""
  workdir = pathlib.Path(workdir).expanduser()
  path = workdir / 'config.json'
  if not path.exists():
    raise errors.UserError(
      f'--workdir={workdir} holds no run: {path.name} is missing; name the '
      '--workdir of a training run'
    )
  fields = read_json(path)
  return ml_collections.ConfigDict(_tuples(fields))


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes a value; a kill leaves the old file or the new, never half."""
  temporary = path.with_name(path.name + '.tmp')
  temporary.write_text(json.dumps(value, indent=2) + '\n')
  temporary.replace(path)


def read_json(path: pathlib.Path) -> Any:
  """Returns what write_json wrote; a UserError if the file is damaged."""
  try:
    return json.loads(path.read_text())
  except (OSError, ValueError) as error:
    raise errors.UserError(f'{path} cannot be read: {error}') from error


def _check_same(
  workdir: pathlib.Path,
  there: ml_collections.ConfigDict,
  here: ml_collections.ConfigDict,
) -> None:
  """Raises a UserError that names the fields in which two configs differ."""
  old, new = _flatten(there.to_dict()), _flatten(here.to_dict())
  differences = [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted(old.keys() | new.keys())
    if name not in FREE_FIELDS and old.get(name) != new.get(name)
  ]
  if differences:
    raise errors.UserError(
      f'--workdir={workdir} holds a run of another config: '
      f'{", ".join(differences)}; name another --workdir, or give the same '
      'fields to go on with that run'
    )


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
