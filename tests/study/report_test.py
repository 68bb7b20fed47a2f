"""The study's tables, statistics and report, of made-up results."""

import math

import numpy as np
import PIL.Image
import pytest
from scipy import stats

from configs import study as study_config
from inpaint_jax.study import (
  comparisons,
  plan,
  plots,
  report,
  results,
  statistics,
)
from inpaint_jax.system import errors

_TEST_PICTURES = 40


def make_row(cell, seed, hole_psnr, **fields):
  """Returns a row of a finished run; `fields` take precedence."""
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
    'num_test': _TEST_PICTURES,
    'data_hash': 'd' * 16,
    'mask_hash': 'e' * 16,
    'config_hash': plan.fingerprint(config),
    'test/hole_psnr': hole_psnr,
    'test/hole_l1': l1,
    'test/l1': l1 / 3,
    'test/ssim': 0.5 + hole_psnr / 60,
    'test/seam_ratio': 1.5,
    'val/loss': l1**2,
  }
  return row | fields


def _hole_psnr(cell, random):
  """Returns a number that depends on the cell as one might expect."""
  rate = cell.config.optimizer.learning_rate
  best = {'adam': -3, 'sgd': -0.5, 'rmsprop': -3.5, 'adagrad': -2.2}
  psnr = 19 - 1.5 * abs(math.log10(rate) - best[cell.config.optimizer.name])
  psnr -= 2.0 * (cell.config.model.name != 'unet')
  psnr -= 0.02 * len(cell.config.loss)
  return psnr + random.normal(0, 0.1)


@pytest.fixture
def small():
  """The plan of `small`, 22 cells of 3 seeds."""
  return plan.create_plan(study_config.get_config('small'))


@pytest.fixture
def folder(small, tmp_path):
  """A study's folder as it is after all runs of `small`."""
  write_results(small, tmp_path)
  return tmp_path


def write_results(study, workdir):
  """Writes what a whole study leaves, of made-up numbers."""
  random = np.random.default_rng(0)
  pictures, curves, rows = {}, {}, []
  steps = np.arange(0, 601, 20).clip(1)
  for run in study.runs:
    psnr = _hole_psnr(run.cell, random)
    row = make_row(run.cell, run.seed, psnr)
    if run.seed == 0:
      row['inference_seconds'] = 0.25
    rows.append(row)
    pictures[run.name] = {
      metric: row[f'test/{metric}']
      + 0.02 * random.normal(0, 1, _TEST_PICTURES).astype(np.float32)
      for metric in results.METRICS
    }
    ends = steps % 120 == 0
    growth = np.log10(steps + 30) / np.log10(630)
    loss = 0.3 ** (psnr / 5 * growth)
    curves[run.name] = {
      'step': steps,
      'train/loss': loss * random.uniform(0.9, 1.1, len(steps)),
      'val/loss': np.where(ends, loss, np.nan),
      'val/hole_psnr': np.where(ends, psnr * growth, np.nan),
      'val/hole_l1': np.where(ends, loss, np.nan),
      'val/l1': np.where(ends, loss, np.nan),
    }
  results.write(workdir / 'results.csv', rows)
  results.write_curves(workdir, curves)
  results.write_per_picture(workdir, pictures)
  return rows


def test_rows_survive_the_file(folder, small):
  rows = results.read(folder / 'results.csv')
  assert len(rows) == 66
  before = (folder / 'results.csv').read_bytes()
  results.write(folder / 'results.csv', rows)
  assert (folder / 'results.csv').read_bytes() == before
  # As a run leaves it, before it has become text.
  row = make_row(small.cells[0], 0, 1 / 3)
  results.write(folder / 'one.csv', [row])
  assert results.read(folder / 'one.csv') == [row]


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    # What a kill of a program that is not this one leaves.
    (b'\n1,base,', b'\n1,ba', 'damaged in line 2: it is cut short'),
    (b'schema,', b'shape,', "this version .without schema, with 'shape'."),
    (b'\n1,', b'\n2,', r"another version .schema '2', wanted 1"),
    (b'finished', b'half', "line 2: status is 'half'"),
    (b',600,', b',6oo,', "line 2: steps is '6oo'"),
    (b',100.0,', b',nan,', "line 2: seconds is 'nan'"),
    (b'mse,adam', b'mse,"adam', 'damaged in line'),
  ],
)
def test_a_damaged_table_is_one_line(folder, old, new, message):
  path = folder / 'results.csv'
  content = path.read_bytes()
  assert old in content
  if new == b'\n1,ba':
    damaged = content[: content.index(old)] + new
  else:
    damaged = content.replace(old, new, 1)
  path.write_bytes(damaged)
  with pytest.raises(errors.UserError, match=message) as caught:
    results.read(path)
  assert '\n' not in str(caught.value)
  assert path.read_bytes() == damaged


