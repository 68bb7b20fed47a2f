"""Measures speed and memory beside PyTorch and ONNX Runtime.

  pip install -e '.[speed]'
  python scripts/speed.py --json=speed.json
  python scripts/speed.py --what=inference,training --model=encoder_decoder

What is compared is called in turns, warm, in one process. The sections:

products   matrix products, the rate that the others are held against
inference  from masked pictures to whole ones, of --image_sizes and --batches
training   a step as main.py makes it, of --image_sizes and --train_batch
memory     of each of these modes, in a process of its own
startup    main.py from its start to its first step, twice
epoch      whole epochs of main.py
scaling    time and memory as pictures grow and become more
datasets   scripts/prepare_data.py on --photos photos

PyTorch's nets are the same ones, with the same weights; GFLOP/s are the
operations of the nets as they are defined, as XLA counts them in float32
inference, three times as many for a step, in the time of each mode: more than
the rate of products is possible where a mode saves operations.
What is not installed or does not work is left out, with a line that says so.
The machine should have nothing else to do.

Outside a checkout the command is inpaint-jax-speed.
"""

from collections.abc import Sequence
import importlib.util
import os
import pathlib
import platform
from typing import Any

from absl import flags

from inpaint_jax.system import atomic_files, command_line, errors, machine

_ALL = (
  'products',
  'inference',
  'training',
  'memory',
  'startup',
  'epoch',
  'scaling',
  'datasets',
)
_WHAT = flags.DEFINE_list('what', list(_ALL), f'Sections: {", ".join(_ALL)}.')
_MODEL = flags.DEFINE_enum(
  'model', 'unet', ['unet', 'encoder_decoder'], 'The net.'
)
_JSON = flags.DEFINE_string('json', '', 'File to write all numbers to.')
_SOURCE = flags.DEFINE_string(
  'source', '', 'Folder of photos for epoch, startup, datasets; else drawn.'
)
_SECONDS = flags.DEFINE_float(
  'seconds', 10, 'To spend on each measurement; three rounds at least.', 0
)
_REPEATS = flags.DEFINE_integer(
  'repeats', 0, 'Rounds of each measurement; 0 = as --seconds says.', 0
)
_TORCH = flags.DEFINE_bool('torch', True, 'PyTorch as well.')
_FEATURES = flags.DEFINE_list(
  'features', ['64', '128', '256'], 'Channels of the three levels.'
)
_IMAGE_SIZES = flags.DEFINE_list(
  'image_sizes', ['64', '256'], 'Sides of pictures in inference and training.'
)
_BATCHES = flags.DEFINE_list(
  'batches', ['1', '8'], 'Pictures at once in inference.'
)
_TRAIN_BATCH = flags.DEFINE_integer(
  'train_batch', 8, 'Pictures in a step of training.', 1
)
_MATRIX_SIZES = flags.DEFINE_list(
  'matrix_sizes',
  [],
  'Sides of matrices; 512,1024,2048 on a CPU and 4096,8192 elsewhere unless '
  'given.',
)
_SCALING_SIZES = flags.DEFINE_list(
  'scaling_sizes', ['64', '128', '256', '512'], 'Sides of pictures in scaling.'
)
_SCALING_BATCHES = flags.DEFINE_list(
  'scaling_batches', ['1', '8', '32'], 'Pictures at once in scaling.'
)
_LONGEST = flags.DEFINE_float(
  'longest', 60, 'Seconds of a call beyond which scaling stops.', 0
)
_EPOCHS = flags.DEFINE_integer(
  'epochs', 4, 'Of the section epoch; the first is not counted.', 2
)
_NUM_TRAIN = flags.DEFINE_integer(
  'num_train', 768, 'Pictures in an epoch; a sixth of it to validate with.', 1
)
_PHOTOS = flags.DEFINE_list(
  'photos', ['500', '5000'], 'Photos of the folders in datasets.'
)


