"""Photos read and written: names, frames, errors, and inputs kept."""

import io
import pathlib
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
from photos import samples
from PIL import Image, ImageOps
import pytest
import pyvips

from inpaint_jax.photos import formats, picture_files, reading
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

KINDS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
HEADER = (b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0))
PIXELS = (b'IDAT', zlib.compress(bytes(8 * 25)))
BOMB = zlib.compress(bytes(20_000_000), 9)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_photo_is_upright_once(orientation, kind):
  image = Image.fromarray(
    np.kron(samples.noise(4, 6, 3), np.ones((8, 8, 1), np.uint8))
  )
  exif = Image.Exif()
  exif[0x0112] = orientation
  options = {'lossless': True} if kind == 'WEBP' else {}
  data = samples.pillow_bytes(image, kind, exif=exif, **options)
  # TIFF files are turned by Pillow as they are loaded.
  expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
  picture = picture_files.read(data)
  np.testing.assert_array_equal(picture.pixels, expected)
  assert picture.pixels.flags.c_contiguous
  again, _ = samples.saved(picture, kind)
  assert Image.open(io.BytesIO(again)).getexif().get(0x0112, 1) == 1
  assert picture_files.read(again).pixels.shape == picture.pixels.shape


def test_the_first_picture_counts_with_a_line():
  red, blue = Image.new('RGB', (8, 8), 'red'), Image.new('RGB', (8, 8), 'blue')
  for kind in ('GIF', 'PNG', 'WEBP', 'TIFF', 'MPO'):
    options = {'lossless': True} if kind == 'WEBP' else {}
    data = samples.pillow_bytes(
      red, kind, save_all=True, append_images=[blue], **options
    )
    picture = picture_files.read(data)
    assert picture.notes[0].startswith('it holds 2 images')
    assert abs(picture.pixels - [254, 0, 0]).max() <= 1
  assert picture.jpeg is not None


@pytest.mark.parametrize('kind', ['AVIF', 'HEIF'])
def test_heic_and_avif(tmp_path, kind):
  if kind == 'HEIF':
    pytest.importorskip('pillow_heif')
  assert kind in reading.formats()
  exif = Image.Exif()
  exif[0x0112], exif[0x010F] = 6, 'A camera'
  upright = samples.smooth(48, 64)
  upright[..., 0] = np.linspace(0, 255, 64)
  photo = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
  path = tmp_path / 'a.heic'
  photo.save(path, kind, exif=exif.tobytes(), quality=98)
  picture = picture_files.read(path)
  assert abs(picture.pixels - upright.astype(int)).mean() < 4
  assert reading.size(str(path)) == (48, 64)
  kept = Image.Exif()
  kept.load(picture.metadata.exif)
  assert (kept[0x010F], kept[0x0112]) == ('A camera', 1)
  photo.convert('L').save(path, kind)
  # Older versions of Pillow read a grey AVIF photo as RGB.
  with Image.open(path) as saved:
    assert picture_files.read(path).grey == (saved.mode == 'L')
  photo.putalpha(100)
  photo.save(path, kind)
  assert picture_files.read(path).alpha.max() == 100
  path.write_bytes(path.read_bytes()[:-500])
  with pytest.raises(errors.UserError, match='cannot be read') as caught:
    picture_files.read(path)
  assert '\n' not in str(caught.value)


def test_heic_of_more_than_8_bits_is_a_line():
  heif = pytest.importorskip('pillow_heif')
  pixels = samples.smooth(48, 64)
  deep = (pixels.astype(np.uint16) * 257).tobytes()
  file = io.BytesIO()
  heif.from_bytes('RGB;16', (64, 48), deep).save(file)
  picture = picture_files.read(file.getvalue())
  assert picture.notes == ('its 10 bits were brought to 8',)
  assert abs(picture.pixels - pixels.astype(int)).mean() < 8


