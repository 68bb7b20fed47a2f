"""Validation and test: the same pictures, holes and metrics every time."""

import json

import numpy as np
import pytest

from inpaint_jax import baselines, masks
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors, sharding
from inpaint_jax.training import evaluate, input_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('quick_compile')]


@pytest.fixture
def measure(trained):
  """Measures the validation split in batches of some size."""
  found = trained_model.load_run(trained)
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
    return evaluate.evaluate_split(step, found.variables, source, config, mesh)

  return measure


def test_padding_and_batch_size_move_nothing(measure):
  """Six pictures: no padding in batches of 3, two or more in 4 and 16."""
  wanted = measure(3)
  assert len(wanted['loss']) == 6
  assert tuple(wanted) == evaluate.NAMES
  for batch_size in (4, 16):
    found = measure(batch_size)
    for name in wanted:
      np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4)


def test_the_report_of_a_run(trained, capsys):
  report = evaluate.evaluate(trained)
  written = json.loads((trained / 'test_metrics.json').read_text())
  assert json.loads(json.dumps(report)) == written
  assert set(report['metrics']) == {'unet', *baselines.BASELINES}
  names = {*evaluate.NAMES, 'hole_area', 'lpips'} - {'loss'}
  for values in report['metrics'].values():
    assert names <= set(values)
    assert all(np.isfinite(x) for x in values.values())
  # The buckets are the whole, taken apart.
  buckets = report['by_hole_area']['unet']
  assert sum(row['count'] for row in buckets) == report['pictures'] == 7
  mean = sum(row['count'] * row['means']['hole_l1'] for row in buckets) / 7
  assert mean == pytest.approx(report['metrics']['unet']['hole_l1'], rel=1e-5)

  out = capsys.readouterr().out
  assert 'test: 7 pictures of 32x32 (synthetic), masks stamps' in out
  for word in ('unet', 'mean_fill', 'telea', 'seam_ratio', '10% to 20%'):
    assert word in out


def test_baselines_beat_a_net_of_ten_steps(trained):
  """Telea fills small holes better than mean colour, and that than noise."""
  means = evaluate.evaluate(trained)['metrics']
  order = [means[x]['hole_psnr'] for x in ('telea', 'mean_fill', 'unet')]
  assert order == sorted(order, reverse=True)


def test_masks_can_be_changed_and_the_net_cannot(trained, capsys):
  stamps = evaluate.evaluate(trained)
  boxes = evaluate.evaluate(trained, {'masks.kind': 'box', 'batch_size': 3})
  assert 'masks box' in capsys.readouterr().out
  assert stamps['metrics'] != boxes['metrics']
  with pytest.raises(errors.UserError, match='loss is part of'):
    evaluate.evaluate(trained, {'loss': 'l1'})
  evaluate.evaluate(trained)


def test_without_the_extra_its_columns_are_left_out(
  trained, monkeypatch, capsys
):
  monkeypatch.setattr(evaluate.lpips, 'load', lambda _: None)
  monkeypatch.setattr(
    evaluate.baselines,
    'available',
    lambda: {'mean_fill': baselines.mean_fill},
  )
  report = evaluate.evaluate(trained)
  assert set(report['metrics']) == {'unet', 'mean_fill'}
  assert 'lpips' not in report['metrics']['unet']
  out = capsys.readouterr().out
  assert 'no LPIPS: pip install' in out
  assert 'no telea: pip install' in out


def test_a_run_without_a_checkpoint(trained, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    evaluate.evaluate(tmp_path)
  (tmp_path / 'config.json').write_bytes((trained / 'config.json').read_bytes())
  with pytest.raises(errors.UserError, match='has no checkpoint yet'):
    evaluate.evaluate(tmp_path)