def test_a_last_line_without_its_end_is_damage(folder):
  """Cut within its last number, it has all columns and still is not whole."""
  path = folder / 'results.csv'
  path.write_bytes(path.read_bytes()[:-3])
  with pytest.raises(errors.UserError, match='line 67: it is cut short'):
    results.read(path)


def test_a_run_that_is_there_twice_is_damage(folder):
  path = folder / 'results.csv'
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join([*lines, lines[1]]))
  with pytest.raises(errors.UserError, match='line 68: base/seed0 is there tw'):
    results.read(path)


def test_gathering_overwrites_no_damaged_table(folder, small):
  for name in ('results.csv', 'curves.csv', 'per_picture.npz'):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    before = {x.name: x.read_bytes() for x in folder.iterdir()}
    with pytest.raises(errors.UserError, match=f'{name} is damaged'):
      results.gather(folder, small)
    assert {x.name: x.read_bytes() for x in folder.iterdir()} == before
    (folder / name).write_bytes(content)


def test_rows_of_another_protocol_are_refused(folder):
  config = study_config.get_config('small')
  config.batch_size = 9
  other = plan.create_plan(config)
  with pytest.raises(errors.UserError, match='base/seed0 of another protocol'):
    results.gather(folder, other)


def test_gathering_keeps_rows_whose_folders_are_gone(folder, small):
  before = (folder / 'results.csv').read_bytes()
  assert len(results.gather(folder, small)) == 66
  assert (folder / 'results.csv').read_bytes() == before


def test_difference_is_the_paired_test():
  ours, theirs = [3.1, 2.0, 4.4], [2.5, 1.9, 3.6]
  found = statistics.compare(
    dict(enumerate(ours)), {**dict(enumerate(theirs)), 7: 100.0}
  )
  wanted = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
  assert found.seeds == pytest.approx((wanted.low, wanted.high))
  assert found.mean == pytest.approx(0.5)
  assert (found.pairs, found.pictures, found.sign) == (3, None, 0)


def test_pairs_count_and_not_the_spread_of_all():
  """Seeds far apart, each with the same lead: unpaired it would be nothing."""
  ours = {0: 10.0, 1: 20.0, 2: 30.0}
  theirs = {seed: x - 1 - 0.01 * seed for seed, x in ours.items()}
  assert statistics.compare(ours, theirs).sign == 1
  assert statistics.compare(theirs, ours).sign == -1


def test_a_lead_on_some_pictures_alone_is_a_tie():
  """All seeds agree, but the whole lead is that of one picture in forty."""
  ours = {seed: 1.0 + 0.001 * seed for seed in range(3)}
  theirs = dict.fromkeys(range(3), 0.0)
  one = np.zeros(_TEST_PICTURES)
  one[0] = _TEST_PICTURES
  lead = dict.fromkeys(range(3), one)
  none = dict.fromkeys(range(3), np.zeros(_TEST_PICTURES))
  assert statistics.compare(ours, theirs).sign == 1
  found = statistics.compare(ours, theirs, lead, none)
  assert found.pictures[0] <= 0 < found.pictures[1]
  assert found.sign == 0


def test_the_interval_over_pictures_covers_the_mean():
  random = np.random.default_rng(1)
  pictures = {0: random.normal(2.0, 1.0, 400)}
  found = statistics.compare({0: 2.0}, {0: 0.0}, pictures, {0: np.zeros(400)})
  assert found.seeds is None
  low, high = found.pictures
  assert low < pictures[0].mean() < high
  # Twice 1.96 standard errors.
  error = pictures[0].std() / math.sqrt(400)
  assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_validation_and_not_the_test_chooses_the_rate(small):
  """A rate with the best test has the worst validation."""
  cells = {cell.name: cell for cell in small.cells}
  rows = []
  for rate, psnr, loss in ((0.001, 10, 0.2), (0.1, 12, 0.1), (1, 20, 0.3)):
    cell = cells[f'optimizer/sgd/lr{rate:g}']
    rows += [
      make_row(cell, seed, psnr, **{'val/loss': loss}) for seed in range(3)
    ]
  (sweep,) = comparisons.sweeps(comparisons.members(rows))
  assert (sweep.name, sweep.chosen) == ('optimizer/sgd', 0.1)
  assert not sweep.is_at_edge
  # A rate of which one seed diverged is out, however good the others.
  rows[4] |= {'status': results.DIVERGED}
  (sweep,) = comparisons.sweeps(comparisons.members(rows))
  assert sweep.chosen == 0.001
  assert sweep.is_at_edge


