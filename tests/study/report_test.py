"""The report, of made-up results."""

import numpy as np
import PIL.Image
import pytest

from configs import study as study_config
from inpaint_jax.study import folder, plan, plots, report, results
from inpaint_jax.system import errors


def _diverge(row):
  """Removes what runner.train_run does not write for a run that diverged."""
  row['status'] = results.DIVERGED
  missing = ['steps', 'best_step', 'parameters', 'seconds', 'mask_hash']
  missing += [x for x in row if x.startswith(('test/', 'val/'))]
  row.update(dict.fromkeys(missing))


@pytest.fixture
def without_plots(monkeypatch):
  """Leaves out the plots, which take seconds, in tests of the text."""
  for name in ('answer', 'sweep'):
    monkeypatch.setattr(plots, name, lambda *args: None)


@pytest.mark.slow
def test_the_report_of_a_whole_study(made_up):
  path = report.write(made_up)
  text = path.read_text()
  assert 'Which loss, model and optimizer fill holes best?' in text
  assert '66 of 66 runs of 22 cells with seeds 0, 1, 2' in text
  assert 'masks are of one kind, stamps:' in text
  assert 'chosen by the validation loss, epochs by val/loss' in text
  assert '- Few seeds. The number' in text
  assert '**model**: `unet`: nothing else is better by more than chance' in text
  assert 'how many seeds would tell them apart' in text
  assert 'unet > encoder_decoder at 240, 360, 600 steps.' in text
  assert 'with ours in brackets: unet 0.0156 (0.0' in text
  images = {x.name for x in made_up.glob('*.png')}
  assert images == {'loss.png', 'model.png', 'optimizer.png', 'rates.png'}
  assert all(f'({name})' in text for name in images)
  for name in images:
    with PIL.Image.open(made_up / name) as image:
      image.load()
      assert image.width >= 900
  assert sum(x.stat().st_size for x in made_up.glob('*.png')) < 1_000_000
  # Made again from the same tables, the report is the same.
  report.write(made_up)
  assert path.read_text() == text


@pytest.mark.usefixtures('without_plots')
def test_a_report_of_the_table_alone(made_up):
  for name in ('curves.csv', 'per_image.npz', 'study.json'):
    (made_up / name).unlink()
  text = report.write(made_up).read_text()
  assert 'Ranking in validation' not in text
  assert '## Loss' in text


@pytest.mark.slow
def test_the_report_shows_images_and_the_sweeps_of_another_study(
  made_up, small, make_row
):
  random = np.random.default_rng(0)
  cells = {'base', 'model/encoder_decoder', 'optimizer/sgd/lr0.001'}
  images = {
    name: random.integers(0, 256, (6, 16, 16, 3), np.uint8)
    for name in (*results.GIVEN, *cells)
  }
  results.write_images(made_up / 'images.npz', images)
  (made_up / 'rates').mkdir()
  rates = [f'loss/l1/lr{rate}' for rate in (0.001, 0.003)]
  rows = [
    make_row(
      small.cells[0]._replace(name=x, names=(x,)), 0, 18.0, image_size=64
    )
    for x in rates
  ]
  results.write_study(made_up / 'rates', rows)
  text = report.write(made_up).read_text()
  assert '(images.jpg)' in text
  assert (made_up / 'images.jpg').exists()
  # Sweeps of the study itself come first.
  assert '32x32, 600 steps, 3 seed(s) |' in text
  assert '| loss/l1 | **0.001**, 0.003 | 64x64, 600 steps, 1 seed(s) |' in text


@pytest.mark.usefixtures('without_plots')
def test_equal_cells_are_called_a_tie(small, make_row, tmp_path):
  """No sentence is fixed: the numbers decide what it says."""
  order = {cell.name: i for i, cell in enumerate(small.cells)}
  rows = [
    make_row(
      run.cell, run.seed, 18 + 0.1 * ((run.seed + order[run.cell.name]) % 3)
    )
    for run in small.runs
  ]
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert 'is best, tied with ' in text
  assert 'best by more than chance' not in text