def main(argv: Sequence[str]) -> None:
  if argv[1:]:
    raise errors.UserError(f'{argv[1]!r} is no flag; flags begin with --')
  # All that can be wrong is found before the work, not after.
  sections = [
    errors.choose({x: x for x in _ALL}, name, 'what') for name in _WHAT.value
  ]
  features = _numbers(_FEATURES)
  if len(features) != 3:
    raise errors.UserError(
      f'--features={",".join(_FEATURES.value)}: wanted three numbers, as '
      '--features=64,128,256'
    )
  image_sizes = _numbers(_IMAGE_SIZES, multiple=8)
  path = pathlib.Path(_JSON.value).expanduser() if _JSON.value else None
  if path:
    atomic_files.check_writable(path, f'--json={path}')
  source = _SOURCE.value and os.path.abspath(os.path.expanduser(_SOURCE.value))
  if source and not os.path.isdir(source):
    raise errors.UserError(
      f'--source={source} is no folder; name one of photos'
    )
  numbers = {
    'batches': _numbers(_BATCHES),
    'scaling_sizes': _numbers(_SCALING_SIZES, multiple=8),
    'scaling_batches': _numbers(_SCALING_BATCHES),
    'photos': _numbers(_PHOTOS),
  }
  matrix_sizes = _numbers(_MATRIX_SIZES)

  # Two libraries share an accelerator: JAX must not take most of its memory.
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  # JAX takes a second to import: --help and wrong flags need not wait for it.
  from inpaint_jax.speed import report as reports, sections as all_sections

  on_cpu = all_sections.on_cpu()
  if on_cpu:
    # PyTorch is to compute where JAX does, which may have been told not to.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
  num_threads = machine.num_cores()
  report = reports.Report(_about(num_threads), path)
  settings = all_sections.Settings(
    config=_config(features),
    root=command_line.configs_folder().parent,
    num_threads=num_threads,
    torch=_torch_modes(report, on_cpu),
    onnx=_has_onnx(report, on_cpu),
    image_sizes=image_sizes,
    seconds=_SECONDS.value,
    repeats=_REPEATS.value,
    matrix_sizes=matrix_sizes
    or ((512, 1024, 2048) if on_cpu else (4096, 8192)),
    longest=_LONGEST.value,
    source=source,
    **numbers,
  )
  for name in _ALL:
    if name in sections:
      all_sections.SECTIONS[name](settings, report)


def _numbers(flag: Any, multiple: int = 1) -> tuple[int, ...]:
  """Returns the whole numbers of a flag, each a positive multiple."""
  found = []
  for text in flag.value:
    if not text.strip().isdecimal() or int(text) < 1 or int(text) % multiple:
      kind = f'multiples of {multiple}' if multiple > 1 else 'whole numbers'
      raise errors.UserError(
        f'--{flag.name}={",".join(flag.value)}: wanted positive {kind}, as '
        f'--{flag.name}={",".join(flag.default) or 1024}'
      )
    found.append(int(text))
  if not found and flag.default:
    raise errors.UserError(
      f'--{flag.name}= is empty; give numbers, as '
      f'--{flag.name}={",".join(flag.default)}'
    )
  return tuple(found)


def _config(features: tuple[int, ...]) -> Any:
  """Returns the config of configs/, with the flags in it."""
  import configs.encoder_decoder
  import configs.unet

  config = {'unet': configs.unet, 'encoder_decoder': configs.encoder_decoder}[
    _MODEL.value
  ].get_config()
  config.model.features = features
  config.batch_size = _TRAIN_BATCH.value
  config.num_epochs = _EPOCHS.value
  config.data.num_train = _NUM_TRAIN.value
  config.data.num_val = config.data.num_test = max(_NUM_TRAIN.value // 6, 1)
  return config


def _torch_modes(report: Any, on_cpu: bool) -> tuple[str, ...]:
  """Returns the modes of PyTorch that can be measured, and says why not."""
  if not _TORCH.value:
    report.leave_out('PyTorch: --notorch')
    return ()
  if importlib.util.find_spec('torch') is None:
    report.leave_out(
      "PyTorch is not installed, and ratios want it: pip install -e '.[speed]'"
    )
    return ()
  import torch

  from inpaint_jax.speed import torch_cases

  if not on_cpu and not torch.cuda.is_available():
    report.leave_out('PyTorch: it finds no GPU, which JAX computes on')
    return ()
  report.add_about(torch=torch.__version__)
  return tuple(torch_cases.MODES)


def _has_onnx(report: Any, on_cpu: bool) -> bool:
  """Returns whether ONNX Runtime can be measured, and says why not."""
  if not on_cpu:
    report.leave_out('ONNX Runtime: here it is for the CPU')
    return False
  from inpaint_jax.release import export

  try:
    export.check_packages('onnx')
  except errors.UserError as error:
    report.leave_out(f'ONNX Runtime: {error}')
    return False
  import onnxruntime

  report.add_about(onnxruntime=onnxruntime.__version__)
  return True


def _about(num_threads: int) -> dict[str, Any]:
  """Returns what is measured with."""
  import jax
  import jaxlib

  about = {
    'device': f'{len(jax.devices())} x {jax.devices()[0].device_kind}',
    'cpu': machine.cpu_name(),
    'cores': num_threads,
    'python': platform.python_version(),
    'jax': jax.__version__,
    'jaxlib': jaxlib.__version__,
    'model': _MODEL.value,
    'features': ','.join(_FEATURES.value),
  }
  if hasattr(os, 'getloadavg'):
    # Processes that wanted a core in the last minute: more than none is noise.
    about['load'] = round(os.getloadavg()[0], 2)
  print(', '.join(f'{name} {value}' for name, value in about.items()))
  return about


def run() -> None:
  # As in training; PyTorch gains by it as well.
  machine.use_huge_pages()
  command_line.run(main)
