"""The sections of the report; one function measures each."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import importlib.util
import os
import pathlib
import re
import statistics
import sys
import types
from typing import Any

import jax
import ml_collections
import numpy as np

from inpaint_jax import objectives
from inpaint_jax.datasets import photo_folder
from inpaint_jax.release import export, onnx_runtime
from inpaint_jax.speed import cases, processes, timing
from inpaint_jax.speed.report import create_row, Report, Row
from inpaint_jax.system import errors, machine

# Sides of the matrices whose products are timed.
MATRIX_SIZES = {'cpu': (512, 1024, 2048)}
_LARGE_MATRIX_SIZES = (4096, 8192)
# Number of start-ups that are timed.
STARTS = 3
# Largest difference of a float32 mode from ours, in a range of 1. On
# accelerators float32 is computed with the ten bits of TF32.
_TOLERANCE = 1e-4
_TOLERANCE_TF32 = 1e-2
# Cases of `scaling` that would take more are left out: seconds per call, and
# share of the memory.
_LONGEST = 120
_MOST_MEMORY = 0.8


@dataclasses.dataclass(frozen=True)
class Settings:
  """The values of the flags."""

  config: ml_collections.ConfigDict
  config_flags: tuple[str, ...]
  folder: pathlib.Path
  sizes: tuple[int, ...]
  batches: tuple[int, ...]
  seconds: float


def products(settings: Settings, report: Report) -> None:
  """Times matrix products, to whose rate other sections are compared."""
  creates = {'JAX': cases.create_product}
  if torch_cases := _torch_cases(report):
    creates['PyTorch'] = torch_cases.create_product
  sizes = MATRIX_SIZES.get(jax.default_backend(), _LARGE_MATRIX_SIZES)
  rows = []
  for size in sizes:
    for dtype in ('float32', 'bfloat16'):
      calls = {
        f'{name} {dtype}': create(size, dtype)
        for name, create in creates.items()
      }
      times = timing.interleave(calls, seconds=settings.seconds)
      what = f'product of {size}x{size} matrices'
      for mode, measured in times.items():
        rate = 2 * size**3 / statistics.median(measured)
        report.rates[dtype] = max(rate, report.rates.get(dtype, 0))
        rows.append(create_row(what, mode, measured, flops_per_second=rate))
  report.add('products', 'Matrix products', rows)


def inference(settings: Settings, report: Report) -> None:
  """Times inference, next to PyTorch and ONNX Runtime."""
  for size in settings.sizes:
    for batch in settings.batches:
      case = cases.Case('inference', settings.config, size, batch)
      _compare(settings, report, case)


def training(settings: Settings, report: Report) -> None:
  """Times a training step, next to PyTorch."""
  for size in settings.sizes:
    batch = settings.config.batch_size
    case = cases.Case('training', settings.config, size, batch)
    _compare(settings, report, case)


def scaling(settings: Settings, report: Report) -> None:
  """Measures time and memory of our models for larger and more images.

  Each case runs in a process of its own.
  """
  dtype = 'float32' if _on_cpu() else 'bfloat16'
  there = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  rows = []
  for kind in cases.CREATE:
    grid = [
      cases.Case(kind, settings.config, size, batch)
      for size in settings.sizes
      for batch in settings.batches
    ]
    seconds_per_pixel = bytes_per_pixel = 0.0
    for case in sorted(grid, key=_pixels):
      seconds = seconds_per_pixel * _pixels(case)
      most = bytes_per_pixel * _pixels(case)
      if seconds > _LONGEST or (_on_cpu() and most > _MOST_MEMORY * there):
        report.leave_out(
          f'{case}: about {seconds:.0f} s a call and {most / 1e9:.0f} GB'
        )
        continue
      _say(f'{case}, in a process of its own')
      try:
        times, peak = processes.measure_alone(case, dtype, settings.seconds)
      except Exception as error:  # Such as when memory runs out.
        report.leave_out(f'{case}: {errors.one_line(error)}')
        continue
      seconds_per_pixel = statistics.median(times) / _pixels(case)
      bytes_per_pixel = (peak or 0) / _pixels(case)
      flops = cases.count_flops(case)
      row = _row(report, case, f'JAX {dtype}', times, flops)
      rows.append(row | {'peak_bytes': peak})
  report.add('scaling', 'Cost as work grows', rows)


def startup(settings: Settings, report: Report) -> None:
  """Times main.py from its start to the line of its first step.

  Each pair of starts begins with an empty folder of compiled programs; the
  second start uses the programs that the first one left there.
  """
  times: dict[str, list[float]] = {'nothing compiled': [], 'second start': []}
  # The first pair is not timed: it builds the dataset and brings the imported
  # files into memory.
  for number in range(-1, STARTS):
    # JAX's folder of compiled programs, and the default one of the package.
    cache = str(settings.folder / f'compiled{number}')
    env = {'JAX_COMPILATION_CACHE_DIR': cache, 'XDG_CACHE_HOME': cache}
    for mode, values in times.items():
      _say(f'main.py, {mode}')
      workdir = f'startup{number}{mode}'
      found = _train(settings, workdir, env=env, until=' train/loss ')
      if number >= 0:
        values.append(found.lines[-1][0])
  what = 'main.py from start to first step'
  rows = [create_row(what, mode, values) for mode, values in times.items()]
  rows[1]['ratio'] = rows[1]['seconds'] / rows[0]['seconds']
  report.add('startup', 'Start-up; ratio: of the second to the first', rows)


def epoch(settings: Settings, report: Report) -> None:
  """Times whole epochs of main.py, except the first, which compiles."""
  config = settings.config
  if config.num_epochs < 2:
    raise errors.UserError(
      f'num_epochs={config.num_epochs} leaves no epoch to time, because the '
      'first one compiles; choose 2 or more'
    )
  _say(f'main.py, {config.num_epochs} epochs')
  found = _train(settings, 'epoch')
  ends = [time for time, line in found.lines if re.match(r'epoch \d', line)]
  steps = [re.match(r'step \d+/(\d+)', line) for _, line in found.lines]
  num_steps = next(int(match[1]) for match in steps if match)
  images = num_steps // config.num_epochs * config.batch_size
  row = create_row(
    f'main.py, an epoch of {images} images',
    f'JAX {config.model.dtype}',
    np.diff(ends).tolist(),
    images=images,
    peak_bytes=found.peak_bytes,
  )
  title = 'Whole epochs of main.py, with validation and checkpoint'
  report.add('epoch', title, [row])


def datasets(settings: Settings, report: Report) -> None:
  """Times the building of a dataset from the photos of data.source."""
  data = settings.config.data
  count = len(photo_folder.list_photos(data.source).paths)
  _say(f'a dataset of {count} photos')
  fields = ('source', 'image_size', 'num_train', 'num_val', 'num_test')
  flags = [f'--{name}={data[name]}' for name in fields]
  flags.append(f'--data_dir={settings.folder / "datasets"}')
  used = processes.run_program('inpaint_jax.commands.start:prepare_data', flags)
  row = create_row(
    f'dataset of {count} photos',
    f'crops of {data.image_size}x{data.image_size}',
    [used.seconds],
    images=count,
    cores=used.cpu_seconds / used.seconds,
    peak_bytes=used.peak_bytes,
  )
  report.add('datasets', 'Building datasets; an image is a photo here', [row])


def _on_cpu() -> bool:
  return jax.default_backend() == 'cpu'


def _not_in_torch(case: cases.Case) -> str:
  """Returns a field of the config that torch_cases ignores, '' if none."""
  config = case.config
  follows = {
    'model.name': config.model.name in ('unet', 'encoder_decoder'),
    'model.base': config.model.base == 'none',
  }
  if case.kind == 'training':
    follows |= {
      'loss': config.loss == 'mse',
      'hole_weight': config.hole_weight == 1,
      'boundary_weight': config.boundary_weight == 1,
      'objectives': not objectives.active(config.objectives),
      'ema_decay': config.ema_decay == 0,
      'accumulate_steps': config.accumulate_steps == 1,
      'optimizer.name': config.optimizer.name == 'adam',
      'optimizer.clip_norm': config.optimizer.clip_norm == 0,
      'optimizer.weight_decay': config.optimizer.weight_decay == 0,
    }
  return next((name for name, same in follows.items() if not same), '')


def _torch_cases(report: Report) -> types.ModuleType | None:
  """Returns the prepared module torch_cases, or None if there is no PyTorch."""
  if importlib.util.find_spec('torch') is None:
    report.leave_out(
      'PyTorch is not installed, and ratios are to its times: pip install '
      "'inpaint_jax[speed]'"
    )
    return None
  if _on_cpu():
    # If JAX was told not to use a GPU, PyTorch must not use it either.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
  from inpaint_jax.speed import torch_cases

  torch_cases.prepare(machine.num_cores())
  return torch_cases


def _create_modes(
  settings: Settings, report: Report, case: cases.Case
) -> dict[str, Callable[[], cases.Call]]:
  """Returns, by mode, a function that creates the case; our float32 is first.

  All modes start from the same weights, and in training from the same masks.
  """
  ours = ['float32', 'bfloat16']
  if case.kind == 'inference' and _on_cpu():
    ours.insert(1, f'float32, {cases.QUICK}')
  create = cases.CREATE[case.kind]
  modes: dict[str, Callable[[], cases.Call]] = {
    f'JAX {mode}': functools.partial(create, case, mode) for mode in ours
  }
  if case.kind == 'inference' and _on_cpu():
    path = settings.folder / 'model.onnx'
    modes['ONNX Runtime'] = functools.partial(_create_onnx, case, path)
  if field := _not_in_torch(case):
    report.leave_out(
      f'{case}: PyTorch: its code follows no {field} but the default'
    )
  elif torch_cases := _torch_cases(report):
    start = [cases.create_trained_model(case).variables]
    if case.kind == 'training':
      start.append(cases.first_masks(case))
    create = torch_cases.CREATE[case.kind]
    for mode in torch_cases.MODES:
      modes[f'PyTorch {mode}'] = functools.partial(create, case, mode, *start)
  return modes


def _create_onnx(case: cases.Case, path: pathlib.Path) -> cases.Call:
  """Exports the model to `path`; returns its inference with ONNX Runtime."""
  model = cases.create_trained_model(case)
  path.write_bytes(export.to_onnx(model, np.dtype(np.float32)))
  fill = onnx_runtime.OnnxFill(path)
  return functools.partial(fill, *cases.masked_example(case))


def _compare(settings: Settings, report: Report, case: cases.Case) -> None:
  """Times a case in all modes, in turns, and adds its table.

  Leaves out float32 modes whose images, or whose loss of the first step,
  differ from ours.
  """
  _say(str(case))
  tolerance = _TOLERANCE if _on_cpu() else _TOLERANCE_TF32
  calls: dict[str, cases.Call] = {}
  ours = None
  for mode, create in _create_modes(settings, report, case).items():
    # Whatever one mode raises, such as without a C++ compiler, the others can
    # be measured.
    try:
      call = create()
      result = call()
    except Exception as error:
      report.leave_out(f'{case}: {mode}: {errors.one_line(error)}')
      continue
    ours = result if ours is None else ours
    difference = float(np.max(np.abs(result - ours)))
    # `not <=` rather than `>`, so that NaN is left out, too.
    if 'bfloat16' not in mode and not difference <= tolerance:
      report.leave_out(
        f'{case}: {mode}: differs from ours by {difference:.2g}, more than '
        f'{tolerance:g}'
      )
      continue
    calls[mode] = call
  times = timing.interleave(calls, seconds=settings.seconds)
  flops = cases.count_flops(case)
  rows = [_row(report, case, mode, x, flops) for mode, x in times.items()]
  theirs = [r for r in rows if r['mode'].startswith('PyTorch float32')]
  best = min((row['seconds'] for row in theirs), default=None)
  for row in rows:
    row['ratio'] = row['seconds'] / best if best else None
  title = str(case)[0].upper() + str(case)[1:]
  report.add(case.kind, f"{title}; ratio: to PyTorch's best float32 mode", rows)


def _row(
  report: Report,
  case: cases.Case,
  mode: str,
  times: Sequence[float],
  flops: float | None,
) -> Row:
  """Returns a row with times, rate, and share of the fastest product's rate."""
  rate = flops / statistics.median(times) if flops else None
  most = report.rates.get('bfloat16' if 'bfloat16' in mode else 'float32')
  return create_row(
    str(case),
    mode,
    times,
    images=case.batch,
    kind=case.kind,
    size=case.size,
    batch=case.batch,
    flops=flops,
    flops_per_second=rate,
    share=rate / most if rate and most else None,
  )


def _train(settings: Settings, workdir: str, **how: Any) -> processes.Program:
  """Runs main.py with the config and a dataset of its own; see run_program."""
  flags = [
    *settings.config_flags,
    f'--config.data.data_dir={settings.folder / "data"}',
    f'--workdir={settings.folder / workdir}',
  ]
  if settings.config.data.dataset != 'photo_crops':
    # The photos are only for `datasets`; main.py would refuse them.
    flags.insert(-1, '--config.data.source=')
  return processes.run_program('inpaint_jax.commands.start:train', flags, **how)


def _pixels(case: cases.Case) -> int:
  return case.batch * case.size**2


def _say(line: str) -> None:
  """Prints to stderr what is being done; the report goes to stdout."""
  print(f'measuring {line}', file=sys.stderr, flush=True)
