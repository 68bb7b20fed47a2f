"""Filling with ONNX Runtime, on the CPU, in place of JAX.

  fill = onnx_backend.create_fill('unet.onnx')
  picture = fill(image, mask)

Neither JAX nor the rest of the package is imported to run a file that is there.
`choose` is for nets that were read into JAX: it exports one once, keeps the
file and how fast it is, and says which of the two to use.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from inpaint_jax import __version__
from inpaint_jax.system import cache, errors, json_files, machine

if TYPE_CHECKING:
  import onnxruntime

  from inpaint_jax.inpainting.inpainter import Fill
  from inpaint_jax.runs import trained_model

# ONNX Runtime counts its uses and reports them, unless told not to before its
# first import.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

BACKENDS = ('auto', 'jax', 'onnx')
# Fills that are timed, after one that is not.
_REPEATS = 5
# Seconds after which its threads no longer spin.
_PAUSE = 0.05


class OnnxFill:
  """Runs an exported net; may be called from several threads at once.

  Attributes:
    size: the working size, in pixels: that of the pictures it was trained with.
  """

  def __init__(self, path: str | os.PathLike[str]):
    """Reads a file; see create_fill."""
    self._session = create_session(path)
    names = [x.name for x in self._session.get_inputs()]
    size = self._session.get_modelmeta().custom_metadata_map.get('size', '')
    if names != ['image', 'mask'] or not size.isdigit():
      raise errors.UserError(
        f'{path} is an ONNX file of another kind; name one that '
        'scripts/export.py wrote'
      )
    self.size = int(size)

  def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the net's picture.

    Args:
      image: float32 [B, H, W, 3] in [0, 1], H and W multiples of 8.
      mask: float32 [B, H, W, 1] in {0, 1}, 1 = hole.

    Returns:
      float32 [B, H, W, 3] in [0, 1].
    """
    pictures = {'image': image, 'mask': mask}
    feed = {name: np.asarray(x, np.float32) for name, x in pictures.items()}
    return self._session.run(['picture'], feed)[0]


def create_fill(path: str | os.PathLike[str]) -> OnnxFill:
  """Returns a function that fills holes with an exported net.

  Args:
    path: a file that scripts/export.py wrote, with --format=onnx.

  Raises:
    errors.UserError: ONNX Runtime is not installed, or there is no such file,
      or it is damaged or of another kind.
  """
  return OnnxFill(path)


def create_session(
  path: str | os.PathLike[str],
) -> onnxruntime.InferenceSession:
  """Returns an ONNX Runtime session on all the cores this process may use."""
  _check_installed()
  import onnxruntime

  path = pathlib.Path(path).expanduser()
  if not path.is_file():
    raise errors.UserError(
      f'{path} does not exist; write it with scripts/export.py --format=onnx'
    )
  options = onnxruntime.SessionOptions()
  # Its threads may spin, for some 40 ms after a call: put to sleep, they are
  # woken on one core, where a small picture takes twice the time.
  options.intra_op_num_threads = machine.num_cores()
  options.log_severity_level = 3  # Errors; a warning is nothing to act on.
  try:
    return onnxruntime.InferenceSession(
      path, options, providers=['CPUExecutionProvider']
    )
  # Its exceptions have no common base but this.
  except Exception as error:
    raise errors.UserError(
      f'{path} cannot be read as an ONNX file: {errors.one_line(error, 160)}'
    ) from error


def create_fill_for(net: trained_model.TrainedModel) -> OnnxFill:
  """Returns a function that fills holes with a net that is in JAX.

  The net is exported and kept in `cache_dir()`, unless that was done before.

  Raises:
    errors.UserError: a package is missing, the net cannot be exported, or the
      cache cannot be written to.
  """
  from inpaint_jax.release import export

  _check_installed()
  folder, key = cache_dir(), _key(net)
  for path in folder.glob(f'{key}.*.onnx'):
    # The file has its own checksum in its name: damage shows.
    if _sha256(path.read_bytes()) == path.name.split('.')[1]:
      return create_fill(path)
    path.unlink(missing_ok=True)
  export.check_packages('onnx')
  size = net.config.data.image_size
  whole = folder / f'.{key}.{os.getpid()}.onnx'
  try:
    folder.mkdir(parents=True, exist_ok=True)
    export.export(net, whole, 'onnx', shapes=[(1, size, size)])
    path = folder / f'{key}.{_sha256(whole.read_bytes())}.onnx'
    whole.replace(path)
  except OSError as error:
    raise errors.UserError(
      f'the folder of exported nets, {folder}, cannot be used '
      f'({error.strerror}); set INPAINT_JAX_ONNX to one with room'
    ) from error
  return create_fill(path)


