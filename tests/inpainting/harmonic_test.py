"""harmonic.py: the harmonic fill, compared with a direct solver."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import linalg

from inpaint_jax.inpainting import harmonic, kernels


def _solve_directly(image, known):
  """Solves Laplace's equation in the hole by elimination."""
  number = np.cumsum(~known).reshape(known.shape) - 1
  rows, columns, values = [], [], []
  right = np.zeros((np.count_nonzero(~known), image.shape[-1]))
  for y, x in np.argwhere(~known):
    row, neighbours = number[y, x], 0
    for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
      if not (0 <= v < known.shape[0] and 0 <= u < known.shape[1]):
        continue
      neighbours += 1
      if known[v, u]:
        right[row] += image[v, u]
      else:
        rows.append(row)
        columns.append(number[v, u])
        values.append(-1.0)
    rows.append(row)
    columns.append(row)
    values.append(neighbours)
  matrix = sparse.csc_matrix((values, (rows, columns)))
  filled = image.copy()
  filled[~known] = linalg.splu(matrix).solve(right)
  return filled


def _box(size=90):
  known = np.ones((size, size), bool)
  known[5:-5, 5:-5] = False
  return known


def _strips():
  """A hole that is divided by known rows and columns one pixel wide."""
  known = _box()
  known[::7] = True
  known[:, 40] = True
  return known


def _snake():
  """A hole that is a long winding corridor, three pixels wide."""
  known = np.zeros((61, 60), bool)
  known[3::8, :-3] = True
  known[7::8, 3:] = True
  return known


def _one_known():
  known = np.zeros((80, 70), bool)
  known[30, 30] = True
  return known


def _known_row():
  known = np.zeros((2, 200), bool)
  known[0, [0, -1]] = True
  return known


GEOMETRIES = {
  'box': _box(),
  'strips': _strips(),
  'snake': _snake(),
  'one known': _one_known(),
  'long row': _known_row(),
  'random': np.random.RandomState(0).rand(80, 75) < 0.3,
  'border': ~_box(),
}


@pytest.mark.parametrize('name', GEOMETRIES)
def test_error_is_below_half_a_level_of_8_bits(name):
  known = GEOMETRIES[name]
  # Neighbouring pixels differ by up to the whole range.
  image = np.random.RandomState(1).rand(*known.shape, 3)
  image = np.rint(image).astype(np.float32)
  filled = harmonic.harmonic_fill(image, known)
  np.testing.assert_array_equal(filled[known], image[known])
  expected = _solve_directly(image, known)
  assert np.abs(filled - expected).max() < 0.5 / 255


def test_colours_do_not_pass_through_a_thin_strip():
  image = np.zeros((120, 120, 1), np.float32)
  image[61:] = 1
  known = np.ones((120, 120), bool)
  known[20:60, 20:100] = False
  known[62:100, 20:100] = False
  filled = harmonic.harmonic_fill(image, known)
  assert filled[:60].max() < 0.5 / 255
  assert filled[62:].min() > 1 - 0.5 / 255


def test_all_known_and_none_known():
  image = np.ones((9, 8, 2))
  filled = harmonic.harmonic_fill(image, np.ones((9, 8), bool))
  np.testing.assert_array_equal(filled, image)
  assert not harmonic.harmonic_fill(image, np.zeros((9, 8), bool)).any()


def test_values_in_the_hole_are_not_read():
  known = _strips()
  image = np.random.RandomState(2).rand(*known.shape, 3)
  blank = np.where(known[..., None], image, np.nan)
  np.testing.assert_array_equal(
    harmonic.harmonic_fill(image, known), harmonic.harmonic_fill(blank, known)
  )


@pytest.mark.parametrize('shape', [(40, 40), (37, 51), (1, 30), (5, 5)])
def test_harmonic_fill_continues_a_plane(shape):
  """A plane is harmonic, so this holds for every hole."""
  y, x = np.mgrid[: shape[0], : shape[1]] / 50
  values = np.stack([y, x, x - y], axis=-1).astype(np.float32)
  hole = np.zeros(shape, bool)
  hole[shape[0] // 3 : -shape[0] // 3 or None, 2:-2] = True
  hole[0] = False if shape[0] > 1 else hole[0]
  result = harmonic.harmonic_fill(np.where(hole[..., None], 9, values), ~hole)
  np.testing.assert_array_equal(result[~hole], values[~hole])
  np.testing.assert_allclose(result, values, atol=0.5 / 255)


def test_harmonic_fill_stays_within_the_known_values():
  random = np.random.RandomState(0).rand(64, 64, 3).astype(np.float32)
  hole = ~np.pad(np.zeros((40, 40), bool), 12, constant_values=True)
  result = harmonic.harmonic_fill(random, ~hole)
  assert result[hole].min() >= random[~hole].min()
  assert result[hole].max() <= random[~hole].max()
  assert result[hole].std() < random[~hole].std() / 3


def test_the_order_of_bands_does_not_matter(monkeypatch):
  """Nor does the number of threads. The hole has more pixels than one band."""
  known = np.zeros((300, 300), bool)
  known[::40, ::3] = True
  image = np.random.RandomState(0).rand(300, 300, 3)
  expected = harmonic.harmonic_fill(image, known)

  def backwards(count, function, size):
    for first in reversed(range(0, count, size)):
      function(first, min(first + size, count))

  monkeypatch.setattr(kernels, 'for_bands', backwards)
  np.testing.assert_array_equal(harmonic.harmonic_fill(image, known), expected)
