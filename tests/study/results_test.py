"""The tables: they read back as they were, and damage is found."""

import numpy as np
import pytest

from inpaint_jax.study import results
from inpaint_jax.system import errors


def test_rows_survive_the_file(made_up, small, make_row):
  path = made_up / 'results.csv'
  rows = results.read(path)
  assert len(rows) == 66
  before = path.read_bytes()
  results.write_study(made_up, rows)
  assert path.read_bytes() == before
  # A row as a run makes it, before it was ever text.
  row = make_row(small.cells[0], 0, 1 / 3)
  results.write_study(made_up, [row])
  assert results.read(path) == [row]


def test_a_cell_with_a_colon_in_its_name(tmp_path, small, make_row):
  cell = small.cells[0]._replace(name='model/unet:deep')
  row = make_row(cell, 0, 18.0) | {'images/l1': np.ones(2, np.float16)}
  results.write_study(tmp_path, [row])
  (read,) = results.read_study(tmp_path)
  np.testing.assert_array_equal(read['images/l1'], row['images/l1'])


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    (b'schema,', b'shape,', "this version .without schema, with 'shape'."),
    (b'\n1,', b'\n2,', r"another version .schema '2', wanted 1"),
    (b'finished', b'half', "line 2: status is 'half'"),
    (b',600,', b',6oo,', "line 2: steps is '6oo'"),
    (b',100.0,', b',nan,', "line 2: seconds is 'nan'"),
    (b'\n1,base,', b'\n1,,', 'line 2: cell is missing'),
    (b'mse,adam', b'mse,"adam', 'damaged in line'),
  ],
)
def test_a_damaged_table_is_one_line(made_up, old, new, message):
  path = made_up / 'results.csv'
  content = path.read_bytes()
  assert old in content
  path.write_bytes(content.replace(old, new, 1))
  with pytest.raises(errors.UserError, match=message) as caught:
    results.read(path)
  assert '\n' not in str(caught.value)


def test_a_table_that_is_cut_short(made_up):
  path = made_up / 'results.csv'
  content = path.read_bytes()
  # A line that is cut in its last number has all columns, but is not whole.
  for end, line in ((-3, 67), (content.index(b'\n1,base,') + 5, 2)):
    path.write_bytes(content[:end])
    with pytest.raises(errors.UserError, match=f'line {line}: it is cut short'):
      results.read(path)


def test_a_run_that_is_there_twice_is_damage(made_up):
  path = made_up / 'results.csv'
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join([*lines, lines[1]]))
  with pytest.raises(errors.UserError, match='line 68: base/seed0 is there tw'):
    results.read(path)


def test_tables_with_fewer_metrics_are_read(made_up):
  """Earlier versions wrote them, with three metrics of each image."""
  rows = results.read_study(made_up)
  new = ('lpips', 'texture_ratio', 'detectability')
  for row in rows:
    for name in new:
      row.pop(f'test/{name}')
      row.pop(f'images/{name}', None)
  results.write_study(made_up, rows)
  (first, *_) = results.read_study(made_up)
  assert not any(f'images/{name}' in first for name in new)
  assert first['images/ssim'].shape == rows[0]['images/ssim'].shape


def test_images_survive_the_file(tmp_path):
  random = np.random.default_rng(0)
  images = {
    name: random.integers(0, 256, (2, 8, 8, 3), np.uint8)
    for name in (*results.GIVEN, 'base', 'loss/l1')
  }
  results.write_images(tmp_path / 'images.npz', images)
  np.testing.assert_equal(results.read_images(tmp_path / 'images.npz'), images)
  assert results.read_images(tmp_path / 'none.npz') == {}
