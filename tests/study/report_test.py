"""The report, of made-up results."""

import PIL.Image
import pytest

from inpaint_jax.study import report, results
from inpaint_jax.system import errors


@pytest.mark.slow
def test_the_report_of_a_whole_study(made_up):
  path = report.write(made_up)
  text = path.read_text()
  assert '22 cells, seeds 0, 1, 2' in text
  assert 'worse, by more than the spread' in text
  assert '| UNet, L1 | 0.0156 | 0.0' in text
  assert '| UNet, parameters | 2.7 M | 2,662,659 |' in text
  assert '0.25 s (a processor, 1 core(s))' in text
  assert '**optimizer, each at the learning rate that validation' in text
  images = {x.name for x in made_up.glob('*.png')}
  assert {f'bars_{x}.png' for x in ('loss', 'model', 'optimizer')} <= images
  assert 'sweep.png' in images
  assert all(f'({name})' in text for name in images)
  for name in images:
    with PIL.Image.open(made_up / name) as image:
      image.load()
      assert image.width >= 900
  assert sum(x.stat().st_size for x in made_up.glob('*.png')) < 1_000_000
  # Made again of the same tables, it is the same.
  report.write(made_up)
  assert path.read_text() == text


def test_a_report_of_the_table_alone(made_up):
  for name in ('curves.csv', 'per_image.npz'):
    (made_up / name).unlink()
  text = report.write(made_up).read_text()
  assert 'test images):' not in text
  assert 'curves_' not in text
  assert 'bars_loss.png' in text


def test_equal_cells_are_called_a_tie(small, make_row, tmp_path):
  """No sentence is fixed: with other numbers they say otherwise."""
  order = {cell.name: i for i, cell in enumerate(small.cells)}
  rows = [
    make_row(
      run.cell, run.seed, 18 + 0.1 * ((run.seed + order[run.cell.name]) % 3)
    )
    for run in small.runs
  ]
  results.write_study(tmp_path, rows)
  text = report.write(tmp_path).read_text()
  assert 'more than the spread**' not in text
  assert 'within the spread of it (a tie): ' in text
  assert 'below it' not in text


def test_the_report_says_what_is_missing(small, make_row, tmp_path):
  rows = [make_row(run.cell, run.seed, 18.0) for run in small.runs]
  rows[1] |= {'status': results.DIVERGED}
  rows[1] |= {k: None for k in rows[1] if k.startswith(('test/', 'val/'))}
  rows[2]['mask_hash'] = 'f' * 16
  kept = [row for row in rows if row['cell'] != 'model/encoder_decoder']
  results.write_study(tmp_path, kept)
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
