"""The file of a released model.

It holds the variables of a model in the safetensors format, which runs no code
when it is read: parameters in half precision, running statistics in float32.
Tensors are named by their path, as params/decoder3_conv/kernel. The metadata
has one entry, `inpaint_jax`, with JSON in it: safetensors writes several
entries in random order, and equal models should give equal files. The JSON has

format   the number of this layout
version  the version of the package that wrote the file
config   the run's fields, without paths of the machine
step     the step of the checkpoint
info     the checkpoint's epoch and validation metrics

and whatever else `write` is given, such as name, licence and test metrics. The
SHA-256 of files may be in a file SHA256SUMS next to them, in the format of the
`sha256sum` command.
"""

from collections.abc import Mapping
import json
import pathlib
import re
from typing import Any

from flax import traverse_util
import jax
import ml_collections
import numpy as np
import safetensors
import safetensors.numpy

from inpaint_jax import __version__, losses, models
from inpaint_jax.release import downloads
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import atomic_files, devices, errors

SUFFIX = '.safetensors'
CHECKSUMS = 'SHA256SUMS'

_FORMAT = 1
_KEY = 'inpaint_jax'


def read(
  path: pathlib.Path,
  sharding: jax.sharding.Sharding | None = None,
  *,
  shown: str = '',
) -> TrainedModel:
  """Reads a released file.

  Args:
    sharding: where the variables go; None = the first device.
    shown: what messages call the file; '' = its path.

  Raises:
    errors.UserError: the file is missing, is not a released model, differs
      from its checksum in SHA256SUMS, or needs another version of the package.
  """
  shown = shown or str(path)
  if not path.is_file():
    raise errors.UserError(
      f'{shown} does not exist; name a released file, as inpaint-jax-release '
      'writes them'
    )
  expected = read_checksums(path.parent).get(path.name)
  if expected and downloads.sha256(path) != expected:
    raise errors.UserError(
      f'{shown} is damaged, or was swapped: its SHA-256 is not the one in '
      f'{CHECKSUMS}; get a fresh copy of both'
    )
  devices.check_any()
  # A file from elsewhere can raise any type of error.
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      fields = json.loads((file.metadata() or {})[_KEY])
      tensors = file.get_tensors()
  except Exception as error:
    raise errors.UserError(
      f'{shown} is no released model: {_one_line(error)}; wanted a file as '
      'inpaint-jax-release writes them'
    ) from error
  try:
    return _to_model(fields, tensors, sharding)
  except Exception as error:
    raise errors.UserError(
      f'{shown} cannot be used with this version, {__version__}: '
      f'{_one_line(error)}; if it needs a module of your own, import that first'
    ) from error


def write(
  path: pathlib.Path, model: TrainedModel, about: Mapping[str, Any]
) -> None:
  """Writes a model as a released file, completely or not at all.

  Raises:
    errors.UserError: a parameter has no value in half precision.
  """
  tensors = {
    name: _to_half(name, np.asarray(x))
    for name, x in traverse_util.flatten_dict(model.variables, sep='/').items()
  }
  config = model.config.copy_and_resolve_references()
  config.data.data_dir = config.data.source = config.masks.source = ''
  if not downloads.is_address(config.init_from):
    config.init_from = pathlib.PurePath(config.init_from).name
  fields = {
    'format': _FORMAT,
    'version': __version__,
    **about,
    'step': model.step,
    'info': model.info,
    'config': config.to_dict(),
  }
  data = safetensors.numpy.save(tensors, {_KEY: json.dumps(fields)})
  atomic_files.write(path, data)


def read_checksums(folder: pathlib.Path) -> dict[str, str]:
  """Returns {file name: SHA-256} of SHA256SUMS, {} without that file."""
  path = folder / CHECKSUMS
  if not path.exists():
    return {}
  checksums = {}
  for line in path.read_text(encoding='utf-8').splitlines():
    match = re.fullmatch(r'([0-9a-f]{64}) [ *](.+)', line)
    if match is None:
      raise errors.UserError(
        f'{path} is no list of SHA-256 checksums; get a fresh copy of its '
        'folder'
      )
    checksums[match[2]] = match[1]
  return checksums


def write_checksums(folder: pathlib.Path) -> None:
  """Writes the checksums of all released files in a folder.

  Checksums of other files are kept.
  """
  checksums = read_checksums(folder)
  for name in [x for x in checksums if x.endswith(SUFFIX)]:
    del checksums[name]
  for path in folder.glob(f'*{SUFFIX}'):
    checksums[path.name] = downloads.sha256(path)
  lines = [f'{checksums[name]}  {name}\n' for name in sorted(checksums)]
  atomic_files.write(folder / CHECKSUMS, ''.join(lines).encode())


def _to_half(name: str, x: np.ndarray) -> np.ndarray:
  # Running statistics are few, and variances may be too small for float16.
  if not name.startswith('params/'):
    return np.ascontiguousarray(x, np.float32)
  with np.errstate(over='ignore'):
    half = np.ascontiguousarray(x, np.float16)
  if not np.isfinite(half).all():
    raise errors.UserError(
      f'the parameter {name} has a value of {np.abs(x).max():.3g}; half '
      'precision ends at 65504, so this model cannot be released'
    )
  return half


def _to_model(
  fields: dict[str, Any],
  tensors: dict[str, np.ndarray],
  sharding: jax.sharding.Sharding | None,
) -> TrainedModel:
  if fields['format'] != _FORMAT:
    raise ValueError(
      f'it has format {fields["format"]}, wanted {_FORMAT}; install a newer one'
    )
  config: ml_collections.ConfigDict = workdirs.to_config(fields['config'])
  loss, size = losses.get_loss(config.loss), config.data.image_size
  model = models.create_model(config.model, loss.to_outputs)
  if not isinstance(size, int) or size < 8:
    raise ValueError(f'data.image_size is {size!r}')
  shapes = trained_model.abstract_variables(model, size, sharding)
  expected = traverse_util.flatten_dict(shapes, sep='/')
  if tensors.keys() != expected.keys():
    names = sorted(tensors.keys() ^ expected.keys())
    raise ValueError(f'its tensors are not those of the model: {names[0]}')
  for name, shape in expected.items():
    x = tensors[name]
    if x.shape != shape.shape or x.dtype not in (np.float16, np.float32):
      raise ValueError(
        f'{name} is {x.dtype} {list(x.shape)}, wanted float16 or float32 '
        f'{list(shape.shape)}'
      )
  variables = {
    name: jax.device_put(tensors[name].astype(shape.dtype), shape.sharding)
    for name, shape in expected.items()
  }
  return TrainedModel(
    workdir=None,
    config=config,
    model=model,
    loss=loss,
    # Empty collections, such as unused batch_stats, have no names.
    variables={**shapes, **traverse_util.unflatten_dict(variables, sep='/')},
    step=int(fields['step']),
    info=fields['info'],
  )


def _one_line(error: Exception) -> str:
  if isinstance(error, KeyError):
    return f'{error} is missing in its metadata'
  return errors.one_line(error)
