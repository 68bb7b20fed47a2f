"""The sections of the report: what is measured, one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import os
import pathlib
import re
import sys
import tempfile
from typing import Any

import jax
import ml_collections
import numpy as np

from inpaint_jax.speed import (
  cases,
  jax_cases,
  photo_files,
  processes,
  timing,
)
from inpaint_jax.speed.report import create_row, Report, Row
from inpaint_jax.system import errors

# What a float32 mode may differ from ours, of a range of 1. On accelerators
# float32 is computed with the ten bits of TF32.
_TOLERANCE = {'cpu': 1e-4}
_TOLERANCE_TF32 = 1e-2
_ONNX = 'ONNX Runtime'
_STARTS = 3
# Of the memory, what a case of `scaling` may be expected to need.
_ROOM = 0.8


@dataclasses.dataclass(frozen=True)
class Settings:
  """What the flags say.

  Attributes:
    config: the run whose net and step are measured.
    root: the checkout.
    num_threads: cores, as many as JAX uses.
    torch: the modes of PyTorch that are measured.
    onnx: whether ONNX Runtime is.
    image_sizes: sides of pictures in inference and training, in pixels.
    batches: pictures at once in inference.
    seconds: to spend on each measurement.
    repeats: rounds instead, if it is not 0.
    matrix_sizes: sides of the matrices whose products are timed.
    scaling_sizes, scaling_batches: of the section `scaling`.
    longest: seconds that a call there may be expected to take.
    photos: sizes of the folders that datasets are built of.
    source: a folder of photos, '' = drawn ones.
  """

  config: ml_collections.ConfigDict
  root: pathlib.Path
  num_threads: int
  torch: tuple[str, ...]
  onnx: bool
  image_sizes: tuple[int, ...]
  batches: tuple[int, ...]
  seconds: float
  repeats: int
  matrix_sizes: tuple[int, ...]
  scaling_sizes: tuple[int, ...]
  scaling_batches: tuple[int, ...]
  longest: float
  photos: tuple[int, ...]
  source: str


def on_cpu() -> bool:
  """Returns whether JAX computes on the CPU."""
  return jax.default_backend() == 'cpu'


def products(settings: Settings, report: Report) -> None:
  """Times matrix products, whose rate the other sections are held against."""
  calls, about = {}, {}
  for size in settings.matrix_sizes:
    for dtype in ('float32', 'bfloat16'):
      creates = {'JAX': jax_cases.create_product}
      if settings.torch:
        from inpaint_jax.speed import torch_cases

        torch_cases.prepare(settings.num_threads)
        creates['PyTorch'] = torch_cases.create_product
      for library, create in creates.items():
        call = create(size, dtype)
        for _ in range(timing.WARM_CALLS):
          call()
        what = f'product of {size}x{size} matrices'
        mode = f'{library} {dtype}'
        calls[what, mode], about[what, mode] = call, (dtype, 2 * size**3)
  times = _interleave(settings, calls)
  rows = []
  for (what, mode), measured in times.items():
    dtype, flops = about[what, mode]
    rate = flops / measured.median
    report.rates[dtype] = max(rate, report.rates.get(dtype, 0))
    rows.append(create_row(what, mode, measured, flops_per_second=rate))
  report.add('products', 'Matrix products', rows)


def inference(settings: Settings, report: Report) -> None:
  """Times filling, beside PyTorch and ONNX Runtime."""
  for size in settings.image_sizes:
    for batch in settings.batches:
      _compare(settings, report, _case(settings, 'inference', size, batch))


def training(settings: Settings, report: Report) -> None:
  """Times a step of training, beside PyTorch."""
  for size in settings.image_sizes:
    batch = settings.config.batch_size
    _compare(settings, report, _case(settings, 'training', size, batch))


def memory(settings: Settings, report: Report) -> None:
  """Measures the memory of each mode at the largest size and batch."""
  rows = []
  with _onnx_file(settings) as path:
    for kind, batch in (
      ('inference', max(settings.batches)),
      ('training', settings.config.batch_size),
    ):
      case = _case(settings, kind, max(settings.image_sizes), batch)
      for mode in _modes(settings, kind):
        answer = _in_child(
          settings, report, case, mode, onnx_path=path, rounds=1
        )
        if answer:
          rows.append({'what': str(case), 'mode': mode, **_bytes(case, answer)})
  report.add(
    'memory', 'Memory of a process of its own (of a GPU, its own)', rows
  )


def scaling(settings: Settings, report: Report) -> None:
  """Measures time and memory of our nets as pictures grow and become more."""
  rows = []
  mode = 'JAX float32' if on_cpu() else 'JAX bfloat16'
  for kind in cases.KINDS:
    grown = sorted(
      (size * size * batch, size, batch)
      for size in settings.scaling_sizes
      for batch in settings.scaling_batches
    )
    seconds_per_pixel = bytes_per_pixel = 0.0
    for pixels, size, batch in grown:
      case = _case(settings, kind, size, batch)
      seconds = seconds_per_pixel * pixels
      if seconds > settings.longest:
        report.leave_out(
          f'{case}: about {seconds:.0f} s a call; raise --longest to have it'
        )
        continue
      wanted, there = bytes_per_pixel * pixels, _memory()
      if on_cpu() and wanted > _ROOM * there:
        report.leave_out(
          f'{case}: about {wanted / 1e9:.0f} GB of the {there / 1e9:.0f} GB '
          'of this machine'
        )
        continue
      answer = _in_child(
        settings,
        report,
        case,
        mode,
        seconds=settings.seconds,
        rounds=settings.repeats,
        count_flops=True,
      )
      if not answer:
        continue
      times = timing.Times(tuple(answer['seconds']))
      used = _bytes(case, answer)
      seconds_per_pixel = times.median / pixels
      bytes_per_pixel = (used['bytes_per_picture'] or 0) * batch / pixels
      rows.append(_row(case, mode, times, answer['flops'], report) | used)
  report.add('scaling', 'Cost as work grows', rows)


def startup(settings: Settings, report: Report) -> None:
  """Times main.py from its start to the line of its first step.

  With an empty folder of compiled programs, and again with what the first start
  left there.
  """
  times = {'first start': [], 'second start': []}
  with _training_folder(settings) as (flags, folder):
    # Builds the dataset, and brings what is imported into memory.
    _first_step(settings, flags, folder / 'warm', folder / 'compiled')
    for number in range(settings.repeats or _STARTS):
      cache = folder / f'compiled{number}'
      for name, values in times.items():
        _say(f'main.py, {name}')
        workdir = folder / f'{name}{number}'
        values.append(_first_step(settings, flags, workdir, cache))
  first, second = (timing.Times(tuple(x)) for x in times.values())
  what = 'main.py from start to first step'
  rows = [
    create_row(what, 'nothing compiled yet', first),
    create_row(
      what, 'second start', second, ratio=second.median / first.median
    ),
  ]
  report.add('startup', 'Start-up; ratio: of the second to the first', rows)


def epoch(settings: Settings, report: Report) -> None:
  """Times whole epochs of main.py, the first, which compiles, left out."""
  rows = []
  dtypes = ['float32'] if on_cpu() else ['float32', 'bfloat16']
  with _training_folder(settings) as (flags, folder):
    for dtype in dtypes:
      _say(f'main.py, {settings.config.num_epochs} epochs, {dtype}')
      command = [
        'main.py',
        *flags,
        f'--workdir={folder / dtype}',
        f'--config.model.dtype={dtype}',
      ]
      found = processes.lines_of(command, settings.root, {})
      text = '\n'.join(line for _, line in found.lines)
      counts = re.search(r'steps of (\d+) pictures, (\d+) an epoch', text)
      pictures = int(counts[1]) * int(counts[2])
      ends = [t for t, line in found.lines if re.match(r'epoch \d', line)]
      times = timing.Times(tuple(np.diff(ends).tolist()))
      rows.append(
        create_row(
          f'main.py, an epoch of {pictures} pictures',
          f'JAX {dtype}',
          times,
          pictures_per_second=pictures / times.median,
          peak_bytes=found.peak_bytes,
        )
      )
  report.add(
    'epoch', 'Whole epochs of main.py, with validation and checkpoint', rows
  )


def datasets(settings: Settings, report: Report) -> None:
  """Times scripts/prepare_data.py on folders of photos."""
  rows = []
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    _say(f'finding {max(settings.photos)} photos')
    paths = photo_files.find(
      settings.source, max(settings.photos), folder / 'drawn'
    )
    for count in settings.photos:
      if count > len(paths):
        report.leave_out(
          f'a dataset of {count} photos: --source={settings.source} has '
          f'{len(paths)}'
        )
        continue
      _say(f'a dataset of {count} photos')
      source, data_dir = folder / f'photos{count}', folder / f'data{count}'
      photo_files.link(paths[:count], source)
      command = [
        'scripts/prepare_data.py',
        f'--source={source}',
        f'--data_dir={data_dir}',
      ]
      try:
        used = processes.usage_of(command, settings.root)
      except errors.UserError as error:
        report.leave_out(f'a dataset of {count} photos: {error}')
        continue
      rows.append(
        create_row(
          f'dataset of {count} photos',
          'photographs' if settings.source else 'drawn',
          timing.Times((used.seconds,)),
          seconds_per_picture=used.seconds / count,
          pictures_per_second=count / used.seconds,
          cores=used.cpu_seconds / used.seconds,
          peak_bytes=used.peak_bytes,
          bytes_per_picture=used.peak_bytes and used.peak_bytes / count,
        )
      )
  report.add('datasets', 'Building datasets; a picture is a photo here', rows)


SECTIONS: dict[str, Callable[[Settings, Report], None]] = {
  'products': products,
  'inference': inference,
  'training': training,
  'memory': memory,
  'startup': startup,
  'epoch': epoch,
  'scaling': scaling,
  'datasets': datasets,
}


def _case(settings: Settings, kind: str, size: int, batch: int) -> cases.Case:
  return cases.Case(kind, settings.config, size, batch)


def _modes(settings: Settings, kind: str) -> list[str]:
  """Returns the names of all modes, ours in float32 first."""
  ours = ['JAX float32', 'JAX bfloat16']
  if kind == 'inference' and on_cpu():
    ours.insert(1, f'JAX float32, {jax_cases.QUICK}')
  onnx = [_ONNX] if settings.onnx and kind == 'inference' else []
  torch = [f'PyTorch {mode}' for mode in settings.torch]
  return [*ours, *onnx, *torch]


def _compare(settings: Settings, report: Report, case: cases.Case) -> None:
  """Times a case in all modes, in turns, and adds its table."""
  _say(str(case))
  works, differences = _prepare(settings, report, case)
  times = _interleave(settings, {mode: w.call for mode, w in works.items()})
  flops = works['JAX float32'].count_flops() if works else None
  best = min(
    (t.median for m, t in times.items() if m.startswith('PyTorch float32')),
    default=None,
  )
  rows = []
  for mode, measured in times.items():
    row = _row(case, mode, measured, flops, report)
    row['difference'] = differences[mode]
    row['ratio'] = measured.median / best if best else None
    rows.append(row)
  title = str(case)[0].upper() + str(case)[1:]
  report.add(case.kind, f"{title}; ratio: to PyTorch's best float32 mode", rows)


def _prepare(
  settings: Settings, report: Report, case: cases.Case
) -> tuple[dict[str, cases.Work], dict[str, float]]:
  """Returns a case in all modes that work, warm, and how they differ.

  All start from the same weights, and in training from the same masks. What a
  mode differs by is the largest difference of its pictures from ours, or that
  of the loss of the first step.
  """
  start: dict[str, Any] = {}
  if settings.torch:
    from inpaint_jax.speed import torch_cases

    torch_cases.prepare(settings.num_threads)
    start['variables'] = jax_cases.create_net(case).variables
    if case.kind == 'training':
      start['masks'] = jax_cases.first_masks(case)
  works, differences, ours = {}, {}, None
  tolerance = _TOLERANCE.get(jax.default_backend(), _TOLERANCE_TF32)
  with _onnx_file(settings) as path:
    for mode in _modes(settings, case.kind):
      # Whatever a mode raises, such as for want of a C++ compiler, the others
      # can be measured.
      try:
        of_torch = start if mode.startswith('PyTorch') else {}
        work = cases.create(case, mode, path, **of_torch)
        result = work.call()
        for _ in range(timing.WARM_CALLS - 1):
          work.call()
      except Exception as error:
        report.leave_out(f'{case}: {mode}: {_line(error)}')
        continue
      ours = result if ours is None else ours
      difference = float(np.max(np.abs(result - ours)))
      # Written so that NaN, which compares as false, is left out as well.
      if 'bfloat16' not in mode and not difference <= tolerance:
        report.leave_out(
          f'{case}: {mode}: differs from ours by {difference:.2g}, more than '
          f'{tolerance:g}'
        )
        continue
      works[mode], differences[mode] = work, difference
  return works, differences


def _row(
  case: cases.Case,
  mode: str,
  times: timing.Times,
  flops: float | None,
  report: Report,
) -> Row:
  """Returns a row with all that follows from times and operations."""
  rate = flops / times.median if flops else None
  dtype = 'bfloat16' if 'bfloat16' in mode else 'float32'
  most = report.rates.get(dtype)
  return create_row(
    str(case),
    mode,
    times,
    kind=case.kind,
    size=case.size,
    batch=case.batch,
    seconds_per_picture=times.median / case.batch,
    pictures_per_second=case.batch / times.median,
    flops=flops,
    flops_per_second=rate,
    share=rate / most if rate and most else None,
  )


def _bytes(case: cases.Case, answer: Mapping[str, Any]) -> Row:
  """Returns the columns of memory: all, and what the work added a picture."""
  before, peak = answer['before_bytes'], answer['peak_bytes']
  added = None if peak is None else (peak - before) / case.batch
  return {'peak_bytes': peak, 'bytes_per_picture': added}


def _in_child(
  settings: Settings, report: Report, case: cases.Case, mode: str, **how: Any
) -> dict[str, Any] | None:
  """Returns what a process of its own measured; None if it failed."""
  _say(f'{case}, {mode}, in a process of its own')
  try:
    return processes.measure(
      case, mode, settings.root, num_threads=settings.num_threads, **how
    )
  except errors.UserError as error:
    report.leave_out(f'{case}: {mode}: {error}')
    return None


def _interleave(
  settings: Settings, calls: Mapping[Any, Callable[[], Any]]
) -> dict[Any, timing.Times]:
  return timing.interleave(
    calls, seconds=settings.seconds, rounds=settings.repeats
  )


@contextlib.contextmanager
def _onnx_file(settings: Settings) -> Iterator[pathlib.Path]:
  """Yields the path of the exported net; no file if it is not wanted."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'net.onnx'
    if settings.onnx:
      # It takes pictures of any size and number.
      size = min(settings.image_sizes)
      jax_cases.export_onnx(_case(settings, 'inference', size, 1), path)
    yield path