def test_avif_of_more_than_8_bits_is_a_line():
  pixels = np.full((48, 64, 3), 30000, np.uint16)
  image = pyvips.Image.new_from_array(pixels, interpretation='rgb16')
  for bits in (8, 10, 12):
    data = image.heifsave_buffer(compression='av1', bitdepth=bits)
    picture = picture_files.read(data)
    lines = (f'its {bits} bits were brought to 8',) if bits > 8 else ()
    assert picture.notes == lines
    assert abs(picture.pixels.astype(int) - 30000 // 257).max() <= 1


def test_wide_gamut_and_hdr_of_avif_stay_in_png():
  data = samples.pillow_bytes(Image.new('RGB', (64, 48), 'red'), 'AVIF')
  mark = data.index(b'colrnclx') + 8
  for primaries, curve, kept in ((1, 13, ()), (2, 2, ()), (9, 16, (9, 16))):
    codes = bytes([0, primaries, 0, curve])
    picture = picture_files.read(data[:mark] + codes + data[mark + 4 :])
    wanted = ((b'cICP', bytes([*kept, 0, 1])),) if kept else ()
    assert picture.metadata.png_colour == wanted
    again, lines = samples.saved(picture, 'PNG')
    assert picture_files.read(again).metadata.png_colour == wanted
    assert lines == []
    _, lines = samples.saved(picture, 'JPEG')
    assert lines == [
      'JPEG has no room for what says how its colours are coded'
    ] * (len(kept) > 0)


def test_ppm_and_jpeg_2000_of_more_than_8_bits_are_a_line():
  for most, bits in ((255, 8), (1023, 10), (65535, 16)):
    notes = picture_files.read(f'P3 1 1 {most} 99 200 7'.encode()).notes
    assert notes == ((f'its {bits} bits were brought to 8',) * (bits > 8))
  image = Image.fromarray(samples.noise(48, 64, 3))
  for kind, options in (
    (image, {}),
    (image, {'no_jp2': True}),
    (image.convert('LA'), {}),
  ):
    data = bytearray(samples.pillow_bytes(kind, 'JPEG2000', **options))
    assert picture_files.read(bytes(data)).notes == ()
    # Says that the numbers, which stay as they are, have 12 bits.
    sizes, count = data.index(b'\xff\x51') + 40, len(kind.mode)
    data[sizes : sizes + 3 * count : 3] = bytes([11] * count)
    if not options:
      # Behind a box of other data.
      start = data.index(b'jp2c') - 4
      data[start:start] = struct.pack('>I4s', 2**15, b'xml ') + bytes(2**15 - 8)
    lines = picture_files.read(bytes(data)).notes
    assert lines == ('its 12 bits were brought to 8',)


def test_a_file_is_what_it_is_whatever_its_name(tmp_path):
  path = tmp_path / 'photo \xe9.jpg'
  Image.fromarray(samples.noise(8, 8, 3)).save(path, 'PNG')
  picture = picture_files.read(path)
  assert picture.notes == ('it is a PNG file, whatever its name says',)
  np.testing.assert_array_equal(picture.pixels, samples.noise(8, 8, 3))


def test_paths_bytes_and_open_files_are_read_alike(tmp_path):
  data, _ = samples.saved(Picture(samples.noise(8, 8, 3, np.uint16)), 'PNG')
  (tmp_path / 'a.png').write_bytes(data)
  file = io.BytesIO(data)
  file.seek(5)
  for source in (tmp_path / 'a.png', str(tmp_path / 'a.png'), data, file):
    picture = picture_files.read(source)
    np.testing.assert_array_equal(
      picture.pixels, samples.noise(8, 8, 3, np.uint16)
    )
  assert not file.closed


def test_jpeg_of_which_blocks_lie_elsewhere_is_not_repeated():
  exif = Image.Exif()
  exif[0x0112] = 3
  photo = samples.pillow_bytes(
    Image.fromarray(samples.smooth(40, 50)), 'JPEG', exif=exif
  )
  assert picture_files.read(photo).jpeg is None


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (b'', 'empty file'),
    (b'hello', 'not an image'),
    (
      samples.png_of(
        (b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)), PIXELS
      ),
      'more than 150 megapixels',
    ),
    (samples.png_of(HEADER, (b'zTXt', b'a\0\0' + BOMB), PIXELS), 'too large'),
    (samples.png_of(HEADER, (b'iCCP', b'a\0\0' + BOMB), PIXELS), 'too large'),
    (
      samples.png_of(HEADER, (b'iTXt', b'a\0\x01\0\0\0' + BOMB), PIXELS),
      'too large',
    ),
    (
      samples.pillow_bytes(Image.new('RGB', (400, 400)), 'JPEG')[:-900],
      'truncated',
    ),
    (samples.pillow_bytes(Image.new('RGB', (400, 400)), 'PNG')[:-900], '.'),
    (samples.pillow_bytes(Image.new('RGB', (40, 40)), 'TIFF')[:-900], '.'),
    (samples.pillow_bytes(Image.new('RGB', (40, 40)), 'WEBP')[:-9], '.'),
  ],
)
def test_bad_files_are_one_line(tmp_path, data, reason):
  path = tmp_path / 'bad.png'
  path.write_bytes(data)
  for source, name in ((path, str(path)), (data, 'the photo')):
    with (
      warnings.catch_warnings(action='ignore'),
      pytest.raises(errors.UserError, match=reason) as caught,
    ):
      picture_files.read(source)
    assert str(caught.value).startswith(f'{name} cannot be read: ')
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(name)
  assert path.read_bytes() == data


