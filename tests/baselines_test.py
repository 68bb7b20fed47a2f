"""baselines.py: what fills the hole, and what stays as it was."""

from concurrent import futures
import importlib.util
import sys
import types

import numpy as np
import pytest

from inpaint_jax import baselines
from inpaint_jax.system import errors

needs_opencv = pytest.mark.skipif(
  importlib.util.find_spec('cv2') is None, reason='OpenCV is not installed'
)
needs_patchmatch = pytest.mark.skipif(
  importlib.util.find_spec('patchmatch') is None,
  reason='PyPatchMatch is not installed',
)
ALL = [
  'mean_fill',
  'harmonic',
  pytest.param('telea', marks=needs_opencv),
  pytest.param('patchmatch', marks=needs_patchmatch),
]


def random_picture():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (24, 40, 3), np.uint8)
  hole = np.zeros((24, 40), bool)
  hole[5:15, 10:30] = True
  hole[:, 38:] = True
  return image, hole


def test_every_baseline_is_tested():
  names = {getattr(name, 'values', [name])[0] for name in ALL}
  assert names == set(baselines.BASELINES)


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('white', [np.True_, np.uint8(1), np.uint8(255)])
def test_known_pixels_stay_bit_for_bit(name, white):
  image, hole = random_picture()
  mask = hole * white
  before = image.copy()
  filled = baselines.BASELINES[name](image, mask)
  assert filled.dtype == np.uint8
  assert filled.shape == image.shape
  np.testing.assert_array_equal(filled[~hole], image[~hole])
  assert (filled[hole] != image[hole]).any(axis=1).mean() > 0.9
  np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('name', ALL)
def test_what_is_in_the_hole_does_not_matter(name):
  image, hole = random_picture()
  fill = baselines.BASELINES[name]
  blanked = np.where(hole[:, :, None], 0, image).astype(np.uint8)
  np.testing.assert_array_equal(fill(image, hole), fill(blanked, hole))


def test_mean_fill_by_hand():
  image = np.zeros((2, 2, 3), np.uint8)
  image[0, 0] = [10, 20, 30]
  image[0, 1] = [20, 40, 61]
  image[1] = 255
  filled = baselines.mean_fill(image, np.array([[0, 0], [1, 1]], np.uint8))
  # 45.5 is rounded to 46, which is even.
  np.testing.assert_array_equal(filled[1], [[15, 30, 46]] * 2)


def test_harmonic_goes_on_with_a_slope():
  rows, columns = np.mgrid[:32, :32]
  image = np.stack([4 * columns, 5 * rows, rows + columns], -1).astype(np.uint8)
  hole = np.zeros((32, 32), bool)
  hole[8:20, 9:25] = True
  filled = baselines.harmonic(image, hole)
  np.testing.assert_allclose(filled.astype(int), image, atol=1)


@needs_opencv
def test_telea_goes_on_with_a_ramp():
  image = np.zeros((32, 32, 3), np.uint8)
  image[:] = (np.arange(32) * 8)[None, :, None]
  hole = np.zeros((32, 32), bool)
  hole[12:20, 12:20] = True
  error = np.abs(baselines.telea(image, hole).astype(int) - image)[hole]
  mean_error = np.abs(baselines.mean_fill(image, hole).astype(int) - image)[
    hole
  ]
  assert error.mean() < 0.6 * mean_error.mean()


@needs_patchmatch
def test_patchmatch_goes_on_with_stripes():
  image = np.zeros((64, 64, 3), np.uint8)
  image[:, np.arange(64) % 6 < 3] = [250, 120, 60]
  hole = np.zeros((64, 64), bool)
  hole[24:40, 24:40] = True
  error, mean_error = (
    np.abs(fill(image, hole).astype(int) - image)[hole].mean()
    for fill in (baselines.patchmatch, baselines.mean_fill)
  )
  assert error < 0.5 * mean_error


@needs_patchmatch
def test_patchmatch_repeats_itself_in_several_threads(capfd):
  image, hole = random_picture()
  once = baselines.patchmatch(image, hole)
  with futures.ThreadPoolExecutor(4) as pool:
    many = list(pool.map(baselines.patchmatch, [image] * 8, [hole] * 8))
  np.testing.assert_array_equal(many, [once] * 8)
  assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('name', ALL)
def test_nothing_known_is_refused(name):
  image, _ = random_picture()
  with pytest.raises(errors.UserError, match='covers the whole image'):
    baselines.BASELINES[name](image, np.ones((24, 40), bool))


@needs_opencv
@needs_patchmatch
def test_available():
  assert baselines.available() == baselines.BASELINES


@pytest.mark.parametrize(
  ('name', 'module'), [('telea', 'cv2'), ('patchmatch', 'patchmatch')]
)
def test_what_is_not_installed_is_left_out(monkeypatch, name, module):
  find_spec = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    'find_spec',
    lambda other: None if other == module else find_spec(other),
  )
  assert name not in baselines.available()
  assert 'mean_fill' in baselines.available()
  image, hole = random_picture()
  with pytest.raises(errors.UserError, match='pip install'):
    baselines.BASELINES[name](image, hole)


def test_opencv_that_cannot_be_imported(monkeypatch, tmp_path):
  (tmp_path / 'cv2.py').write_text("raise ImportError('libGL.so.1: none')")
  monkeypatch.delitem(sys.modules, 'cv2', raising=False)
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(errors.UserError, match=r'libGL\.so\.1.*headless'):
    baselines.telea(*random_picture())


def test_patchmatch_without_its_library(monkeypatch):
  broken = types.SimpleNamespace(patchmatch_available=False, __spec__='any')
  monkeypatch.setitem(sys.modules, 'patchmatch', broken)
  with pytest.raises(errors.UserError, match='without its compiled library'):
    baselines.patchmatch(*random_picture())
