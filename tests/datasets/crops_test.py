"""Crops of photos, and their order."""

import numpy as np
from PIL import Image

from inpaint_jax.datasets import crops


def test_grid_of_a_large_photo_is_centred_and_exact():
  height, width = 600, 775
  y, x = np.mgrid[:height, :width]
  pixels = np.stack([x % 256, y % 256, x // 256 + 8 * (y // 256)], -1)
  photo = Image.fromarray(pixels.astype(np.uint8))
  corners = crops.crop_corners(height, width, 64)
  assert corners == [(left, top) for top in (44, 300) for left in (3, 259, 515)]
  pictures = crops.cut_crops(photo, range(6), 256)
  for (left, top), picture in zip(corners, pictures, strict=True):
    expected = pixels[top : top + 256, left : left + 256]
    np.testing.assert_array_equal(picture, expected)


def test_smaller_crops_are_means_over_the_same_scene():
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, (512, 512, 3), np.uint8)
  (small,) = crops.cut_crops(Image.fromarray(pixels), [3], 64)
  mean = pixels[256:, 256:].reshape(64, 4, 64, 4, 3).mean((1, 3))
  np.testing.assert_allclose(np.asarray(small), mean, atol=0.51)


def test_larger_images_are_cut_from_larger_squares():
  y, x = np.mgrid[:1100, :1600]
  pixels = np.stack([x % 256, y % 256, x // 256 + 8 * (y // 256)], -1)
  photo = Image.fromarray(pixels.astype(np.uint8))
  corners = crops.crop_corners(1100, 1600, 512)
  assert corners == [(x, y) for y in (38, 550) for x in (32, 544, 1056)]
  (crop,) = crops.cut_crops(photo, [4], 512)
  np.testing.assert_array_equal(crop, pixels[550:1062, 544:1056])


def test_a_smaller_photo_gives_its_centred_square():
  assert crops.crop_corners(511, 4000, 64) == []
  pixels = np.zeros((100, 300, 3), np.uint8)
  pixels[:, 100:200] = (50, 100, 150)
  (crop,) = crops.cut_crops(Image.fromarray(pixels), [0], 64)
  assert crop.size == (64, 64)
  assert (np.asarray(crop)[:, 3:-3] == (50, 100, 150)).all()


def test_a_thin_photo_is_no_trap():
  (crop,) = crops.cut_crops(Image.new('RGB', (100_000, 1), 'red'), [0], 64)
  assert (np.asarray(crop) == (255, 0, 0)).all()


def test_each_crop_comes_once():
  counts = [3, 1, 24]
  pairs = list(crops.in_order(counts))
  assert len(pairs) == len(set(pairs)) == sum(counts)
  for photo, crop in pairs:
    assert crop in range(counts[photo])


def test_every_photo_gives_a_crop_before_one_gives_two():
  photos = [photo for photo, _ in crops.in_order([24] * 200)]
  for start in range(0, len(photos), 200):
    assert photos[start : start + 200] == list(range(200))


def test_the_first_crops_of_a_photo_are_spread_over_it():
  first = [crop for _, crop in crops.in_order([100])][:8]
  gaps = np.diff([*sorted(first), 100])
  assert gaps.max() <= 25
