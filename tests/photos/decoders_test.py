"""What is in a file, as arrays: 16 bits, palettes, CMYK, transparency."""

import io
import os
import struct
import zlib

import numpy as np
from photos import samples
from PIL import Image, ImageCms
import pytest

from inpaint_jax.photos import picture_files, reading
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


@pytest.mark.parametrize('prefix', [b'II', b'MM'])
def test_16_bits_in_either_byte_order(prefix):
  values = samples.noise(37, 53, 3, np.uint16)
  picture = picture_files.read(samples.bare_tiff(values, prefix))
  np.testing.assert_array_equal(picture.pixels, values)
  grey = samples.bare_tiff(values[..., :1], prefix, photometric=1)
  np.testing.assert_array_equal(
    picture_files.read(grey).pixels[..., :1], values[..., :1]
  )


def test_16_bits_where_white_is_zero():
  values = samples.noise(37, 53, 1, np.uint16)
  picture = picture_files.read(samples.bare_tiff(values, b'II', photometric=0))
  np.testing.assert_array_equal(picture.pixels[..., :1], 65535 - values)


def test_16_bits_with_a_transparent_colour():
  values = samples.noise(37, 53, 3, np.uint16)
  data, _ = samples.saved(Picture(values), 'PNG')
  grey, _ = samples.saved(
    Picture(np.broadcast_to(values[..., :1], values.shape), grey=True), 'PNG'
  )

  def with_key(data, key):
    chunk = b'tRNS' + key.astype('>u2').tobytes()
    chunk = struct.pack('>I', len(chunk) - 4) + chunk
    chunk += struct.pack('>I', zlib.crc32(chunk[4:]))
    at = data.index(b'IDAT') - 4
    return data[:at] + chunk + data[at:]

  for file, key in ((data, values[5, 7]), (grey, values[5, 7, :1])):
    alpha = picture_files.read(with_key(file, key)).alpha
    assert alpha.dtype == np.uint16
    assert alpha[5, 7] == 0
    assert (alpha == 65535).sum() == alpha.size - 1


def test_what_is_not_rgb_is_converted_with_a_line(tmp_path):
  palette = Image.new('P', (3, 1))
  palette.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
  palette.putdata([0, 1, 2])
  bits = Image.new('1', (3, 1))
  bits.putdata([0, 1, 0])
  cmyk = Image.new('CMYK', (3, 1))
  cmyk.putdata([(0, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 255)])
  wheel = [[10, 20, 30], [200, 100, 50], [0, 0, 0]]
  cases = [
    (palette, 'PNG', wheel, 'palette', False),
    (palette, 'GIF', wheel, 'palette', False),
    (bits, 'PNG', [[0] * 3, [255] * 3, [0] * 3], 'black and white', True),
    (cmyk, 'TIFF', [[255] * 3, [255, 0, 255], [0] * 3], 'CMYK', False),
  ]
  for image, kind, expected, note, is_grey in cases:
    picture = picture_files.read(samples.pillow_bytes(image, kind))
    assert picture.pixels[0].tolist() == expected, (image.mode, kind)
    assert picture.pixels.dtype == np.uint8
    assert picture.grey == is_grey
    assert len(picture.notes) == 1
    assert note in picture.notes[0]
  clear = picture_files.read(
    samples.pillow_bytes(palette, 'PNG', transparency=2)
  )
  assert clear.alpha.tolist() == [[255, 255, 0]]


def test_cmyk_goes_by_its_profile(monkeypatch):
  """Pillow comes without a CMYK profile, so the conversion is made up."""
  profile = bytes(16) + b'CMYK' + bytes(200)
  image = Image.new('CMYK', (8, 8))
  data = samples.pillow_bytes(image, 'JPEG', icc_profile=profile)
  picture = picture_files.read(data)
  assert picture.notes == ('its CMYK became RGB, without a colour profile',)
  monkeypatch.setattr(ImageCms, 'ImageCmsProfile', lambda file: file.read())
  monkeypatch.setattr(
    ImageCms,
    'profileToProfile',
    lambda image, source, *_, outputMode: Image.new(
      outputMode, image.size, 'red' if source == profile else 'blue'
    ),
  )
  picture = picture_files.read(data)
  assert picture.pixels[0, 0].tolist() == [255, 0, 0]
  assert picture.notes == ('its CMYK became sRGB, by its colour profile',)
  # The profile is dropped, since it describes the CMYK values.
  assert picture.metadata.icc == b''


