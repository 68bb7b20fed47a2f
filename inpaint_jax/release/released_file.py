"""The file of a released net.

It holds the variables of a net in the safetensors format, which runs no code as
it is read: parameters in half precision, running statistics in float32. Tensors
are named by their path, as params/decoder3_conv/kernel. The metadata has one
entry, `inpaint_jax`, with JSON in it: the format's writer orders several
entries by chance, and the file of a net should be the same each time. The JSON
has

format   of this layout, a number
version  of the package that wrote the file
config   the run's fields, without paths of the machine
step     of the checkpoint
info     the checkpoint's epoch and validation metrics

and what else is told to `write`, such as name, licence and test metrics.
"""

from collections.abc import Mapping
import json
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np
import safetensors
import safetensors.numpy

from inpaint_jax import __version__, losses, models
from inpaint_jax.release import downloads
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.system import atomic_files, errors

SUFFIX = '.safetensors'

_FORMAT = 1
_KEY = 'inpaint_jax'


def read(
  path: pathlib.Path,
  sharding: jax.sharding.Sharding | None = None,
  *,
  shown: str = '',
) -> trained_model.TrainedModel:
  """Reads a released file, without a look at checksums.

  Args:
    path: the file.
    sharding: where the variables go; the first device unless named.
    shown: what messages call the file; its path unless named.

  Raises:
    errors.UserError: it is no released file, or one of a net or loss that this
      version of the package does not have.
  """
  shown = shown or str(path)
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      fields = json.loads((file.metadata() or {})[_KEY])
      tensors = file.get_tensors()
    version = fields['format']
  # What comes from elsewhere can be wrong in as many ways as there are types.
  except Exception as error:
    raise errors.UserError(
      f'{shown} is no released model: {_one_line(error)}; wanted a file as '
      'scripts/release.py writes them'
    ) from error
  if version != _FORMAT:
    raise errors.UserError(
      f'{shown} has format {version}, this version ({__version__}) reads '
      f'format {_FORMAT}; install a newer one'
    )
  try:
    config = workdirs.to_config(fields['config'])
    net = trained_model.TrainedModel(
      workdir=None,
      config=config,
      model=models.create_model(config.model),
      loss=losses.get_loss(config.loss),
      variables=tensors,
      step=int(fields['step']),
      info=fields['info'],
    )
    size = config.data.image_size
    if not isinstance(size, int) or size < 8:
      raise ValueError(f'data.image_size is {size!r}')
    shapes = trained_model.abstract_variables(net.model, size, sharding)
    return net._replace(variables=_to_variables(tensors, shapes))
  except Exception as error:
    raise errors.UserError(
      f'{shown} cannot be used with this version, {__version__}: '
      f'{_one_line(error)}'
    ) from error


def write(
  path: pathlib.Path, net: trained_model.TrainedModel, about: Mapping[str, Any]
) -> None:
  """Writes a net as a released file, whole or not at all.

  Args:
    path: the file; an older one is replaced.
    net: what to release.
    about: what else to keep, as JSON holds it, such as name and licence.

  Raises:
    errors.UserError: a parameter has no value in half precision.
  """
  tensors = {
    name: _to_half(name, np.asarray(x))
    for name, x in _flatten(net.variables).items()
  }
  fields = {
    'format': _FORMAT,
    'version': __version__,
    **about,
    'step': net.step,
    'info': net.info,
    'config': _without_paths(net.config).to_dict(),
  }
  data = safetensors.numpy.save(tensors, {_KEY: json.dumps(fields)})
  atomic_files.write(path, data)


def _to_half(name: str, x: np.ndarray) -> np.ndarray:
  # Running statistics are few, and variances may be too small for float16.
  if not name.startswith('params/'):
    return np.ascontiguousarray(x, np.float32)
  with np.errstate(over='ignore'):
    half = np.ascontiguousarray(x, np.float16)
  if not np.isfinite(half).all():
    raise errors.UserError(
      f'the parameter {name} has a value of {np.abs(x).max():.3g}; half '
      'precision ends at 65504, so this net cannot be released'
    )
  return half


def _to_variables(tensors: dict[str, np.ndarray], shapes: Any) -> Any:
  """Returns a released file's tensors as variables of these shapes."""
  wanted = _flatten(shapes)
  if tensors.keys() != wanted.keys():
    names = sorted(tensors.keys() ^ wanted.keys())
    raise ValueError(f'its tensors are not those of the net: {names[0]}')

  def convert(path, shape):
    x = tensors[_name(path)]
    if x.shape != shape.shape or x.dtype not in (np.float16, np.float32):
      raise ValueError(
        f'{_name(path)} is {x.dtype} {list(x.shape)}, wanted float16 or '
        f'float32 {list(shape.shape)}'
      )
    return jax.device_put(x.astype(shape.dtype), shape.sharding)

  return jax.tree_util.tree_map_with_path(convert, shapes)


def _flatten(tree: Any) -> dict[str, Any]:
  """Returns {'params/LAYER/kernel': leaf} of variables."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {_name(path): leaf for path, leaf in leaves}


def _name(path: Any) -> str:
  return jax.tree_util.keystr(path, simple=True, separator='/')


def _without_paths(
  config: ml_collections.ConfigDict,
) -> ml_collections.ConfigDict:
  """Returns a config without the paths of the machine that trained."""
  config = config.copy_and_resolve_references()
  config.data.data_dir = config.data.source = ''
  if not downloads.is_address(config.init_from):
    config.init_from = pathlib.PurePath(config.init_from).name
  return config


def _one_line(error: Exception) -> str:
  if isinstance(error, KeyError):
    return f'{error} is missing in its metadata'
  text = errors.one_line(error)
  return text if len(text) <= 200 else text[:200] + ' ...'
