"""Opening a photo, whatever is in the file."""

import os

import numpy as np
from photos import samples
from PIL import Image
import pytest

from inpaint_jax.datasets import landscape
from inpaint_jax.photos import picture_files, reading
from inpaint_jax.system import errors


def test_16_bits_by_planes_are_refused(tmp_path):
  """Pillow reads noise from such a file."""
  values = samples.noise(37, 53, 3, np.uint16)
  data = samples.bare_tiff(values, b'II', planes=2)
  with pytest.raises(errors.UserError, match='a plane for each colour'):
    picture_files.read(data)
  path = tmp_path / 'a.tif'
  path.write_bytes(data)
  with pytest.raises(reading.UnreadableError, match='a plane for each colour'):
    reading.read(str(path))


def test_what_is_no_photo_is_not_read():
  assert {'JPEG', 'PNG', 'TIFF', 'WEBP'} <= set(reading.formats())
  assert not {'EPS', 'PDF', 'MPEG'} & set(reading.formats())
  assert {'.jpg', '.png', '.tif', '.webp'} <= reading.extensions()
  assert '.pdf' not in reading.extensions()


def test_errors_name_the_file():
  with (
    pytest.raises(errors.UserError, match=r'^a\.png cannot be read: empty'),
    reading.unreadable_as_user_error('a.png'),
    reading.opened(b''),
  ):
    pass


def test_the_centred_square():
  values = np.zeros((4, 8, 3), np.uint8)
  values[:, 2:6] = 200
  square = reading.square(Image.fromarray(values), 4)
  assert square.size == (4, 4)
  assert (np.asarray(square) == 200).all()


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
  upright = Image.fromarray(landscape.render(0, 96)).crop((0, 0, 96, 64))
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
  """More bad files are tested in picture_files_test.py."""
  photo = Image.fromarray(landscape.render(0, 96))
  bad = {
    'cut.jpg': (samples.pillow_bytes(photo, 'JPEG')[:-200], 'truncated'),
    'text.jpg': (b'this is no picture', 'not an image'),
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
  Image.fromarray(landscape.render(0, 96)).save(tmp_path / 'a.png')
  monkeypatch.setattr(reading, 'MAX_PIXELS', 96 * 96 - 1)
  with pytest.raises(reading.UnreadableError, match='megapixels'):
    reading.read(str(tmp_path / 'a.png'))
  monkeypatch.setattr(reading, 'MAX_PIXELS', 96 * 96)
  reading.read(str(tmp_path / 'a.png'))


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_without_permission_is_named(tmp_path):
  Image.fromarray(landscape.render(0, 96)).save(tmp_path / 'a.png')
  (tmp_path / 'a.png').chmod(0)
  with pytest.raises(reading.UnreadableError, match='Permission'):
    reading.read(str(tmp_path / 'a.png'))
