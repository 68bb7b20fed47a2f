"""Trains and tests the runs of a study, one after the other."""

from collections.abc import Sequence
import contextlib
import pathlib
import platform
import shutil
import time
from typing import Any

import flax
import jax
import numpy as np
import optax
import tqdm

import inpaint_jax
from inpaint_jax import datasets
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import estimates, folder, plan, results, testing
from inpaint_jax.system import json_files, machine
from inpaint_jax.training import evaluate, input_pipeline, setup, train

# Hours, minutes and seconds, as 1:02:03 or 02:03.
_format = tqdm.tqdm.format_interval


def prepare(workdir: pathlib.Path, study: plan.Plan, command: str) -> str:
  """Makes the folder and the dataset of a study; returns the dataset's hash.

  Raises:
    errors.UserError: something the user can fix, such as a mistake in the
      config, which leaves no folder behind, or finished runs of other images.
  """
  for cell in study.cells:
    input_pipeline.check(cell.config)
    setup.create_setup(cell.config)
  workdirs.check_not_source(workdir, study.base)
  record = workdir / 'dataset.json'
  if not record.exists():
    datasets.load(study.base.data)
  folder.create(workdir, study, command)
  data_hash = testing.data_hash(input_pipeline.load(study.base.data, record))
  folder.check_images(workdir, data_hash)
  return data_hash


def train_runs(
  runs: Sequence[plan.Run],
  study: plan.Plan,
  workdir: pathlib.Path,
  *,
  data_hash: str,
  write_tables: bool = True,
) -> None:
  """Trains and tests those of the runs that are not finished.

  Args:
    write_tables: whether to update the tables after each run; False if other
      processes train other runs.

  Raises:
    errors.UserError: something the user can fix; finished runs are kept.
  """
  rows = folder.read_rows(workdir, [run.name for run in runs])
  left = [run for run in runs if run.name not in rows]
  print(
    f'{len(runs)} runs of {len(study.cells)} cells, {len(left)} to do; logs in '
    f'{workdir / "runs"}/*/log.txt',
    flush=True,
  )
  estimate = estimates.Estimates(study)
  if left:
    seconds = estimate.left(left, rows.values())
    print(f'about {_format(seconds)} by what was measured here', flush=True)
  for number, run in enumerate(left, 1):
    row = rows[run.name] = train_run(run, workdir, data_hash)
    if write_tables:
      folder.gather(workdir)
    seconds = estimate.left(left[number:], rows.values())
    outcome = row['status']
    if outcome == results.FINISHED:
      outcome = f'hole_psnr {row["test/hole_psnr"]:.2f}'
    print(
      f'[{len(runs) - len(left) + number}/{len(runs)}] {run.name}: {outcome}, '
      f'{_format(row["total_seconds"])}; about {_format(seconds)} left',
      flush=True,
    )


def train_run(
  run: plan.Run, workdir: pathlib.Path, data_hash: str
) -> results.Row:
  """Trains and tests a run; returns its row, and leaves it as result.json."""
  start = time.monotonic()
  path, config = folder.run_folder(workdir, run.name), run.config
  path.mkdir(parents=True, exist_ok=True)
  row = _describe(run) | {'data_hash': data_hash}
  with (
    (path / 'log.txt').open(
      'a', encoding='utf-8', errors='backslashreplace'
    ) as log,
    contextlib.redirect_stdout(log),
    contextlib.redirect_stderr(log),
  ):
    try:
      result = train.train(config, path)
    except train.DivergedError as error:
      print(error)
      row['status'] = results.DIVERGED
    else:
      row |= {
        'steps': int(result.state.step),
        'seconds': result.seconds,
        'images_per_second': result.images_per_second,
        **testing.test_run(path),
      }
    dataset = input_pipeline.load(config.data, path / 'dataset.json')
    row['dataset'] = dataset.name
    row |= {f'num_{k}': len(split) for k, split in dataset.splits.items()}
    row['total_seconds'] = time.monotonic() - start
    is_base = run.cell.name == plan.BASE and row['status'] == results.FINISHED
    if is_base and not folder.has_baselines(workdir):
      # For the baselines, which folder.gather takes from test_metrics.json.
      evaluate.evaluate(path)
  json_files.write(path / 'result.json', row)
  # Needed only to resume.
  shutil.rmtree(path / 'checkpoints' / 'latest', ignore_errors=True)
  return row


def _describe(run: plan.Run) -> results.Row:
  """Returns the columns that are known before the training."""
  config = run.config
  packages: tuple[Any, ...] = (inpaint_jax, jax, flax, optax, np)
  versions = [f'{x.__name__} {x.__version__}' for x in packages]
  return {
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
    'device': estimates.device(),
    'cores': machine.num_cores(),
    'versions': ', '.join([*versions, f'python {platform.python_version()}']),
    'config_hash': plan.fingerprint(run.cell.config),
  }
