"""Reading photos, near-duplicates, crops and splits."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
import pytest

from inpaint_jax.datasets import (
  crops,
  landscape,
  near_duplicates,
  photo_folder,
)
from inpaint_jax.photos import reading
from inpaint_jax.system import errors


def scene(index: int, width: int = 96, height: int = 96) -> Image.Image:
  side = max(width, height)
  picture = Image.fromarray(landscape.render(index, 128))
  return picture.resize((side, side)).crop((0, 0, width, height))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
  buffer = io.BytesIO()
  image.save(buffer, 'JPEG', quality=quality)
  return Image.open(io.BytesIO(buffer.getvalue()))


# Reading.


def test_colour_modes_give_the_right_rgb(tmp_path):
  wide = np.array([[0, 257 * 100, 65535]], np.uint16)
  grey = [[0, 0, 0], [100] * 3, [255] * 3]
  palette = Image.new('P', (3, 1))
  palette.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
  palette.putdata([0, 1, 2])
  rgba = Image.new('RGBA', (3, 1))
  rgba.putdata([(10, 20, 30, 255), (0, 0, 0, 0), (0, 0, 0, 51)])
  grey_alpha = Image.new('LA', (3, 1))
  grey_alpha.putdata([(7, 255), (7, 0), (0, 51)])
  cmyk = Image.new('CMYK', (3, 1))
  cmyk.putdata([(0, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 255)])
  bits = Image.new('1', (3, 1))
  bits.putdata([0, 1, 0])
  cases = {
    'grey.png': (Image.fromarray(np.uint8([[0, 100, 255]])), grey),
    'wide.png': (Image.fromarray(wide), grey),
    'wide.tif': (Image.fromarray(wide), grey),
    'int.tif': (Image.fromarray(wide.astype(np.int32)), grey),
    'unit.tif': (Image.fromarray(np.float32([[0, 100 / 255, 1]])), grey),
    'float.tif': (Image.fromarray(np.float32([[0, 100, 255]])), grey),
    'nan.tif': (Image.fromarray(np.float32([[np.nan, 100, 255]])), grey),
    'bits.png': (bits, [[0] * 3, [255] * 3, [0] * 3]),
    'palette.png': (palette, [[10, 20, 30], [200, 100, 50], [0, 0, 0]]),
    'rgba.png': (rgba, [[10, 20, 30], [255] * 3, [204] * 3]),
    'grey_alpha.png': (grey_alpha, [[7] * 3, [255] * 3, [204] * 3]),
    'cmyk.tif': (cmyk, [[255] * 3, [255, 0, 255], [0] * 3]),
  }
  for name, (image, expected) in cases.items():
    path = str(tmp_path / name)
    image.save(path)
    rgb = reading.read(path)
    assert rgb.mode == 'RGB', name
    assert np.asarray(rgb)[0].tolist() == expected, name
  palette.save(tmp_path / 'clear.png', transparency=2)
  clear = np.asarray(reading.read(str(tmp_path / 'clear.png')))[0]
  assert clear.tolist() == [[10, 20, 30], [200, 100, 50], [255] * 3]


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
  upright = scene(0, 96, 64)
  undo = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
  }
  stored = upright
  if orientation in undo:
    stored = upright.transpose(undo[orientation])
  exif = Image.Exif()
  exif[0x0112] = orientation
  path = str(tmp_path / 'photo.png')
  stored.save(path, exif=exif)
  np.testing.assert_array_equal(reading.read(path), upright)
  assert reading.size(path) == (64, 96)


def test_first_frame_of_an_animation(tmp_path):
  red, blue = Image.new('RGB', (4, 4), 'red'), Image.new('RGB', (4, 4), 'blue')
  red.save(tmp_path / 'a.gif', save_all=True, append_images=[blue])
  pixels = np.asarray(reading.read(str(tmp_path / 'a.gif')))
  assert (pixels == [255, 0, 0]).all()


def test_bad_files_are_named_with_a_reason(tmp_path):
  buffer = io.BytesIO()
  scene(0).save(buffer, 'JPEG')
  bomb = b'\x89PNG\r\n\x1a\n'
  header = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
  for kind, data in ((b'IHDR', header), (b'IDAT', b''), (b'IEND', b'')):
    bomb += struct.pack('>I', len(data)) + kind + data
    bomb += struct.pack('>I', zlib.crc32(kind + data))
  bad = {
    'cut.jpg': (buffer.getvalue()[:-200], 'truncated'),
    'text.jpg': (b'this is no picture', 'not a picture'),
    'empty.png': (b'', 'empty file'),
    'bomb.png': (bomb, 'megapixels'),
  }
  for name, (data, reason) in bad.items():
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(reading.UnreadableError, match=reason) as caught:
      reading.read(str(path))
    assert str(tmp_path) not in str(caught.value)
  os.mkfifo(tmp_path / 'pipe.jpg')
  with pytest.raises(reading.UnreadableError, match='regular file'):
    reading.read(str(tmp_path / 'pipe.jpg'))
  with pytest.raises(reading.UnreadableError, match=r'^No such file'):
    reading.read(str(tmp_path / 'missing.jpg'))


def test_size_limit_holds_below_that_of_pillow(tmp_path, monkeypatch):
  scene(0).save(tmp_path / 'a.png')
  monkeypatch.setattr(reading, 'MAX_PIXELS', 96 * 96 - 1)
  with pytest.raises(reading.UnreadableError, match='megapixels'):
    reading.read(str(tmp_path / 'a.png'))
  monkeypatch.setattr(reading, 'MAX_PIXELS', 96 * 96)
  reading.read(str(tmp_path / 'a.png'))


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_without_permission_is_named(tmp_path):
  scene(0).save(tmp_path / 'a.png')
  (tmp_path / 'a.png').chmod(0)
  with pytest.raises(reading.UnreadableError, match='Permission'):
    reading.read(str(tmp_path / 'a.png'))


# The folder.


def test_any_layout_is_searched(tmp_path, tmp_path_factory):
  deep = tmp_path / 'a b' / 'ü' / 'deep'
  deep.mkdir(parents=True)
  (tmp_path / '.hidden').mkdir()
  (tmp_path / '.hidden' / 'no.jpg').touch()
  for path in (deep / 'X y.JPG', tmp_path / 'é.png', tmp_path / '.no.jpg'):
    path.touch()
  (deep / 'notes.txt').touch()
  (deep / 'loop').symlink_to(tmp_path, target_is_directory=True)
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (elsewhere / 'far.webp').touch()
  (tmp_path / 'link').symlink_to(elsewhere, target_is_directory=True)
  listing = photo_folder.list_photos(str(tmp_path))
  assert listing.paths == ['a b/ü/deep/X y.JPG', 'link/far.webp', 'é.png']
  assert listing.other_files == {'.txt': 1}


def test_fingerprint_changes_with_the_folder_but_not_with_its_place(tmp_path):
  old = tmp_path / 'old'
  old.mkdir()
  (old / 'a.jpg').write_bytes(b'1')
  first = photo_folder.list_photos(str(old)).fingerprint()
  new = old.rename(tmp_path / 'new')
  (new / 'other.txt').write_bytes(b'1')
  assert photo_folder.list_photos(str(new)).fingerprint() == first
  (new / 'a.jpg').write_bytes(b'12')
  assert photo_folder.list_photos(str(new)).fingerprint() != first
  (new / 'a.jpg').write_bytes(b'1')
  (new / 'a.jpg').rename(new / 'b.jpg')
  assert photo_folder.list_photos(str(new)).fingerprint() != first


def test_a_source_without_photos_is_one_line(tmp_path):
  (tmp_path / 'file').touch()
  empty = tmp_path / 'empty'
  empty.mkdir()
  for source, found in (
    ('', "is ''"),
    (str(tmp_path / 'missing'), 'does not exist'),
    (str(tmp_path / 'file'), 'is a file'),
    (str(empty), 'holds no file'),
    (str(tmp_path), 'no ending: 1'),
  ):
    with pytest.raises(errors.UserError, match=found) as caught:
      photo_folder.list_photos(source)
    assert '--config.data.source' in str(caught.value)
    assert '\n' not in str(caught.value)


# Near-duplicates.


def test_copies_are_found_and_different_photos_are_not():
  originals = [scene(i, 128, 100) for i in range(8)]
  copies = [
    originals[0].resize((64, 50), Image.Resampling.LANCZOS),
    recompressed(originals[1], 40),
    ImageEnhance.Brightness(originals[2]).enhance(0.8),
    ImageOps.mirror(originals[3]),
    ImageOps.mirror(recompressed(originals[4].resize((96, 75)), 80)),
  ]
  hashes = [near_duplicates.perceptual_hash(p) for p in originals + copies]
  groups = near_duplicates.find_groups(np.stack(hashes))
  assert len(set(groups[:8])) == 8
  assert groups[8:].tolist() == groups[:5].tolist()


def test_groups_are_transitive_and_blocks_do_not_matter(monkeypatch):
  rng = np.random.default_rng(0)
  hashes = rng.integers(2**63, size=(700, 4), dtype=np.uint64)
  step = np.uint64(2**30 - 1)  # 30 bits.
  hashes[699] = hashes[3] ^ np.array([step, 0, 0, 0], np.uint64)
  hashes[400] = hashes[699] ^ np.array([0, step, 0, 0], np.uint64)
  groups = near_duplicates.find_groups(hashes, 32)
  assert groups[3] == groups[400] == groups[699]
  assert len(set(groups)) == 698
  monkeypatch.setattr(near_duplicates, '_ROWS', 97)
  np.testing.assert_array_equal(near_duplicates.find_groups(hashes, 32), groups)


# Crops.


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


# Splits.


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
