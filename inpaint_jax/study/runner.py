"""Goes through the runs: takes the next free one, trains it, tests it."""

from collections.abc import Sequence
import contextlib
import io
import os
import pathlib
import platform
import shutil
import sys
import threading
import time

import jax
import numpy as np

import inpaint_jax
from inpaint_jax import models
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.study import claims, plan, results, testing
from inpaint_jax.system import json_files, machine
from inpaint_jax.training import (
  evaluate,
  input_pipeline,
  run as run_configs,
  train,
)


def work(
  study: plan.Plan, workdir: pathlib.Path, runs: Sequence[plan.Run]
) -> None:
  """Trains those of the runs that are neither finished nor in other hands.

  Args:
    study: what belongs to the folder.
    workdir: the study's folder.
    runs: those of the study that are wanted.

  Raises:
    errors.UserError: something the user can mend; what is finished stays.
  """
  for cell in study.cells:
    run_configs.check(cell.config)
  dataset = input_pipeline.load(study.base.data, workdir / 'dataset.json')
  data_hash = testing.data_hash(dataset)
  rows = results.gather(workdir, study)
  while taken := _take_next(workdir, runs, rows):
    run, claim = taken
    try:
      row = _run(run, study, workdir, data_hash)
      if not claim.is_ours():
        _stop_as_lost()
      json_files.write(results.result_path(workdir, run.name), row)
    except BaseException:
      claim.release()
      raise
    # Only needed to go on from.
    latest = results.run_folder(workdir, run.name) / 'checkpoints' / 'latest'
    shutil.rmtree(latest, ignore_errors=True)
    claim.remove()
    rows = results.gather(workdir, study)
    print(_progress(workdir, study, runs, rows, row), flush=True)


def measure_baselines(workdir: pathlib.Path, study: plan.Plan) -> None:
  """Writes baselines.json once the base is trained: mean fill, Telea."""
  path = workdir / 'baselines.json'
  folder = results.run_folder(workdir, plan.run_name(plan.BASE, study.seeds[0]))
  if path.exists() or not (folder / 'checkpoints' / 'best').exists():
    return
  with contextlib.redirect_stdout(io.StringIO()):
    report = evaluate.evaluate(folder)
  ours = study.base.model.name
  means = {k: v for k, v in report['metrics'].items() if k != ours}
  json_files.write(path, means)


def is_finished(
  workdir: pathlib.Path, run: plan.Run, rows: Sequence[results.Row]
) -> bool:
  """Returns whether a run needs no training any more."""
  if results.result_path(workdir, run.name).exists():
    return True
  return run.name in map(results.row_name, rows)


def time_left(
  rows: Sequence[results.Row], left: Sequence[plan.Run], processes: int
) -> float | None:
  """Returns the seconds that some runs will take, None if none was timed.

  Each is taken to last as long as those of its net did.

  Args:
    rows: of the runs that are finished.
    left: the runs.
    processes: that share them.
  """
  timed = [row for row in rows if row['total_seconds']]
  if not timed:
    return None

  def seconds(run: plan.Run) -> float:
    alike = [r for r in timed if r['model'] == run.cell.config.model.name]
    return float(np.mean([r['total_seconds'] for r in alike or timed]))

  return sum(map(seconds, left)) / max(1, min(processes, len(left)))


def end_with(parent: int) -> None:
  """Ends this process soon after its parent, which may be killed."""

  def watch() -> None:
    while os.getppid() == parent:
      time.sleep(2)
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()


def _take_next(
  workdir: pathlib.Path,
  runs: Sequence[plan.Run],
  rows: Sequence[results.Row],
) -> tuple[plan.Run, claims.Claim] | None:
  for run in runs:
    if is_finished(workdir, run, rows):
      continue
    folder = results.run_folder(workdir, run.name)
    claim = claims.take(folder, _stop_as_lost)
    if claim is None:
      continue
    if not is_finished(workdir, run, rows):
      return run, claim
    claim.remove()
  return None


def _stop_as_lost() -> None:
  """Ends the process at once: a kill does no harm, two writers might."""
  print(
    'error: another process has taken over this run, since this one was '
    'stopped for minutes; start the same command again',
    file=sys.stderr,
    flush=True,
  )
  os._exit(1)