def choose(
  net: trained_model.TrainedModel, backend: str = 'auto'
) -> Fill | None:
  """Returns what to fill with in place of JAX, or None to use JAX.

  'auto' takes ONNX Runtime if JAX would run on the CPU, the extra [onnx] is
  installed, and ONNX Runtime fills a picture of the working size faster: by the
  median of five fills each, one after the other, after the first, so that
  compilation does not count. The exported file and the two times are kept in
  the user's cache folder, so that this is done once for each net and machine.

  Args:
    net: a net in JAX.
    backend: auto, jax or onnx.

  Raises:
    errors.UserError: an unknown backend; or, if it is 'onnx', a package that is
      missing, or a net or a cache that makes an export impossible.
  """
  errors.choose(dict.fromkeys(BACKENDS), backend, 'backend')
  if backend == 'jax':
    return None
  if backend == 'onnx':
    return create_fill_for(net)
  import jax

  if jax.default_backend() != 'cpu' or not _installed():
    return None
  # What stands in the way of an export need not stop those who did not ask for
  # one.
  with contextlib.suppress(errors.UserError):
    fill = create_fill_for(net)
    seconds = _measured(net, fill)
    if seconds['onnx'] < seconds['jax']:
      return fill
  return None


def cache_dir() -> pathlib.Path:
  """Returns the folder of exported nets.

  It is $INPAINT_JAX_ONNX or, without it, inpaint_jax/onnx in the user's cache
  folder.
  """
  return cache.folder('INPAINT_JAX_ONNX', 'onnx')


def _installed() -> bool:
  return importlib.util.find_spec('onnxruntime') is not None


def _check_installed() -> None:
  if not _installed():
    raise errors.UserError(
      'the onnx backend needs the package onnxruntime, which is not installed: '
      "pip install -e '.[onnx]'"
    )


def _sha256(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()[:16]


def _key(net: trained_model.TrainedModel) -> str:
  """Returns a name for a net, the versions and the machine."""
  import jax
  import onnxruntime

  fields = [
    (__version__, jax.__version__, onnxruntime.__version__),
    (platform.node(), machine.num_cores()),
    net.config.model.to_dict(),
    (net.config.loss, net.config.data.image_size),
  ]
  digest = hashlib.sha256(json.dumps(fields).encode())
  for path, leaf in jax.tree_util.tree_leaves_with_path(net.variables):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.asarray(leaf).tobytes())
  return f'{net.config.model.name}-{digest.hexdigest()[:16]}'


def _measured(net: trained_model.TrainedModel, fill: Fill) -> dict[str, float]:
  """Returns what `measure` found, now or in an earlier process."""
  path = cache_dir() / f'{_key(net)}.json'
  with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
    seconds = json_files.read(path)['seconds_per_fill']
    return {name: float(seconds[name]) for name in ('onnx', 'jax')}
  seconds = measure(net, fill)
  record = {'size': net.config.data.image_size, 'seconds_per_fill': seconds}
  with contextlib.suppress(OSError):
    json_files.write(path, record)
  return seconds


def measure(
  net: trained_model.TrainedModel,
  fill: Fill,
  shape: tuple[int, int, int] | None = None,
) -> dict[str, float]:
  """Returns the median seconds per fill with ONNX Runtime and with JAX.

  Args:
    net: a net in JAX.
    fill: the same net, exported.
    shape: B, H and W; one picture of the working size unless given.
  """
  from inpaint_jax.inpainting import inpainter
  from inpaint_jax.release import export

  size = net.config.data.image_size
  image, mask = export.example(shape or (1, size, size), seed=0)
  image = image * (1 - mask)
  run = inpainter.create_fill(net)
  fills = {
    'onnx': lambda: fill(image, mask),
    'jax': lambda: np.asarray(run(image, mask)),
  }
  times = {name: [] for name in fills}
  for name, call in fills.items():
    # While the threads of one spin, the other has a core less.
    time.sleep(_PAUSE)
    for repeat in range(1 + _REPEATS):
      start = time.perf_counter()
      call()
      if repeat:
        times[name].append(time.perf_counter() - start)
  return {name: statistics.median(values) for name, values in times.items()}