@pytest.mark.usefixtures('without_plots')
def test_the_report_says_who_is_ahead(small, make_row, tmp_path):
  """One loss is best by pixels, another by looks."""
  rows = []
  for run in small.runs:
    is_l1 = run.cell.name == 'loss/l1'
    lpips = 0.1 if run.cell.name == 'loss/kl_div' else 0.2
    psnr = 18 + 2 * is_l1 + 0.01 * run.seed + 0.001 * run.seed**2 * is_l1
    lpips += 0.001 * run.seed + 0.0001 * run.seed**2 * (lpips < 0.2)
    rows.append(make_row(run.cell, run.seed, psnr, **{'test/lpips': lpips}))
  results.write_study(tmp_path, rows)
  (tmp_path / 'baselines.json').write_text(
    '{"telea": {"hole_psnr": 21.0}, "mean_fill": {"hole_psnr": 12.0}}'
  )
  text = report.write(tmp_path).read_text()
  advice = 'loss**: `l1` or `kl_div`: the first has the best hole PSNR, the'
  assert advice in text
  assert 'By hole PSNR, `l1` is best by more than chance.' in text
  assert 'is last (\N{MINUS SIGN}2.0' in text
  assert 'Without training**: telea (21.00 dB) fills holes better than' in text
  (tmp_path / 'baselines.json').write_text(
    '{"telea": {"hole_psnr": 21.0}, "harmonic": {"hole_psnr": 22.0}}'
  )
  text = report.write(tmp_path).read_text()
  assert 'harmonic (22.00 dB) fill holes better than' in text


@pytest.mark.usefixtures('without_plots')
def test_the_hours_of_a_resumed_run_include_its_earlier_starts(
  small, make_row, tmp_path
):
  seconds = {'seconds': 3000.0, 'total_seconds': 1000.0}
  rows = [make_row(run.cell, run.seed, 18.0) | seconds for run in small.runs]
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert 'All runs together took 55.0 hours.' in text


def _report_of(config, make_row, workdir):
  """Returns the report of a study whose runs all ended."""
  study = plan.create_plan(config)
  folder.create(workdir, study, '')
  rows = [make_row(x.cell, x.seed, 18.0 + x.seed) for x in study.runs]
  results.write_study(workdir, rows)
  return report.write(workdir).read_text()


@pytest.mark.usefixtures('without_plots')
def test_a_report_of_cells_with_more_seeds(make_row, tmp_path):
  config = study_config.get_config('smoke')
  config.study.cells = {'loss/mse': {}, 'loss/l1': {'loss': 'l1'}}
  config.study.more_seeds = {'loss/l1': (5, 7)}
  text = _report_of(config, make_row, tmp_path)
  cells = '6 of 6 runs of 2 cells with seeds 0, 1, some of them also with 5, 7.'
  assert cells in text
  assert 'not tell apart, and such a choice makes' in text


@pytest.mark.usefixtures('without_plots')
def test_the_report_names_cells_that_change_several_factors(make_row, tmp_path):
  config = study_config.get_config('smoke')
  config.study.cells = {
    'model/harmonic': {'model': {'base': 'harmonic'}},
    'model/recipe': {'model': {'base': 'harmonic'}, 'loss': 'l1'},
  }
  text = _report_of(config, make_row, tmp_path)
  recipe = '), but for the recipe `model/recipe` (loss, model): 6 of 6 runs'
  assert recipe in text


@pytest.mark.usefixtures('without_plots')
def test_only_differences_with_an_interval_count_as_tested(
  small, make_row, tmp_path
):
  names = {'base', 'loss/l1', 'loss/kl_div'}
  rows = [
    make_row(run.cell, run.seed, 18.0 + run.seed)
    for run in small.runs
    if run.cell.name in names
    # One seed gives no interval.
    and (run.cell.name != 'loss/kl_div' or run.seed == 0)
  ]
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert '- 2 differences are tested at 95% each' in text


@pytest.mark.usefixtures('without_plots')
def test_what_beats_the_base_is_advised_though_the_best_ties_with_it(
  small, make_row, tmp_path
):
  """kl_div is best in LPIPS and noisy; l1 is surely better than the base."""
  lpips = {'loss/l1': (0.18, 0.18, 0.18), 'loss/kl_div': (0.01, 0.3, 0.01)}
  rows = []
  for run in small.runs:
    value = lpips.get(run.cell.name, (0.2, 0.2, 0.2))[run.seed]
    value += 0.0001 * run.seed * (run.cell.name == 'loss/l1')
    rows.append(make_row(run.cell, run.seed, 18.0, **{'test/lpips': value}))
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert '**loss**: `mse`' not in text
  assert '**model**: `unet`: nothing else is better' in text


@pytest.mark.usefixtures('without_plots')
def test_the_report_says_what_is_missing(small, make_row, tmp_path):
  rows = [make_row(run.cell, run.seed, 18.0) for run in small.runs]
  _diverge(rows[1])
  rows[2]['mask_hash'] = 'f' * 16
  kept = [row for row in rows if row['cell'] != 'model/encoder_decoder']
  results.write_study(tmp_path, kept)
  text = report.write(tmp_path).read_text()
  assert '1 of them diverged' in text
  assert '2, 1 diverged |' in text
  assert 'runs differ in their masks: they cannot be compared' in text


