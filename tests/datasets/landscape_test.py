"""The procedural landscapes."""

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.datasets import landscape, near_duplicates


def test_images_never_change():
  """Otherwise datasets, and results on them, could not be compared.

  Processors may round a few pixels differently.
  """
  sums = [int(landscape.render(index, 64).sum()) for index in range(8)]
  expected = [
    1402478,
    1583916,
    2075892,
    1847387,
    1734279,
    1516697,
    1698048,
    1953234,
  ]
  np.testing.assert_allclose(sums, expected, rtol=1e-5)


def test_picture_depends_on_index_and_seed_alone():
  first = landscape.render(3, 64)
  landscape.render(7, 32, seed=5)
  np.testing.assert_array_equal(landscape.render(3, 64), first)
  assert np.abs(landscape.render(3, 64, seed=1).astype(int) - first).mean() > 5


@pytest.mark.parametrize('size', [32, 64, 128])
def test_shape_type_and_range(size):
  picture = landscape.render(0, size)
  assert picture.shape == (size, size, 3)
  assert picture.dtype == np.uint8
  assert picture.std() > 10


def test_sizes_show_the_same_scene():
  for index in range(8):
    large = Image.fromarray(landscape.render(index, 256)).reduce(16)
    small = Image.fromarray(landscape.render(index, 64)).reduce(4)
    assert np.abs(np.asarray(large, float) - np.asarray(small)).mean() < 3


def test_no_two_pictures_are_alike(monkeypatch):
  monkeypatch.setattr(near_duplicates, 'MAX_DISTANCE', 24)
  hashes = [
    near_duplicates.perceptual_hash(Image.fromarray(landscape.render(i, 64)))
    for i in range(100)
  ]
  assert len(set(near_duplicates.find_groups(np.stack(hashes)))) == 100


def test_sky_is_above_and_differs_from_the_ground():
  pictures = np.stack([landscape.render(i, 32) for i in range(60)])
  top, bottom = (
    pictures[:, :8].mean((0, 1, 2)),
    pictures[:, 24:].mean((0, 1, 2)),
  )
  assert top[2] > bottom[2] + 40  # The blue channel.
  assert top.sum() > bottom.sum() + 60
