"""Compares speed and memory with PyTorch and ONNX Runtime.

  pip install 'inpaint_jax[speed]'
  inpaint-jax-speed --json=speed.json
  inpaint-jax-speed --what=training --config.batch_size=4
  inpaint-jax-speed --what=scaling --sizes=64,128,256 --batches=1,8,32

Programs that are compared are called in turns, warm, in one process. The
sections:

products   matrix products, whose rate the others are compared with
inference  from masked images to whole ones, at --sizes and --batches
training   a training step of main.py, at --sizes and --config.batch_size
startup    main.py from its start to its first step, twice
epoch      whole epochs of main.py
scaling    time and memory of our models over --sizes and --batches
datasets   building a dataset from --config.data.source

PyTorch runs the same models with the same weights. GFLOP/s are the operations
of a model, as XLA counts them for inference in float32, three times as many for
a training step, per second of each mode; they exceed the rate of products where
a mode saves operations. Programs that are not installed or do not work are left
out, with a line that says so. The machine should have nothing else to do.
"""

from collections.abc import Sequence
import contextlib
from importlib import metadata
import os
import pathlib
import platform
import tempfile
from typing import Any

from absl import flags
from ml_collections import config_flags

from inpaint_jax.system import (
  atomic_files,
  command_line,
  errors,
  machine,
  user_paths,
)

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'The run to measure, configs/unet.py unless named.',
  sys_argv=command_line.arguments,
)
_WHAT = flags.DEFINE_list(
  'what',
  'products,inference,training,startup,epoch,scaling,datasets',
  'Sections.',
)
_JSON = flags.DEFINE_string('json', '', 'File to write all numbers to.')
_SIZES = flags.DEFINE_list(
  'sizes', ['64', '256'], 'Heights and widths of images, multiples of 8.'
)
_BATCHES = flags.DEFINE_list(
  'batches', ['1', '8'], 'Images at once in inference and scaling.'
)
_SECONDS = flags.DEFINE_float(
  'seconds', 10, 'To spend on each measurement; three rounds at least.', 0
)


def main(argv: Sequence[str]) -> None:
  """Measures the sections that the flags name, and prints their tables."""
  command_line.check_flags(argv)
  # Wrong flags are found before the work, not after it.
  for name in _WHAT.value:
    errors.check_name(_WHAT.default, name, 'what')
  sizes, batches = _numbers(_SIZES, multiple=8), _numbers(_BATCHES)
  path = user_paths.local(_JSON.value, 'json') if _JSON.value else None
  if path:
    atomic_files.check_writable(path, f'json={path}')

  # JAX shares an accelerator with PyTorch: it must not take most of the memory.
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  from inpaint_jax.speed import report as reports, sections

  report = reports.Report(path, _describe())
  print(', '.join(f'{name} {value}' for name, value in report.about.items()))
  with tempfile.TemporaryDirectory() as folder:
    settings = sections.Settings(
      config=_CONFIG.value,
      config_flags=_config_flags(),
      folder=pathlib.Path(folder),
      sizes=sizes,
      batches=batches,
      seconds=_SECONDS.value,
    )
    for name in _WHAT.default:
      if name in _WHAT.value:
        try:
          getattr(sections, name)(settings, report)
        except errors.UserError as error:
          line = command_line.add_flags(str(error))
          report.leave_out(f'{name}: {line}')


def _numbers(
  flag: flags.FlagHolder[list[str]], multiple: int = 1
) -> tuple[int, ...]:
  """Returns a flag's whole numbers, each a positive multiple of `multiple`."""
  try:
    numbers = tuple(map(int, flag.value))
  except ValueError:
    numbers = ()
  if not numbers or any(x < 1 or x % multiple for x in numbers):
    kind = f'multiples of {multiple}' if multiple > 1 else 'whole numbers'
    raise errors.UserError(
      f'{flag.name}={",".join(flag.value)}: wanted positive {kind}, as '
      f'{flag.name}={",".join(flag.default)}'
    )
  return numbers


def _config_flags() -> tuple[str, ...]:
  """Returns flags that give main.py the config of this command."""
  flag = flags.FLAGS['config']
  overrides = config_flags.get_override_values(flag)
  return (
    f'--config={config_flags.get_config_filename(flag)}',
    *(f'--config.{name}={value}' for name, value in overrides.items()),
  )


def _describe() -> dict[str, Any]:
  """Returns the model, the machine and the versions of packages."""
  import jax

  from inpaint_jax.system import devices

  devices.check_any()
  model = _CONFIG.value.model
  about = {
    'device': f'{len(jax.devices())} x {jax.devices()[0].device_kind}',
    'cpu': machine.cpu_name(),
    'cores': machine.num_cores(),
    'python': platform.python_version(),
    'model': model.name,
    'features': ','.join(map(str, model.features)),
  }
  for package in ('jax', 'jaxlib', 'torch', 'onnxruntime'):
    with contextlib.suppress(metadata.PackageNotFoundError):
      about[package] = metadata.version(package)
  if hasattr(os, 'getloadavg'):
    # The mean number of processes that wanted a core in the last minute: if it
    # is more than none, the measurements are noisy.
    about['load'] = round(os.getloadavg()[0], 2)
  return about