@pytest.mark.usefixtures('without_plots')
def test_cells_that_train_on_fewer_images(small, make_row, tmp_path):
  rows = [make_row(run.cell, run.seed, 18.0) for run in small.runs]
  results.write_study(tmp_path, rows)
  assert 'All runs had the same images' in report.write(tmp_path).read_text()
  rows[-1]['num_train'] = 480
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert 'All runs had images of the same dataset, in different numbers' in text


@pytest.mark.usefixtures('without_plots')
@pytest.mark.parametrize('seeds', [{0}, {0, 1, 2}])
def test_a_base_that_diverged_is_reported(small, make_row, tmp_path, seeds):
  rows = [make_row(run.cell, run.seed, 18.0 + run.seed) for run in small.runs]
  for row in rows:
    if row['cell'] == plan.BASE and row['seed'] in seeds:
      _diverge(row)
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert f'{len(seeds)} of them diverged' in text
  assert '- Small: 32x32 images and 600 steps, where' in text
  assert f'`mse` failed for {len(seeds)} of 3 seeds.' in text
  assert 'Of the rates with the fewest failed seeds, the one' in text


@pytest.mark.usefixtures('without_plots')
def test_a_sweep_without_any_result_is_in_the_tables(small, make_row, tmp_path):
  rows = [make_row(cell, 0, 18.0) for cell in small.cells]
  for row in rows:
    if row['cell'].startswith('optimizer/sgd/'):
      _diverge(row)
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert '`sgd at 0.001` failed for 1 of 1 seeds.' in text
  assert '0, 1 diverged |' in text
  assert '| optimizer/sgd |' not in text


@pytest.mark.usefixtures('without_plots')
def test_a_seed_that_collapsed_is_told_and_in_no_mean(
  small, make_row, tmp_path
):
  rows = [make_row(run.cell, run.seed, 18.0 + run.seed) for run in small.runs]
  for row in rows:
    row['num_test'] = 0
    if row['cell'] == 'loss/l1' and row['seed'] == 1:
      row['val/hole_psnr'] = 5.5
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert '| l1 | 0.001 | 19.00 ± 1.41 |' in text
  assert '| 2, 1 collapsed (5.5 dB) |' in text
  assert '`l1` failed for 1 of 3 seeds.' in text
  assert 'Not tested: all metrics are of the validation images' in text


@pytest.mark.usefixtures('without_plots')
def test_rows_with_and_without_a_test_are_compared_in_validation(
  small, make_row, tmp_path
):
  tested, untested = (
    make_row(cell, 0, 30.0, **{'val/hole_psnr': 20.0 + i})
    for i, cell in enumerate(small.cells[:2])
  )
  untested |= {'num_test': 0, 'mask_hash': 'f' * 16}
  untested |= {'test/hole_psnr': untested['val/hole_psnr']}
  results.write_study(tmp_path, [tested, untested])
  text = report.write(tmp_path).read_text()
  assert '| 20.00 |' in text
  assert '| 21.00 |' in text
  assert '30.00' not in text
  assert 'cannot be compared' not in text


@pytest.mark.usefixtures('without_plots')
def test_one_seed_tells_nothing(small, make_row, tmp_path):
  results.write_study(
    tmp_path, [make_row(x, 0, 18.0 + i) for i, x in enumerate(small.cells)]
  )
  text = report.write(tmp_path).read_text()
  assert 'is best; it has too few seeds in common with `' in text
  assert 'is best by more than chance' not in text
  assert 'nothing else is better' not in text
  assert '`: nothing was compared with it, for want of seeds in common.' in text
  assert '**+' not in text


def test_one_cell_alone_is_compared_with_nothing(small, make_row, tmp_path):
  cell = small.cells[1]
  results.write_study(tmp_path, [make_row(cell, 0, 18.0)])
  images = np.zeros((6, 16, 16, 3), np.uint8)
  names = (*results.GIVEN, cell.name)
  results.write_images(tmp_path / 'images.npz', dict.fromkeys(names, images))
  text = report.write(tmp_path).read_text()
  assert 'No run of the base' in text
  assert 'images.jpg' not in text


def test_no_report_of_nothing(tmp_path):
  with pytest.raises(
    errors.UserError, match=r'no results\.csv with a finished'
  ):
    report.write(tmp_path)
