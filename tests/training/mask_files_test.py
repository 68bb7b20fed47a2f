"""Runs whose masks are files."""

import json
import shutil

import ml_collections
import numpy as np
from PIL import Image
import pytest
import tiny_model

from configs import smoke
from inpaint_jax import models
from inpaint_jax.photos import mask_folder
from inpaint_jax.system import errors
from inpaint_jax.training import evaluate, train

pytestmark = pytest.mark.slow


def _write(folder, name, rows):
  folder.mkdir(exist_ok=True)
  hole = np.zeros((32, 32), np.uint8)
  hole[rows, 8:20] = 255
  Image.fromarray(hole).save(folder / f'{name}.png')


@pytest.fixture
def config(tmp_path, data_dir, monkeypatch) -> ml_collections.ConfigDict:
  """A small run with three masks in tmp_path/masks."""
  monkeypatch.setitem(models.MODELS, 'tiny', tiny_model.Tiny)
  for i in range(3):
    _write(tmp_path / 'masks', i, slice(4 + i, 20))
  config = smoke.get_config()
  config.data.data_dir = str(data_dir)
  config.model.name = 'tiny'
  config.num_samples = 0
  config.masks.update(kind='files', source=str(tmp_path / 'masks'))
  return config


def _metrics(workdir, name='test_metrics.json'):
  return json.loads((workdir / name).read_text())['metrics']['tiny']


@pytest.mark.usefixtures('no_lpips')
def test_a_run_knows_its_masks_by_their_content(config, tmp_path):
  masks, run = tmp_path / 'masks', tmp_path / 'run'
  train.train_and_evaluate(config, run)
  first = _metrics(run)
  # Moved masks are the same: the run goes on, and its test is its own.
  masks.rename(tmp_path / 'moved')
  config.masks.source = str(tmp_path / 'moved')
  train.train_and_evaluate(config, run)
  assert _metrics(run) == first
  evaluate.evaluate(run, {'masks.source': config.masks.source})
  assert not (run / 'test_other.json').exists()
  # Other masks are not.
  _write(tmp_path / 'moved', 'more', slice(0, 30))
  with pytest.raises(errors.UserError, match=r'another config: masks\.digest'):
    train.train(config, run)
  evaluate.evaluate(run, {})
  assert _metrics(run) == first
  assert _metrics(run, 'test_other.json') != first


@pytest.mark.usefixtures('no_lpips')
def test_a_run_is_tested_on_other_kinds_of_masks(config, tmp_path):
  run = tmp_path / 'run'
  train.train_and_evaluate(config, run)
  shutil.rmtree(tmp_path / 'masks')
  evaluate.evaluate(run, {'masks.kind': 'box'})
  assert _metrics(run, 'test_other.json') != _metrics(run)
  with pytest.raises(
    errors.UserError, match=r'is no folder; set masks\.source'
  ):
    evaluate.evaluate(run, {})


def test_a_workdir_may_lie_among_the_masks(config, tmp_path):
  run = tmp_path / 'masks' / 'run'
  config.num_samples = 2
  train.train(config, run)
  assert list((run / 'samples').glob('*.png'))
  train.train(config, run)


def test_a_file_that_is_no_mask_stops_before_anything_is_written(
  config, tmp_path
):
  (tmp_path / 'masks' / 'b.png').write_text('no picture')
  config.data.data_dir = str(tmp_path / 'data')
  with pytest.raises(errors.UserError, match=r'b\.png cannot be read'):
    train.train(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()
  assert not (tmp_path / 'data').exists()


def test_what_is_odd_about_masks_is_told_once(tmp_path, capsys):
  grey = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
  for name in 'ab':
    Image.fromarray(grey).save(tmp_path / f'{name}.png')
  paths = mask_folder.list_files(str(tmp_path))
  for _ in range(2):
    mask_folder.read(paths, 32, 32)
  out = capsys.readouterr().out
  assert out.count('\n') == 1
  assert 'a.png is not black and white' in out
  assert '; 2 of 2 masks' in out
