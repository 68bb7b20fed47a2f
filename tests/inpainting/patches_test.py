"""patches.py: the search for patches."""

import numpy as np
import pytest

from inpaint_jax.inpainting import features, kernels, patches

# More than two bands of rows.
_SHAPE = (90, 100)
_EVERYWHERE = slice(0, 90), slice(0, 100)


def _hole(rows=slice(20, 75), columns=slice(30, 70)):
  hole = np.zeros(_SHAPE, bool)
  hole[rows, columns] = True
  return hole


def _noise(seed=0):
  return np.random.RandomState(seed).randint(0, 256, (*_SHAPE, 3), np.uint8)


def _features(image):
  values = features.create(image.shape)
  features.compute(image, values, _EVERYWHERE)
  return values


def _search(image, hole, passes=8, seed=0):
  target, source = patches.find_targets(hole), patches.find_centres(~hole)
  match = patches.start(target, source, seed, None)
  patches.search(
    _features(image), hole, target, source, match, seed, passes, max(hole.shape)
  )
  return match


def test_centres_and_targets():
  hole = np.zeros((12, 13), bool)
  hole[6, 6] = True
  centres = patches.find_centres(~hole)
  expected = np.zeros_like(hole)
  for y in range(2, 10):
    for x in range(2, 11):
      expected[y, x] = not hole[y - 2 : y + 3, x - 2 : x + 3].any()
  np.testing.assert_array_equal(centres, expected)
  inner = np.zeros_like(hole)
  inner[2:-2, 2:-2] = True
  np.testing.assert_array_equal(patches.find_targets(hole), inner & ~expected)
  for shape in ((4, 9), (9, 4), (1, 1)):
    assert not patches.has_centre(np.ones(shape, bool))
  assert patches.has_centre(np.ones((5, 5), bool))


def test_exact_copies_are_found_in_a_periodic_texture():
  tile = np.random.RandomState(0).randint(0, 256, (9, 10, 3), np.uint8)
  image, hole = np.tile(tile, (10, 10, 1)), _hole()
  match = _search(image, hole)
  target = patches.find_targets(hole)
  rows, columns = np.nonzero(target)
  found = match[target]
  is_exact = ((found[:, 0] - rows) % 9 == 0) & (
    (found[:, 1] - columns) % 10 == 0
  )
  assert is_exact.mean() > 0.99


def test_matches_are_sources():
  hole = _hole()
  source, target = patches.find_centres(~hole), patches.find_targets(hole)
  match = _search(_noise(), hole)
  assert source[match[target][:, 0], match[target][:, 1]].all()
  assert (match[~target] == -1).all()


@pytest.mark.parametrize('count', [1, 2, 4])
def test_any_number_of_threads_finds_the_same(monkeypatch, count):
  image, hole = _noise(), _hole()
  expected = _search(image, hole)
  monkeypatch.setattr(kernels, 'NUM_THREADS', count)
  np.testing.assert_array_equal(_search(image, hole), expected)


def test_the_order_of_bands_does_not_matter(monkeypatch):
  image, hole = _noise(), _hole()
  expected = _search(image, hole)

  def backwards(count, function, size):
    for first in reversed(range(0, count, size)):
      function(first, min(first + size, count))

  monkeypatch.setattr(kernels, 'for_bands', backwards)
  np.testing.assert_array_equal(_search(image, hole), expected)


def test_seeds():
  image, hole = _noise(), _hole()
  first, again, other = (_search(image, hole, seed=i) for i in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()


def test_more_passes_find_better_matches():
  image, hole = _noise(), _hole()
  target = patches.find_targets(hole)
  rows, columns = np.nonzero(target)

  def error(match):
    at, total = match[target], 0
    for dy, dx in ((-2, 0), (0, 0), (0, 2)):
      copies = image[at[:, 0] + dy, at[:, 1] + dx].astype(float)
      total += np.abs(copies - image[rows + dy, columns + dx]).mean()
    return total

  errors = [error(_search(image, hole, passes)) for passes in (1, 8)]
  assert errors[1] < errors[0]


def test_a_start_follows_the_coarse_match():
  target, source = np.zeros(_SHAPE, bool), np.zeros(_SHAPE, bool)
  target[40:44, 40:44] = source[10:20, 10:20] = True
  coarse = np.full((45, 50, 2), -1, np.int32)
  coarse[20:22, 20:22] = np.stack(np.mgrid[6:8, 7:9], axis=-1)
  match = patches.start(target, source, 0, coarse)
  expected = np.stack(np.mgrid[12:16, 14:18], axis=-1)
  np.testing.assert_array_equal(match[40:44, 40:44], expected)
  # Where the coarse match leads to no source, sources are random.
  match = patches.start(target, source, 0, coarse + 30)
  assert source[match[target][:, 0], match[target][:, 1]].all()


def test_votes_are_means_of_known_pixels():
  hole = _hole()
  image = np.where(hole[..., None], 0, [200] * 3).astype(np.uint8)
  match = _search(image, hole, passes=1)
  weight = patches.find_weights(np.ones(_SHAPE), patches.find_targets(hole))
  patches.vote(image, hole, weight, match)
  np.testing.assert_array_equal(image, np.full_like(image, 200))


@pytest.mark.parametrize('corner', [(0, 0), (20, 30), (70, 60)])
def test_a_vote_within_a_radius_of_none_is_a_copy(corner):
  hole = _hole(*(slice(x, x + 20) for x in corner))[:90, :80]
  image = np.ascontiguousarray(_noise()[:, :80])
  target, source = patches.find_targets(hole), patches.find_centres(~hole)
  match = patches.start(target, source, 0, None)
  origins = patches.find_origins(hole, match)[hole]
  expected = image[origins[:, 0], origins[:, 1]]
  patches.vote(image, hole, target.astype(np.float32), match, 0)
  np.testing.assert_array_equal(image[hole], expected)


def test_origins_near_an_edge_are_beside_the_nearest_match():
  hole = _hole(slice(0, 20), slice(0, 30))
  match = _search(_noise(), hole)
  origins = patches.find_origins(hole, match)
  np.testing.assert_array_equal(origins[2:20, 2:30], match[2:20, 2:30])
  np.testing.assert_array_equal(origins[0, 0], match[2, 2] - 2)
  np.testing.assert_array_equal(origins[1, 9], match[2, 9] - [1, 0])
  assert (origins[~hole] == -1).all()
  assert not hole[origins[hole][:, 0], origins[hole][:, 1]].any()