@pytest.mark.parametrize(
  ('mode', 'space'), [('L', b'RGB '), ('RGB', b'GRAY'), ('LAB', b'Lab ')]
)
def test_a_profile_of_other_values_is_left_out_with_a_line(mode, space):
  profile = bytes(16) + space + bytes(200)
  image = Image.new(mode, (8, 8))
  data = samples.pillow_bytes(image, 'TIFF', icc_profile=profile)
  picture = picture_files.read(data)
  assert picture.metadata.icc == b''
  kind = 'grey' if mode == 'L' else 'RGB'
  line = f'its colour profile is not one of {kind} and was left out'
  assert picture.notes[-1] == line


def test_16_bits_of_a_replaced_file_are_not_the_old_ones(tmp_path):
  """libvips caches files that it has opened, but a user may replace them."""
  path = tmp_path / 'a.png'
  for seed in range(2):
    values = samples.noise(37, 53, 3, np.uint16, seed=seed)
    path.write_bytes(samples.saved(Picture(values), 'PNG')[0])
    np.testing.assert_array_equal(picture_files.read(path).pixels, values)


@pytest.mark.parametrize('name', ['a b \xe9.png', b'\xff[a].png'])
def test_16_bits_of_a_file_of_any_name(tmp_path, name):
  path = tmp_path / os.fsdecode(name)
  values = samples.noise(37, 53, 3, np.uint16)
  path.write_bytes(samples.saved(Picture(values), 'PNG')[0])
  np.testing.assert_array_equal(picture_files.read(path).pixels, values)


