"""Validation and test: the same images, holes and metrics every time."""

import json
import shutil

from datasets import samples
import numpy as np
import pytest

from inpaint_jax import baselines, masks
from inpaint_jax.release import released_file
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors, sharding
from inpaint_jax.training import evaluate, input_pipeline, report_text, train

pytestmark = pytest.mark.slow


@pytest.fixture
def copied(trained, tmp_path_factory):
  """A copy of the run, since each evaluation writes its report there."""
  return shutil.copytree(trained, tmp_path_factory.mktemp('copied') / 'run')


@pytest.fixture
def measure(copied):
  """Measures the validation split in batches of some size."""
  found = trained_model.load_run(copied)
  source = input_pipeline.load(found.config.data).splits['val']
  mesh = sharding.create_mesh()
  step = evaluate.make_eval_step(
    found.model,
    found.loss,
    masks.create_sampler(found.config.masks),
    found.config,
  )

  def measure(batch_size):
    config = found.config.copy_and_resolve_references()
    config.batch_size = batch_size
    measured, _ = evaluate.evaluate_split(
      step, found.variables, source, config, mesh
    )
    return measured

  return measure


def test_padding_and_batch_size_move_nothing(measure):
  """Six images need no padding in batches of 3, but two or more in 4 and 16."""
  wanted = measure(3)
  assert len(wanted['loss']) == 6
  assert tuple(wanted) == evaluate.metric_names()
  for batch_size in (4, 16):
    found = measure(batch_size)
    for name in wanted:
      np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4)


def test_the_report_of_a_run(copied):
  report = json.loads((copied / 'test_metrics.json').read_text())
  assert set(report['metrics']) == {'unet', *baselines.BASELINES}
  names = {*evaluate.metric_names(), 'hole_area', 'lpips', 'lpips_vgg'} - {
    'loss'
  }
  names |= {'texture_ratio', 'detectability', 'fooled'}
  for values in report['metrics'].values():
    assert names <= set(values)
    assert all(np.isfinite(x) for x in values.values())
  # The buckets contain each image once.
  buckets = report['by_hole_area']['unet']
  assert sum(row['count'] for row in buckets) == report['images'] == 7
  mean = sum(row['count'] * row['means']['hole_l1'] for row in buckets) / 7
  assert mean == pytest.approx(report['metrics']['unet']['hole_l1'], rel=1e-5)

  out = report_text.format_report(report)
  assert 'test: 7 images of 32x32 (synthetic), masks stamps' in out
  for word in ('unet', 'mean_fill', 'telea', 'seam_ratio', '10% to 20%'):
    assert word in out


def test_baselines_beat_a_net_of_ten_steps(copied):
  """Telea fills small holes better than the mean colour, the model worst."""
  means = json.loads((copied / 'test_metrics.json').read_text())['metrics']
  order = [means[x]['hole_psnr'] for x in ('telea', 'mean_fill', 'unet')]
  assert order == sorted(order, reverse=True)


@pytest.mark.usefixtures('no_lpips')
def test_masks_can_be_changed_and_the_net_cannot(copied, capsys):
  stamps = evaluate.evaluate(copied)
  written = json.loads((copied / 'test_metrics.json').read_text())
  assert json.loads(json.dumps(stamps)) == written
  boxes = evaluate.evaluate(copied, {'masks.kind': 'box', 'batch_size': 3})
  shown = capsys.readouterr()
  # Standard error is no terminal here: a log file shows progress, too.
  assert 'testing: 100%' in shown.err
  out = shown.out
  assert 'masks stamps' in out
  assert 'masks box' in out
  assert stamps['metrics'] != boxes['metrics']
  with pytest.raises(errors.UserError, match='loss is part of'):
    evaluate.evaluate(copied, {'loss': 'l1'})


@pytest.mark.usefixtures('no_lpips')
def test_without_the_extra_its_columns_are_left_out(
  copied, monkeypatch, capsys
):
  monkeypatch.setattr(
    evaluate.baselines,
    'available',
    lambda: {'mean_fill': baselines.mean_fill},
  )
  report = evaluate.evaluate(copied)
  assert set(report['metrics']) == {'unet', 'mean_fill'}
  missing = {'lpips', 'lpips_vgg', 'detectability', 'fooled'}
  assert not missing & set(report['metrics']['unet'])
  assert 'texture_ratio' in report['metrics']['unet']
  out = capsys.readouterr().out
  assert 'no LPIPS: pip install' in out
  assert 'no telea: pip install' in out


