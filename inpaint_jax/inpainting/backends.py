"""Chooses what runs a model: JAX, or ONNX Runtime on the CPU."""

import contextlib
import hashlib
import json
import pathlib
import secrets

import jax
import numpy as np

from inpaint_jax import __version__
from inpaint_jax.inpainting import fills
from inpaint_jax.release import export, onnx_runtime
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import cache, errors


def choose_fill(model: TrainedModel, backend: str = 'auto') -> fills.Fill:
  """Returns the function that fills holes with a model.

  'auto' takes ONNX Runtime if it is installed, JAX would run on the CPU, and
  the model can be exported; otherwise JAX. The first use of ONNX Runtime
  exports the model, which takes some seconds, and keeps the file in
  `cache_dir()`.

  Args:
    model: the trained model.
    backend: 'auto', 'jax' or 'onnx'.

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
  return fills.create_fill(model)


def create_onnx_fill(model: TrainedModel) -> onnx_runtime.OnnxFill:
  """Exports a model to `cache_dir()`, unless it is there, and reads the file.

  Raises:
    errors.UserError: a package is missing, the model cannot be exported, or the
      cache cannot be written to.
  """
  folder, key = cache_dir(), _cache_key(model)
  for path in folder.glob(f'{key}.*.onnx'):
    # The file's name holds its checksum, which reveals damage.
    if _sha256(path.read_bytes()) == path.name.split('.')[1]:
      return onnx_runtime.OnnxFill(path)
    path.unlink(missing_ok=True)
  size = model.config.data.image_size
  temporary = folder / f'.{key}.{secrets.token_hex(8)}.onnx'
  with errors.os_error_as(
    f'the folder of exported models, {folder}, cannot be used',
    '; set INPAINT_JAX_ONNX to one with free space',
  ):
    folder.mkdir(parents=True, exist_ok=True)
    export.export(model, temporary, 'onnx', shapes=[(1, size, size)])
    path = folder / f'{key}.{_sha256(temporary.read_bytes())}.onnx'
    temporary.replace(path)
  return onnx_runtime.OnnxFill(path)


def cache_dir() -> pathlib.Path:
  """Returns the folder of exported models.

  It is $INPAINT_JAX_ONNX or, without it, inpaint_jax/onnx in the user's cache
  folder.
  """
  return cache.folder('INPAINT_JAX_ONNX', 'onnx')


def _sha256(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()[:16]


def _cache_key(model: TrainedModel) -> str:
  """Returns a model's file name: a digest of weights, config and versions."""
  fields = [
    (__version__, jax.__version__),
    model.config.model.to_dict(),
    (model.config.loss, model.config.data.image_size),
  ]
  digest = hashlib.sha256(json.dumps(fields).encode())
  for path, leaf in jax.tree_util.tree_leaves_with_path(model.variables):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.asarray(leaf).tobytes())
  return f'{model.config.model.name}-{digest.hexdigest()[:16]}'