@pytest.mark.parametrize('name', ['PNG', 'TIFF'])
def test_16_bits_that_are_damaged_are_refused(name):
  values = samples.noise(200, 200, 3, np.uint16)
  data = bytearray(samples.saved(Picture(values), name)[0])
  data[len(data) // 2] ^= 255
  for damaged in (bytes(data), bytes(data[: len(data) // 2])):
    with pytest.raises(errors.UserError, match='photo cannot be read') as e:
      picture_files.read(damaged)
    assert '\n' not in str(e.value)


def test_a_fourth_channel_of_unknown_meaning_is_no_alpha():
  values = samples.noise(37, 53, 4, np.uint16)
  picture = picture_files.read(
    samples.bare_tiff(values, b'II', others={338: 0})
  )
  np.testing.assert_array_equal(picture.pixels, values[..., :3])
  assert picture.alpha is None


def test_cmyk_of_16_bits_becomes_rgb_of_8():
  values = samples.noise(37, 53, 4, np.uint16)
  data = samples.bare_tiff(values, b'II', photometric=5)
  picture = picture_files.read(data)
  assert picture.pixels.dtype == np.uint8
  assert picture.notes[0] == 'its numbers were brought to 8 bits'


def test_16_bit_grey_of_jpeg_2000():
  values = samples.noise(37, 53, 1, np.uint16)
  image = Image.fromarray(values[..., 0])
  data = samples.pillow_bytes(image, 'JPEG2000', irreversible=False)
  picture = picture_files.read(data)
  np.testing.assert_array_equal(picture.pixels[..., :1], values)
  assert picture.grey
  assert picture.notes == ()


NAN, INF, LOWEST = np.nan, np.inf, -3.4e38


@pytest.mark.parametrize(
  ('values', 'levels', 'note'),
  [
    (np.int32([0, 25700, 65535]), [0, 25700, 65535], '0 to 65535, were div'),
    (np.int32([0, 100, 255]), [0, 25700, 65535], 'divided by 255'),
    (np.int32([-5, 0, 5]), [0, 32768, 65535], '-5 to 5, were scaled'),
    (np.int32([0, 2**30, 2**31 - 1]), [0, 32768, 65535], 'to the range from'),
    (np.float32([0, 0.25, 0.5]), [0, 16384, 32768], 'keep their scale;'),
    (np.float32([0, 100, 255]), [0, 25700, 65535], 'divided by 255'),
    (np.float32([0, 4.1, 8.2]), [0, 32768, 65535], '8.2, were scaled to the'),
    (np.float32([0, 4.1, 8.2, INF]), [0, 32768, 65535, 65535], '1 of them'),
    (np.float32([0, 0.25, -INF, NAN]), [0, 16384, 0, 0], '2 of them'),
    (np.float32([2.5, LOWEST, 4]), [0, 0, 65535], '1 of them'),
    (np.float32([8.2, 8.2]), [65535, 65535], '8.2 to 8.2'),
    (np.float32([0, 0]), [0, 0], 'keep their scale;'),
  ],
)
def test_numbers_of_32_bits_keep_their_levels(values, levels, note):
  data = samples.pillow_bytes(Image.fromarray(values[None]), 'TIFF')
  picture = picture_files.read(data)
  assert picture.grey
  assert picture.pixels[0, :, 0].tolist() == levels
  assert len(picture.notes) == 1
  assert note in picture.notes[0]
  assert 'it has 16 bits now' in picture.notes[0]
  rgb = np.asarray(reading.to_rgb(Image.open(io.BytesIO(data))))
  np.testing.assert_allclose(rgb[0, :, 0], np.array(levels) / 257, atol=0.51)


def test_float_values_that_stand_for_no_data():
  values = Image.fromarray(np.float32([[2.5, -9999, 4]]))
  data = samples.pillow_bytes(values, 'TIFF', tiffinfo={42113: '-9999'})
  assert picture_files.read(data).pixels[0, :, 0].tolist() == [0, 0, 65535]
  nothing = Image.fromarray(np.float32([[np.nan, np.inf]]))
  with pytest.raises(errors.UserError, match='none of its values is a finite'):
    picture_files.read(samples.pillow_bytes(nothing, 'TIFF'))


def test_whole_numbers_without_a_sign():
  values = np.uint32([[0, 2**31, 2**32 - 1]])
  data = samples.pillow_bytes(Image.fromarray(values.view(np.int32)), 'TIFF')
  signed, unsigned = (struct.pack('<HHII', 339, 3, 1, x) for x in (2, 1))
  assert signed in data
  data = data.replace(signed, unsigned)
  assert picture_files.read(data).pixels[0, :, 0].tolist() == [0, 32768, 65535]


def test_16_bits_with_a_sign_are_scaled():
  values = np.array([[[-5], [0], [5]]], np.int16).view(np.uint16)
  data = samples.bare_tiff(values, b'II', photometric=1, others={339: 2})
  picture = picture_files.read(data)
  assert picture.pixels[0, :, 0].tolist() == [0, 32768, 65535]
  assert '-5 to 5, were scaled' in picture.notes[0]


@pytest.mark.parametrize('dtype', [np.float32, np.uint16])
def test_numbers_where_white_is_zero(tmp_path, dtype):
  values = np.array([[0, 0.25, 1]], np.float32)
  if dtype == np.uint16:
    values = np.rint(values * 65535).astype(dtype)
  path = tmp_path / 'x.tif'
  Image.fromarray(values).save(path, tiffinfo={262: 0})
  found = picture_files.read(path).pixels[0, :, 0].astype(int)
  np.testing.assert_allclose(found, [65535, 49151, 0], atol=1)
  found = np.asarray(reading.read(str(path)))[0, :, 0].astype(int)
  np.testing.assert_allclose(found, [255, 191, 0], atol=1)


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits(bits):
  top, each = 2**bits - 1, 8 // bits
  values = np.arange(2 * each) % (top + 1)
  key = max(top - 1, 1)
  spread = np.unpackbits(values.astype(np.uint8)[:, None], axis=1)[:, -bits:]
  data = samples.png_of(
    (b'IHDR', struct.pack('>IIBBBBB', 2 * each, 1, bits, 0, 0, 0, 0)),
    (b'tRNS', struct.pack('>H', key)),
    (b'IDAT', zlib.compress(b'\0' + np.packbits(spread).tobytes())),
    (b'IEND', b''),
  )
  picture = picture_files.read(data)
  grey = np.rint(values * 255 / top)
  np.testing.assert_array_equal(picture.pixels[0, :, 0], grey)
  alpha = np.where(values == key, 0, 255)
  np.testing.assert_array_equal(picture.alpha[0], alpha)


def test_colours_in_float_are_refused_with_what_to_do():
  values = samples.bare_tiff(
    samples.noise(8, 8, 3, np.uint16), b'II', others={339: (3, 3, 3)}
  )
  with pytest.raises(errors.UserError, match='whole numbers of 8 or 16 bits'):
    picture_files.read(values)
