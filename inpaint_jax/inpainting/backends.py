"""A model as a function that fills holes, in JAX or by ONNX Runtime."""

from collections.abc import Callable
import contextlib
import functools
import hashlib
import json
import pathlib
import secrets
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import __version__, models
from inpaint_jax.release import downloads, export, onnx_runtime
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import cache, errors

# A function (image, mask) -> the model's image: image float32 [B, H, W, 3] in
# [0, 1], black in the holes, mask float32 [B, H, W, 1] in {0, 1}, 1 = hole; the
# model's image is float32 [B, H, W, 3] in [0, 1], in the hole and outside. H
# and W are multiples of 8.
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def choose_fill(model: TrainedModel, backend: str = 'auto') -> Fill:
  """Returns the function that fills holes with a model.

  'auto' takes ONNX Runtime if it is installed, JAX would run on the CPU, and
  the model can be exported; otherwise JAX. The first use of ONNX Runtime
  exports the model, which takes some seconds, and keeps the file in
  $INPAINT_JAX_ONNX or, without it, in inpaint_jax/onnx in the user's cache
  folder.

  Raises:
    errors.UserError: the backend is 'onnx', and a package is missing, the model
      cannot be exported, or the cache cannot be written to.
  """
  if backend == 'onnx':
    return create_onnx_fill(model)
  if backend == 'auto' and jax.default_backend() == 'cpu':
    # The user did not ask for an export, and need not hear why it failed.
    with contextlib.suppress(errors.UserError):
      return create_onnx_fill(model)
  return create_fill(model)


def create_fill(model: TrainedModel, *, optimize: bool = False) -> Fill:
  """Returns the function that fills holes with a model, in JAX.

  Args:
    optimize: whether to compile for many images of one size. On a CPU the UNet
      then takes 0.54 (8 images of 64x64) to 0.8 of the time (of 256x256), but
      about five seconds more to compile for each size and batch size. The
      weights become part of the compiled program, and of its copy in the
      compilation cache.
  """
  # XLA's own convolutions take seconds less to compile.
  module = (
    model.model if optimize else models.with_fields(model.model, conv='xla')
  )

  def fill(variables: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
    outputs: Any = module.apply(variables, image, mask, train=False)
    return jnp.clip(model.loss.to_image(outputs), 0, 1)

  if optimize:
    # If the weights are constants, the compiler brings them into the layout
    # that the convolutions need.
    return jax.jit(functools.partial(fill, model.variables))
  return functools.partial(jax.jit(fill), model.variables)


def create_onnx_fill(model: TrainedModel) -> onnx_runtime.OnnxFill:
  """Exports a model, unless its file is there, and reads it; as choose_fill."""
  folder = cache.folder('INPAINT_JAX_ONNX', 'onnx')
  key = _cache_key(model)
  for path in folder.glob(f'{key}.*.onnx'):
    # The file's name holds its checksum, which reveals damage.
    if downloads.sha256(path)[:16] == path.name.split('.')[1]:
      return onnx_runtime.OnnxFill(path)
    path.unlink(missing_ok=True)
  size = model.config.data.image_size
  temporary = folder / f'.{key}.{secrets.token_hex(8)}.onnx'
  with errors.error_as(
    f'the folder of exported models, {folder}, cannot be used',
    '; set INPAINT_JAX_ONNX to one with free space',
  ):
    folder.mkdir(parents=True, exist_ok=True)
    export.export(model, temporary, 'onnx', shapes=[(1, size, size)])
    path = folder / f'{key}.{downloads.sha256(temporary)[:16]}.onnx'
    temporary.replace(path)
  return onnx_runtime.OnnxFill(path)


def _cache_key(model: TrainedModel) -> str:
  """Returns a model's file name: a digest of weights, config and code."""
  fields = [
    (__version__, jax.__version__),
    model.config.model.to_dict(),
    (model.config.loss, model.config.data.image_size),
  ]
  digest = hashlib.sha256(json.dumps(fields).encode())
  for path in _code(model):
    digest.update(path.read_bytes())
  for place, leaf in jax.tree_util.tree_leaves_with_path(model.variables):
    digest.update(jax.tree_util.keystr(place).encode())
    digest.update(np.asarray(leaf).tobytes())
  return f'{model.config.model.name}-{digest.hexdigest()[:16]}'


def _code(model: TrainedModel) -> list[pathlib.Path]:
  """Returns the source files that an exported model depends on.

  A developer may change them and keep weights and version.
  """
  package = pathlib.Path(models.__file__).parents[1]
  paths = [package / 'losses.py', package / 'release/export.py']
  for pattern in 'models/*.py', 'release/onnx*.py':
    paths += sorted(package.glob(pattern))
  for own in models.MODELS.get(model.config.model.name), model.loss.to_image:
    module = sys.modules.get(getattr(own, '__module__', ''))
    paths.append(pathlib.Path(getattr(module, '__file__', None) or ''))
  # An application may have been packed without sources.
  return [path for path in paths if path.is_file()]