def _run(
  run: plan.Run,
  study: plan.Plan,
  workdir: pathlib.Path,
  data_hash: str,
) -> results.Row:
  """Trains and tests a run, and returns its row."""
  start = time.monotonic()
  folder = results.run_folder(workdir, run.name)
  config = run.config
  row = {
    'schema': results.SCHEMA,
    'cell': run.cell.name,
    'names': ' '.join(run.cell.names),
    'seed': run.seed,
    'status': results.FINISHED,
    'model': config.model.name,
    'loss': config.loss,
    'optimizer': config.optimizer.name,
    'momentum': config.optimizer.momentum,
    'learning_rate': config.optimizer.learning_rate,
    'batch_size': config.batch_size,
    'image_size': config.data.image_size,
    'device': _device(),
    'cores': machine.num_cores(),
    'versions': _versions(),
    'data_hash': data_hash,
    'config_hash': plan.fingerprint(run.cell.config),
  }
  with (
    (folder / 'log.txt').open('a') as log,
    contextlib.redirect_stdout(log),
    contextlib.redirect_stderr(log),
  ):
    try:
      finished = train.train(config, folder)
    except train.DivergedError as error:
      print(error)
      row['status'] = results.DIVERGED
    else:
      row |= {
        'steps': int(finished.state.step),
        'seconds': finished.seconds,
        'pictures_per_second': finished.pictures_per_second,
      }
      row |= _test(run, folder, is_first=run.seed == study.seeds[0])
  dataset = input_pipeline.load(config.data, folder / 'dataset.json')
  row['dataset'] = dataset.name
  row |= {f'num_{k}': len(split) for k, split in dataset.splits.items()}
  row['total_seconds'] = time.monotonic() - start
  return row


def _test(
  run: plan.Run, folder: pathlib.Path, *, is_first: bool
) -> results.Row:
  """Tests the best epoch of a run; keeps each picture's metrics beside it."""
  net = trained_model.load_run(folder)
  dataset = input_pipeline.load(run.config.data, folder / 'dataset.json')
  tested = testing.test(net, dataset.splits['test'])
  with workdirs.disk_full_as_user_error(folder):
    np.savez_compressed(folder / 'per_picture.npz', **tested.values)
    np.savez_compressed(folder / 'pictures.npz', **tested.shown)
  row = {
    'best_step': net.step,
    'parameters': models.count_parameters(net.variables['params']),
    'mask_hash': tested.mask_hash,
  }
  if is_first:
    row['inference_seconds'] = testing.inference_seconds(net)
  row |= {f'test/{k}': float(v.mean()) for k, v in tested.values.items()}
  row |= {k: v for k, v in net.info.items() if k.startswith('val/')}
  return row


def _progress(
  workdir: pathlib.Path,
  study: plan.Plan,
  runs: Sequence[plan.Run],
  rows: Sequence[results.Row],
  row: results.Row,
) -> str:
  """Returns a line on a run that ended, and on the time that is left."""
  left = [run for run in runs if not is_finished(workdir, run, rows)]
  holders = [
    claims.holder(results.run_folder(workdir, run.name)) for run in left
  ]
  others = sum(holder is not None and not holder.is_stale for holder in holders)
  seconds = time_left(rows, left, 1 + others)
  found = row['status']
  if found == results.FINISHED:
    found = f'hole_psnr {row["test/hole_psnr"]:.2f}'
  done = len(runs) - len(left)
  ahead = f'about {format_seconds(seconds)} left' if left else 'the last one'
  return (
    f'[{done}/{len(runs)}] {results.row_name(row)}: {found}, '
    f'{format_seconds(row["total_seconds"])}; {ahead}'
  )


def format_seconds(seconds: float | None) -> str:
  """Returns such as 40 s, 12 min or 3.4 h."""
  if seconds is None:
    return 'an unknown time'
  if seconds < 100:
    return f'{seconds:.0f} s'
  if seconds < 6000:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'


def _device() -> str:
  device = jax.devices()[0]
  if device.platform != 'cpu':
    return f'{len(jax.devices())} x {device.device_kind}'
  return machine.cpu_name()


def _versions() -> str:
  import flax
  import optax

  parts = {
    'inpaint_jax': inpaint_jax.__version__,
    'jax': jax.__version__,
    'flax': flax.__version__,
    'optax': optax.__version__,
    'numpy': np.__version__,
    'python': platform.python_version(),
  }
  return ', '.join(f'{name} {version}' for name, version in parts.items())
