"""synthesis.py: which known pixel each pixel of a hole copies."""

import numpy as np
import pytest

from inpaint_jax.inpainting import guides, kernels, pyramid, synthesis


def _tiles(height, width, seed=0):
  random = np.random.RandomState(seed)
  tile = random.randint(0, 256, (8, 8, 3), np.uint8)
  repeats = -(-height // 8), -(-width // 8), 1
  return np.tile(tile, repeats)[:height, :width]


def _box(shape, rows, columns):
  hole = np.zeros(shape, bool)
  hole[slice(*rows), slice(*columns)] = True
  return hole


def _find(image, hole, allowed=None, seed=0, guide=guides.smooth, **kwargs):
  allowed = ~hole if allowed is None else allowed
  levels = pyramid.create(image, hole, allowed)
  guess = synthesis.make_guess(levels, guide)
  return synthesis.find_origins(levels, *guess, seed, **kwargs)


@pytest.mark.parametrize('shape', [(60, 70), (150, 200), (401, 399)])
def test_a_texture_is_continued_by_its_copies(shape):
  image = _tiles(*shape)
  hole = _box(shape, (20, 45), (20, 50))
  origins = _find(image, hole)
  assert (origins[~hole] == -1).all()
  rows, columns = np.moveaxis(origins[hole], -1, 0)
  assert not hole[rows, columns].any()
  is_exact = (image[rows, columns] == image[hole]).all(axis=1)
  assert is_exact.mean() > 0.9


@pytest.mark.parametrize('count', [1, 3])
def test_any_number_of_threads_gives_the_same(monkeypatch, count):
  image = np.random.RandomState(0).randint(0, 256, (200, 150, 3), np.uint8)
  hole = _box((200, 150), (40, 120), (30, 100))
  expected = _find(image, hole)
  monkeypatch.setattr(kernels, 'NUM_THREADS', count)
  np.testing.assert_array_equal(_find(image, hole), expected)


def test_nothing_in_the_hole_is_read():
  image = _tiles(200, 200)
  hole = _box((200, 200), (40, 120), (0, 100))
  other = np.where(hole[..., None], 255 - image, image)
  # The caller blanks the hole; coarser levels are made from known pixels only.
  ours, theirs = (
    _find(x, hole, guide=lambda part, mask: np.full_like(part, 0.5))
    for x in (image, other)
  )
  assert ours is not None
  np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('side', [5, 7, 9, 12, 30])
def test_a_small_source_is_enough(side):
  """Coarser levels have no patch that lies in it."""
  image, hole = _tiles(300, 400), _box((300, 400), (100, 200), (100, 300))
  allowed = _box((300, 400), (3, 3 + side), (5, 5 + side))
  origins = _find(image, hole, allowed)
  rows, columns = np.moveaxis(origins[hole], -1, 0)
  assert allowed[rows, columns].all()


def test_nothing_to_copy():
  image, hole = _tiles(60, 60), _box((60, 60), (10, 30), (10, 30))
  assert _find(image, hole, _box((60, 60), (0, 4), (0, 60))) is None
  assert _find(image[:4], hole[10:14]) is None


def test_thin_holes_vanish_at_coarse_resolutions():
  """So a scratch takes no longer than its few pixels need."""
  image, hole = _tiles(400, 400), _box((400, 400), (200, 201), (10, 390))
  shares = []
  origins = _find(image, hole, progress=shares.append)
  assert shares == [1]
  rows, columns = np.moveaxis(origins[hole], -1, 0)
  assert (image[rows, columns] == image[hole]).all(axis=1).mean() > 0.9


def test_a_guide_decides_what_is_copied():
  """The surroundings leave open whether the filling is bright or dark."""
  image = np.random.RandomState(0).randint(0, 60, (200, 200, 3), np.uint8)
  image[:, 100:] += 180
  hole = _box((200, 200), (60, 140), (60, 140))

  def guide(level):
    return lambda part, mask: np.where(mask[..., None], np.float32(level), part)

  means = []
  for level in (0.1, 0.85):
    origins = _find(image, hole, guide=guide(level))
    rows, columns = np.moveaxis(origins[hole], -1, 0)
    means.append(image[rows, columns].mean())
  assert means[1] - means[0] > 60


@pytest.mark.parametrize(
  ('size', 'scale'), [((200, 90), 1), ((512, 500), 1), ((700, 901), 2)]
)
def test_a_guide_sees_a_reduced_window(size, scale):
  image, hole = _tiles(*size), _box(size, (20, 80), (20, 80))
  sizes = []

  def guide(image, hole):
    assert image.dtype == np.float32
    sizes.append(image.shape[:2])
    return np.where(hole[..., None], np.float32(0.2), image)

  levels = pyramid.create(image, hole, ~hole)
  guess, number = synthesis.make_guess(levels, guide)
  assert sizes == [tuple(-(-x // scale) for x in size)]
  assert 2**number == scale
  assert guess.shape[:2] == sizes[0]
  assert (
    guess[30 // scale : 70 // scale, 30 // scale : 70 // scale] == 51
  ).all()