@pytest.mark.usefixtures('no_lpips')
def test_a_released_model_is_tested_as_its_run_is(copied, tmp_path):
  path, run = tmp_path / 'unet.safetensors', trained_model.load_run(copied)
  released_file.write(path, run, {})
  workdir = tmp_path / 'tests'
  # A released file does not name the folder of datasets.
  overrides = {'data.data_dir': run.config.data.data_dir}
  report = evaluate.evaluate(workdir, overrides, str(path))
  written = json.loads((workdir / 'test_other.json').read_text())
  assert written == json.loads(json.dumps(report))
  assert written['model'] == str(path)
  own = json.loads((copied / 'test_metrics.json').read_text())
  assert report['images'] == own['images']
  # The run's own test may have LPIPS, which this one lacks.
  ours, theirs = (x['metrics']['telea'] for x in (report, own))
  assert ours == {name: theirs[name] for name in ours}
  # The parameters of the released model were stored in half precision.
  ours, theirs = (x['metrics']['unet']['hole_l1'] for x in (report, own))
  assert ours == pytest.approx(theirs, abs=1e-3)


def test_a_table_needs_a_folder(tmp_path):
  file = tmp_path / 'file'
  file.touch()
  with pytest.raises(errors.UserError, match='cannot be written to'):
    evaluate.evaluate(file, model='unet-landscapes')


@pytest.mark.parametrize(
  'field', ['data.cache', 'masks.kind', 'masks.strokes', 'data.dataset']
)
def test_overrides_are_checked_as_in_training(copied, field):
  with pytest.raises(errors.UserError, match=f"{field}='nonsense'"):
    evaluate.evaluate(copied, {field: 'nonsense'})


@pytest.mark.parametrize(
  'overrides', [{'data.nothing': 1}, {'batch_size': 'a'}]
)
def test_overrides_that_no_run_has(copied, overrides):
  with pytest.raises(errors.UserError, match='no such override: '):
    evaluate.evaluate(copied, overrides)


def test_a_folder_of_test_photos_is_enough(copied, tmp_path, monkeypatch):
  samples.save_scene(tmp_path / 'photos/test/a.png', 0, 64, 64)
  monkeypatch.setattr(
    evaluate, '_measure', lambda *_: {'unet': {'hole_area': np.zeros(1)}}
  )
  monkeypatch.setattr(report_text, 'format_report', str)
  overrides = {
    'data.dataset': 'photo_crops',
    'data.source': str(tmp_path / 'photos'),
    'data.split': 'folders',
    'data.data_dir': str(tmp_path / 'data'),
  }
  assert evaluate.evaluate(copied, overrides)['images'] == 1


def test_a_run_without_a_checkpoint(copied, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    evaluate.evaluate(tmp_path)
  (tmp_path / 'config.json').write_bytes((copied / 'config.json').read_bytes())
  with pytest.raises(errors.UserError, match='has no best checkpoint'):
    evaluate.evaluate(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures('no_lpips')
def test_no_number_and_no_folder_brings_a_trained_photo_into_a_test(
  config, tmp_path, monkeypatch
):
  """A run in the folder of its photos can be tested, also after a move."""
  source = tmp_path / 'photos'
  for i in range(16):
    samples.save_scene(source / f'{i}.png', i, 64, 64)
  config.data.dataset, config.data.source = 'photo_crops', str(source)
  config.data.data_dir = str(tmp_path / 'data')
  config.data.num_train, config.data.num_val, config.data.num_test = 11, 1, 1
  config.num_epochs = 1
  run = source / 'run'
  train.train_and_evaluate(config, run)
  seen = []
  splits = input_pipeline.load(config.data).splits
  trained_on = {splits['train'][i]['image'].tobytes() for i in range(11)}

  def measure(trained, source, config, mesh):
    seen[:] = [source[i]['image'].tobytes() for i in range(len(source))]
    return {'unet': {'hole_area': np.zeros(len(seen))}}

  monkeypatch.setattr(evaluate, '_measure', measure)
  monkeypatch.setattr(report_text, 'format_report', str)
  for overrides in (
    {'data.num_test': 9},
    {'data.num_train': 1, 'data.num_val': 1, 'data.num_test': 9},
  ):
    evaluate.evaluate(run, overrides)
    assert len(seen) == 3
    assert not trained_on & set(seen)
    assert (run / 'test_other.json').exists()
    (run / 'test_other.json').unlink()

  # The run and its dataset or photos are moved; it writes its own test again.
  moved = run.rename(tmp_path / 'moved')
  (tmp_path / 'data').rename(tmp_path / 'data2')
  photos = source.rename(tmp_path / 'photos2')
  with pytest.raises(errors.UserError, match=r'set data\.data_dir to the'):
    evaluate.evaluate(moved)
  for overrides in (
    {'data.data_dir': str(tmp_path / 'data2')},
    {'data.data_dir': str(tmp_path / 'data3'), 'data.source': str(photos)},
  ):
    (moved / 'test_metrics.json').unlink()
    evaluate.evaluate(moved, overrides)
    assert len(seen) == 1
    assert (moved / 'test_metrics.json').exists()
    assert not (moved / 'test_other.json').exists()