def test_a_sweep_without_the_rate_of_the_reference(small):
  rows = [
    make_row(run.cell, run.seed, 18.0)
    for run in small.runs
    if run.cell.name != 'optimizer/sgd/lr0.001'
  ]
  *_, same = comparisons.create(rows)
  assert same.key == 'optimizer_0.001'
  labels = [member.label for member in same.members]
  assert len(labels) == 4
  assert 'sgd at 0.001' not in labels


def test_comparisons_of_the_whole_study(folder):
  found = comparisons.create(results.read(folder / 'results.csv'))
  assert [x.key for x in found] == [
    'loss',
    'model',
    'optimizer',
    'optimizer_0.001',
  ]
  by_key = {x.key: x for x in found}
  labels = [m.label for m in by_key['optimizer_0.001'].members]
  assert sorted(labels) == [
    f'{x} at 0.001'
    for x in ('adagrad', 'adam', 'rmsprop', 'sgd', 'sgd_momentum')
  ]
  assert by_key['optimizer'].base.label.startswith('adam at')
  assert by_key['loss'].base.label == 'mse'
  assert len(by_key['loss'].members) == 5
  assert [m.label for m in by_key['model'].sorted('test/hole_psnr')] == [
    'unet',
    'encoder_decoder',
  ]


def test_the_report_of_a_whole_study(folder, small):
  path = report.write(folder)
  text = path.read_text()
  assert '22 cells, seeds 0, 1, 2' in text
  assert 'worse, by more than the spread' in text
  assert '| UNet, L1 | 0.0156 | 0.0' in text
  assert '| UNet, parameters | 2.7 M | 2,662,659 |' in text
  assert '0.25 s (a processor, 1 core(s))' in text
  assert '**optimizer, each at the learning rate that validation' in text
  pictures = {x.name for x in folder.glob('*.png')}
  assert {f'bars_{x}.png' for x in ('loss', 'model', 'optimizer')} <= pictures
  assert 'sweep.png' in pictures
  assert all(f'({name})' in text for name in pictures)
  for name in pictures:
    with PIL.Image.open(folder / name) as image:
      image.load()
      assert image.width >= 900
  assert sum(x.stat().st_size for x in folder.glob('*.png')) < 1_000_000
  # Made again of the same tables, it is the same.
  report.write(folder)
  assert path.read_text() == text


def test_a_report_of_the_table_alone(folder):
  for name in ('curves.csv', 'per_picture.npz'):
    (folder / name).unlink()
  text = report.write(folder).read_text()
  assert 'test pictures):' not in text
  assert 'curves_' not in text
  assert 'bars_loss.png' in text


def test_equal_cells_are_called_a_tie(small, tmp_path):
  """No sentence is fixed: with other numbers they say otherwise."""
  order = {cell.name: i for i, cell in enumerate(small.cells)}
  rows = [
    make_row(
      run.cell, run.seed, 18 + 0.1 * ((run.seed + order[run.cell.name]) % 3)
    )
    for run in small.runs
  ]
  results.write(tmp_path / 'results.csv', rows)
  text = report.write(tmp_path).read_text()
  assert 'more than the spread**' not in text
  assert 'within the spread of it (a tie): ' in text
  assert 'below it' not in text


def test_the_report_says_what_is_missing(small, tmp_path):
  rows = [make_row(run.cell, run.seed, 18.0) for run in small.runs]
  rows[1] |= {'status': results.DIVERGED}
  rows[1] |= {k: None for k in rows[1] if k.startswith(('test/', 'val/'))}
  rows[2]['mask_hash'] = 'f' * 16
  kept = [row for row in rows if row['cell'] != 'model/encoder_decoder']
  results.write(tmp_path / 'results.csv', kept)
  text = report.write(tmp_path).read_text()
  assert '1 of which diverged' in text
  assert '2, 1 diverged |' in text
  assert 'runs differ in their test masks: they cannot be compared' in text
  assert '| encoder-decoder, L1 | 0.0514 | not measured |' in text


def test_no_report_of_nothing(tmp_path):
  with pytest.raises(
    errors.UserError, match=r'no results\.csv with a finished'
  ):
    report.write(tmp_path)


def test_an_outlier_is_cut(small, tmp_path):
  """One bar a hundred times as long would leave nothing to see of others."""
  assert plots._limit(np.array([0.1, 0.11, 10.0])) == pytest.approx(0.275)
  assert plots._limit(np.array([0.1, 0.11, 0.2])) == 0.2
