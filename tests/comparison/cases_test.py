"""comparison/cases.py: which photos, what crops, what is on disk."""

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.comparison import cases
from inpaint_jax.system import errors


@pytest.fixture
def photos(tmp_path):
  """A folder of six photos, a text and a damaged file."""
  rng = np.random.default_rng(0)
  folder = tmp_path / 'photos'
  folder.mkdir()
  for i in range(6):
    image = rng.integers(0, 256, (280 + i, 300, 3), np.uint8)
    Image.fromarray(image).save(folder / f'{i}.png')
  (folder / 'notes.txt').write_text('no photo')
  return folder


def test_photos_are_evenly_spaced(photos):
  def names(count):
    return [path.stem for path in cases.choose_photos(photos, count)]

  assert names(2) == ['0', '3']
  assert names(3) == ['0', '2', '4']
  assert names(50) == ['0', '1', '2', '3', '4', '5']


def test_masks_hidden_files_and_folders_are_no_photos(photos):
  (photos / '0_mask.png').touch()
  (photos / '._1.png').touch()
  (photos / '2a.png').mkdir()
  chosen = cases.choose_photos(photos, 50)
  assert [path.stem for path in chosen] == ['0', '1', '2', '3', '4', '5']


def test_a_folder_without_photos_is_named(tmp_path):
  with pytest.raises(errors.UserError, match=r'photos=.* has no photos'):
    cases.choose_photos(tmp_path, 1)
  with pytest.raises(errors.UserError, match='none cannot be used'):
    cases.choose_photos(tmp_path / 'none', 1)


def test_whole_photos_are_reduced_and_never_enlarged(tmp_path):
  rng = np.random.default_rng(0)
  for name, size in {'a': (60, 2300, 3), 'b': (60, 50, 3)}.items():
    image = rng.integers(0, 256, size, np.uint8)
    Image.fromarray(image).save(tmp_path / f'{name}.png')
  large, small = cases.create('things', cases.choose_photos(tmp_path, 2), 0)
  assert large.truth.shape == (30, 1150, 3)
  assert small.truth.shape == (60, 50, 3)
  assert small.hole.shape == (60, 50)


@pytest.mark.slow
def test_crops_are_parts_with_masks_in_turn(photos):
  chosen = cases.choose_photos(photos, 3)
  created = cases.create('crops', chosen, 0)
  for case, path in zip(created, chosen, strict=True):
    assert case.truth.shape == (256, 256, 3)
    assert 0 < case.hole.mean() <= 0.6
    whole = cases.read(path)
    windows = np.lib.stride_tricks.sliding_window_view(
      whole[..., 0], (256, 256)
    )
    assert (windows == case.truth[..., 0]).all(axis=(2, 3)).sum() == 1
  # The third crop's hole is a box.
  rows, columns = (created[2].hole.any(axis) for axis in (1, 0))
  np.testing.assert_array_equal(created[2].hole, rows[:, None] & columns)


@pytest.mark.slow
def test_what_cannot_be_used_is_left_out_with_a_line(photos, capsys):
  (photos / '0.png').write_bytes(b'damaged')
  Image.new('RGB', (300, 255)).save(photos / '1.png')
  created = cases.create('crops', cases.choose_photos(photos, 6), 0)
  assert [case.name for case in created] == ['002', '003', '004', '005']
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == 2
  assert lines[0].startswith('0.png is left out: ')
  assert lines[1] == '1.png is left out: smaller than 256 px'


def test_without_any_photo_that_can_be_used_there_is_an_error(tmp_path):
  (tmp_path / '0.png').write_bytes(b'damaged')
  with pytest.raises(errors.UserError, match='can be used for text; name'):
    cases.create('text', cases.choose_photos(tmp_path, 1), 0)


def test_what_was_saved_comes_back(photos, tmp_path):
  (case,) = cases.create('borders', cases.choose_photos(photos, 1), 0)
  cases.save(tmp_path, case)
  path = tmp_path / 'truth/000.png'
  np.testing.assert_array_equal(cases.read(path), case.truth)
  hole = cases.read(tmp_path / 'hole/000.png')
  np.testing.assert_array_equal(hole, 255 * case.hole)
  # A file that is right is not written again, another one is.
  before = path.stat().st_mtime_ns
  cases.save(tmp_path, case)
  assert path.stat().st_mtime_ns == before
  Image.new('RGB', (3, 3)).save(path)
  cases.save(tmp_path, case)
  np.testing.assert_array_equal(cases.read(path), case.truth)


def test_a_digest_tells_arrays_apart():
  arrays = np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), np.ones(6)
  assert len({cases.digest(x) for x in (*arrays, np.zeros(6))}) == 4
  assert cases.digest(arrays[0].T) == cases.digest(arrays[1])