@contextlib.contextmanager
def _training_folder(
  settings: Settings,
) -> Iterator[tuple[list[str], pathlib.Path]]:
  """Yields the flags of main.py, with a new folder for all that it writes."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    config = settings.config
    flags = [
      f'--config={settings.root / "configs" / config.model.name}.py',
      f'--config.model.features={tuple(config.model.features)}',
      f'--config.batch_size={config.batch_size}',
      f'--config.num_epochs={config.num_epochs}',
      f'--config.data.image_size={config.data.image_size}',
      f'--config.data.num_train={config.data.num_train}',
      f'--config.data.num_val={config.data.num_val}',
      f'--config.data.num_test={config.data.num_test}',
      f'--config.data.data_dir={folder / "data"}',
    ]
    if settings.source:
      flags += [
        '--config.data.dataset=photo_crops',
        f'--config.data.source={settings.source}',
      ]
    yield flags, folder


def _first_step(
  settings: Settings,
  flags: list[str],
  workdir: pathlib.Path,
  cache: pathlib.Path,
) -> float:
  """Returns the seconds from the start of main.py to its first train/loss."""
  # Two folders: what JAX keeps, and what the package keeps unless it is told.
  env = {'JAX_COMPILATION_CACHE_DIR': str(cache), 'XDG_CACHE_HOME': str(cache)}
  command = ['main.py', *flags, f'--workdir={workdir}']
  found = processes.lines_of(command, settings.root, env, until=' train/loss ')
  return found.lines[-1][0]


def _memory() -> int:
  """Returns the bytes of memory of this machine."""
  return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def _line(error: Exception) -> str:
  """Returns what is wrong, in one line."""
  text = errors.one_line(error)
  return text[:200]


def _say(line: str) -> None:
  """Says what is being done, beside the report."""
  print(f'measuring {line}', file=sys.stderr, flush=True)