def test_limits_of_the_caller():
  data = samples.pillow_bytes(Image.fromarray(samples.noise(10, 10, 3)), 'PNG')
  picture_files.read(data, max_pixels=100, max_bytes=len(data))
  with pytest.raises(errors.UserError, match=r'^x: .*more than 9\.9e-05 mega'):
    picture_files.read(data, name='x:', max_pixels=99)
  with pytest.raises(errors.UserError, match=r'more than .* megabytes'):
    picture_files.read(data, max_bytes=len(data) - 1)


def test_what_fails_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'a.png'
  path.write_bytes(b'old')

  def fail(file, *_):
    file.write(b'half')
    raise OSError(28, 'No space left on device')

  failing = formats.FORMATS['PNG']._replace(encode=fail)
  monkeypatch.setitem(formats.FORMATS, 'PNG', failing)
  with pytest.raises(errors.UserError, match='No space left on device'):
    picture_files.write(path, Picture(samples.noise(8, 8, 3)))
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


def test_an_output_that_is_an_input(tmp_path):
  photo = tmp_path / 'a.png'
  Image.fromarray(samples.noise(8, 8, 3)).save(photo)
  (tmp_path / 'soft.png').symlink_to(photo)
  (tmp_path / 'hard.png').hardlink_to(photo)
  (tmp_path / 'dangling.png').symlink_to(tmp_path / 'none.png')
  for name in (
    'a.png',
    'soft.png',
    'hard.png',
    '../' + tmp_path.name + '/a.png',
  ):
    with pytest.raises(errors.UserError, match='would overwrite an input'):
      picture_files.check_output(tmp_path / name, [photo])
  picture_files.check_output(tmp_path / 'dangling.png', [photo])
  picture_files.check_output(tmp_path / 'b.png', [photo])


_FULL_DISK = """
import resource, sys
import numpy as np
from inpaint_jax.photos import picture_files
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

pixels = np.random.RandomState(0).randint(0, 256, (200, 200, 3), np.uint8)
jpeg = {'quality': 95, 'progressive': True}
# A file size limit stands for a full disk: both make writes fail.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
  picture_files.write(sys.argv[1], Picture(pixels, jpeg=jpeg))
except errors.UserError as error:
  print(error)
"""


@pytest.mark.parametrize('ending', ['jpg', 'png', 'tif', 'webp'])
def test_a_full_disk_leaves_the_earlier_file(tmp_path, ending):
  path = tmp_path / f'result.{ending}'
  path.write_bytes(b'earlier')
  result = subprocess.run(
    [sys.executable, '-c', _FULL_DISK, path],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    check=False,
  )
  assert 'cannot be written: File too large' in result.stdout, result.stderr
  assert path.read_bytes() == b'earlier'
  assert [x.name for x in tmp_path.iterdir()] == [path.name]
