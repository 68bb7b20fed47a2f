"""A small study that was trained, and a large one with made-up results."""

import math
import shutil

import numpy as np
import pytest
import tiny_model

from configs import study as study_config
from inpaint_jax import lpips, models
from inpaint_jax.study import folder, plan, report, results, runner

NUM_TEST = 40


def _use_tiny(patch):
  patch.setitem(models.MODELS, 'tiny', tiny_model.Tiny)
  patch.setattr(lpips, 'load', tiny_model.load_lpips)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
  _use_tiny(monkeypatch)


@pytest.fixture(scope='session')
def smoke(data_dir):
  """The plan of `smoke`: two cells of two seeds."""
  config = study_config.get_config('smoke')
  config.data.data_dir = str(data_dir)
  config.model.name = 'tiny'
  return plan.create_plan(config)


@pytest.fixture(scope='session')
def studied(smoke, make_once):
  """The folder of the whole study of `smoke`."""

  def make(workdir):
    with pytest.MonkeyPatch.context() as patch:
      _use_tiny(patch)
      data_hash = runner.prepare(workdir, smoke, 'python scripts/benchmark.py')
      runner.train_runs(smoke.runs, smoke, workdir, data_hash=data_hash)
      report.write(workdir)

  return make_once('studied', make)


@pytest.fixture
def copied(studied, tmp_path):
  """A copy of `studied` that a test may change."""
  return shutil.copytree(studied, tmp_path / 'study')


@pytest.fixture(scope='session')
def small():
  """The plan of `small`, 22 cells of 3 seeds."""
  return plan.create_plan(study_config.get_config('small'))


@pytest.fixture(scope='session')
def make_row():
  """A function (cell, seed, hole_psnr, **fields) -> row of a finished run."""

  def make(cell, seed, hole_psnr, **fields):
    config = cell.config
    l1 = 10 ** (-hole_psnr / 20) / 2
    row = dict.fromkeys(results.COLUMNS)
    row |= {
      'schema': results.SCHEMA,
      'cell': cell.name,
      'names': ' '.join(cell.names),
      'seed': seed,
      'status': results.FINISHED,
      'model': config.model.name,
      'loss': config.loss,
      'optimizer': config.optimizer.name,
      'momentum': config.optimizer.momentum,
      'learning_rate': config.optimizer.learning_rate,
      'batch_size': config.batch_size,
      'image_size': config.data.image_size,
      'steps': 600,
      'best_step': 600,
      'parameters': 2_662_659,
      'seconds': 100.0 + seed,
      'total_seconds': 110.0,
      'device': 'a processor',
      'cores': 1,
      'versions': 'inpaint_jax 0.1.0, jax 0.10.2',
      'dataset': 'synthetic/x',
      'num_train': 960,
      'num_val': 160,
      'num_test': NUM_TEST,
      'data_hash': 'd' * 16,
      'mask_hash': 'e' * 16,
      'config_hash': plan.fingerprint(config),
      'test/hole_psnr': hole_psnr,
      'test/hole_l1': l1,
      'test/l1': l1 / 3,
      'test/ssim': 0.5 + hole_psnr / 60,
      'test/seam_ratio': 1.5,
      'test/texture_ratio': 0.5,
      'test/lpips': l1 / 4,
      'test/lpips_vgg': l1 / 2,
      'test/detectability': 0.8,
      'val/loss': l1**2,
      'val/hole_psnr': hole_psnr,
    }
    return row | fields

  return make


def _hole_psnr(cell, random):
  """Returns a number that depends on the cell as one might expect."""
  rate = cell.config.optimizer.learning_rate
  best = {'adam': -3, 'sgd': -0.5, 'rmsprop': -3.5, 'adagrad': -2.2}
  psnr = 19 - 1.5 * abs(math.log10(rate) - best[cell.config.optimizer.name])
  psnr -= 2.0 * (cell.config.model.name != 'unet')
  psnr -= 0.02 * len(cell.config.loss)
  return psnr + random.normal(0, 0.1)


@pytest.fixture
def made_up(small, make_row, tmp_path):
  """The folder of `small`, with tables of made-up numbers and no runs."""
  random = np.random.default_rng(0)
  rows = []
  steps = np.arange(0, 601, 20).clip(1)
  for run in small.runs:
    psnr = _hole_psnr(run.cell, random)
    row = make_row(run.cell, run.seed, psnr)
    if run.seed == 0:
      row['inference_seconds'] = 0.25
    row |= {
      f'images/{metric}': row[f'test/{metric}']
      + 0.02 * random.normal(0, 1, NUM_TEST).astype(np.float32)
      for metric in results.METRICS
    }
    ends = steps % 120 == 0
    growth = np.log10(steps + 30) / np.log10(630)
    loss = 0.3 ** (psnr / 5 * growth)
    row['curves'] = {
      'step': steps,
      'train/loss': loss * random.uniform(0.9, 1.1, len(steps)),
      'val/loss': np.where(ends, loss, np.nan),
      'val/hole_psnr': np.where(ends, psnr * growth, np.nan),
      'val/hole_l1': np.where(ends, loss, np.nan),
      'val/l1': np.where(ends, loss, np.nan),
    }
    rows.append(row)
  folder.create(tmp_path, small, 'python scripts/benchmark.py')
  results.write_study(tmp_path, rows)
  return tmp_path
