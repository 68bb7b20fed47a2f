"""comparison/folders.py: photos, masks and fillings made elsewhere."""

import numpy as np
from PIL import Image, TiffImagePlugin
import pytest

from inpaint_jax.comparison import folders
from inpaint_jax.system import errors


@pytest.fixture
def made(tmp_path):
  """Folders of two photos, their masks, and the fillings of two programs."""
  rng = np.random.default_rng(0)
  for name in 'photos', 'masks', 'a', 'b':
    (tmp_path / name).mkdir()
  for name in 'x', 'y':
    pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
    hole = np.zeros((32, 48), bool)
    hole[4:12, 8:20] = True
    Image.fromarray(pixels).save(tmp_path / f'photos/{name}.png')
    Image.fromarray(hole).save(tmp_path / f'masks/{name}_mask.png')
    for program, value in {'a': 100, 'b': 200}.items():
      # These change known pixels, too.
      grey = Image.new('RGB', (48, 32), (value,) * 3)
      grey.save(tmp_path / program / f'{name}.webp', lossless=True)
  return tmp_path


def _read(made):
  results = [made / 'a', made / 'b']
  return list(folders.read(made / 'photos', made / 'masks', results))


def test_each_photo_comes_with_its_mask_and_fillings(made):
  found = _read(made)
  assert [case.name for case, _ in found] == ['x', 'y']
  for case, fillings in found:
    assert case.hole.sum() == 8 * 12
    assert list(fillings) == [str(made / 'a'), str(made / 'b')]
    for filled, value in zip(fillings.values(), (100, 200), strict=True):
      assert (filled[case.hole] == value).all()
      assert (filled[~case.hole] == case.truth[~case.hole]).all()


def test_a_mask_without_a_hole_leaves_its_photo_out(made, capsys):
  Image.new('L', (48, 32)).save(made / 'masks/x_mask.png')
  assert [case.name for case, _ in _read(made)] == ['y']
  assert 'x.png is left out: ' in capsys.readouterr().out
  Image.new('L', (48, 32)).save(made / 'masks/y_mask.png')
  with pytest.raises(errors.UserError, match='has a hole; masks are white'):
    _read(made)


def test_a_photo_in_which_white_is_zero_is_read_as_it_looks(made):
  grey = np.arange(48, dtype=np.uint8) * np.ones((32, 1), np.uint8)
  (made / 'photos/x.png').unlink()
  Image.fromarray(65535 - grey * np.uint16(257)).save(
    made / 'photos/x.tif',
    tiffinfo={TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 0},
  )
  (case, _), _ = _read(made)
  np.testing.assert_array_equal(case.truth[..., 0], grey)


def test_files_that_are_passed_by_are_named(made, capsys):
  (made / 'photos/notes.txt').touch()
  _read(made)
  assert 'passed by 1 other file (notes.txt)' in capsys.readouterr().out


def test_all_files_are_checked_before_the_first_is_read(made):
  (made / 'b/y.webp').unlink()
  with pytest.raises(errors.UserError, match='has no filling of y'):
    folders.read(made / 'photos', made / 'masks', [made / 'a', made / 'b'])


def _make_clear(path, box):
  """Makes a box of an image transparent."""
  with Image.open(path) as image:
    image.putalpha(255)
    image.paste((0, 0, 0, 0), box)
    image.save(path, lossless=True)


def test_transparency_matters_only_in_a_hole_of_an_opaque_photo(made):
  # The hole is 8 to 20 across, 4 to 12 down.
  _make_clear(made / 'a/x.webp', (20, 0, 48, 32))
  _read(made)
  _make_clear(made / 'a/x.webp', (19, 11, 48, 32))
  with pytest.raises(errors.UserError, match='is transparent in the hole'):
    _read(made)
  _make_clear(made / 'photos/x.png', (19, 11, 48, 32))
  _read(made)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (
      lambda x: Image.new('RGB', (48, 32)).save(x / 'a/X.png'),
      'a/X.png and x.webp have the same name',
    ),
    (
      lambda x: Image.new('RGB', (48, 32)).save(x / 'photos/x.jpg'),
      'photos/x.jpg and x.png have the same name',
    ),
    (lambda x: (x / 'masks/y_mask.png').unlink(), 'there is no mask for it'),
    (lambda x: (x / 'b/y.webp').unlink(), 'b has no filling of y; add y.png'),
    (
      lambda x: Image.new('RGB', (48, 30)).save(x / 'a/x.webp'),
      'x.webp is 48x30 pixels, its photo 48x32; bring the filling',
    ),
    (lambda x: (x / 'a/x.webp').write_text('no'), 'x.webp cannot be read'),
    (lambda x: (x / 'a').rename(x / 'c'), 'filled=.* is no folder; name one'),
    (lambda x: (x / 'photos').rename(x / 'd'), 'photos=.* is no folder'),
  ],
)
def test_what_cannot_be_scored_is_one_line(made, change, message):
  change(made)
  with pytest.raises(errors.UserError, match=message) as caught:
    _read(made)
  assert '\n' not in str(caught.value)
