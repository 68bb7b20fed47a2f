"""Crops of a photo, and the assignment of photos to splits."""

import numpy as np
from PIL import Image

from inpaint_jax.datasets import crops


def test_grid_of_a_large_photo_is_centred_and_exact():
  height, width = 600, 775
  y, x = np.mgrid[:height, :width]
  pixels = np.stack([x % 256, y % 256, x // 256 + 8 * (y // 256)], -1)
  photo = Image.fromarray(pixels.astype(np.uint8))
  corners = crops.crop_corners(height, width)
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


def test_a_smaller_photo_gives_its_centred_square():
  assert crops.crop_corners(511, 4000) == []
  pixels = np.zeros((100, 300, 3), np.uint8)
  pixels[:, 100:200] = (50, 100, 150)
  (crop,) = crops.cut_crops(Image.fromarray(pixels), [0], 64)
  assert crop.size == (64, 64)
  assert (np.asarray(crop)[:, 3:-3] == (50, 100, 150)).all()


def test_a_thin_photo_is_no_trap():
  (crop,) = crops.cut_crops(Image.new('RGB', (100_000, 1), 'red'), [0], 64)
  assert (np.asarray(crop) == (255, 0, 0)).all()


def test_splits_get_what_they_ask_for_and_share_no_photo():
  rng = np.random.default_rng(0)
  counts = rng.integers(1, 12, 200).tolist()
  wanted = {'train': 400, 'val': 100, 'test': 200}
  splits = crops.assign_to_splits(counts, wanted)
  used = [photo for split in splits.values() for photo, _ in split]
  assert len(used) == len(set(used))
  for name, split in splits.items():
    assert sum(len(indices) for _, indices in split) == wanted[name]
    for photo, indices in split:
      assert len(set(indices)) == len(indices)
      assert set(indices) <= set(range(counts[photo]))


def test_too_few_crops_keep_the_proportions():
  splits = crops.assign_to_splits(
    [1] * 100, {'train': 8000, 'val': 1000, 'test': 1000}
  )
  assert [len(s) for s in splits.values()] == [80, 10, 10]
  # A large photo does not fill a small split beyond its share.
  counts = [1, 50] + [1] * 49
  splits = crops.assign_to_splits(
    counts, {'train': 800, 'val': 100, 'test': 100}
  )
  sizes = [sum(len(used) for _, used in split) for split in splits.values()]
  assert sizes == [44, 10, 6]
  splits = crops.assign_to_splits([1] * 3, {'train': 98, 'val': 1, 'test': 1})
  assert [len(s) for s in splits.values()] == [1, 1, 1]


def test_surplus_of_a_large_photo_is_left_out_evenly():
  splits = crops.assign_to_splits(
    [100, 100, 100], {'train': 5, 'val': 2, 'test': 1}
  )
  assert splits == {
    'train': [(0, [0, 25, 50, 74, 99])],
    'val': [(1, [0, 99])],
    'test': [(2, [0])],
  }


def test_every_photo_gives_some_crops_before_one_gives_many():
  """2,000 photos of 24 crops: 512 test crops are of as many scenes."""
  wanted = {'train': 4000, 'val': 128, 'test': 512}
  splits = crops.assign_to_splits([24] * 2000, wanted)
  for name, split in splits.items():
    numbers = [len(indices) for _, indices in split]
    assert sum(numbers) == wanted[name]
    assert max(numbers) - min(numbers) <= 1
  assert len(splits['test']) >= 200
  assert len(splits['train']) >= 1500
