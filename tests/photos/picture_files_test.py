"""Photos from files to arrays and back: what survives, and what is said."""

import dataclasses
import io
import struct
import warnings
import zlib

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2
import pytest

from inpaint_jax.photos import encoders, picture_files, reading
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

KINDS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- \xc3\xa9 --></x:xmpmeta>'
IPTC = b'\x1c\x02\x05\x00\x05title'
TEXT = (('Title', 'caf\xe9'), ('Author', '\u4e2d'), ('Comment', 'x' * 3000))


@pytest.fixture(autouse=True)
def silent():
  """Pillow has nothing to complain about in what is written here."""
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    yield


def noise(height, width, channels, dtype=np.uint8, seed=0):
  shape = (height, width, channels)
  most = np.iinfo(dtype).max
  return np.random.RandomState(seed).randint(0, most + 1, shape).astype(dtype)


def smooth(height=48, width=64):
  """A picture that JPEG can carry well."""
  y, x = np.mgrid[:height, :width] / 16
  waves = [np.sin(x + y), np.cos(x - y / 2), np.sin(x / 2)]
  return np.uint8(128 + 90 * np.stack(waves, axis=2))


def saved(picture, kind):
  """Returns the bytes of a file, and what could not be put into it."""
  file = io.BytesIO()
  lines = picture_files.encode(file, picture, kind)
  return file.getvalue(), lines


def pillow_bytes(image, kind, **options):
  file = io.BytesIO()
  image.save(file, kind, **options)
  return file.getvalue()


def thumbnail():
  return pillow_bytes(Image.new('RGB', (16, 12), 'red'), 'JPEG')


def camera_exif(orientation, interop=True):
  """What a camera writes, with a thumbnail behind it; without 'Exif'."""
  exif = Image.Exif()
  exif[0x010F], exif[0x0112], exif[0x0132] = 'Maker', orientation, '2020:01:02'
  exif[0x0103] = 6  # Some phones say here how the thumbnail is compressed.
  details = exif.get_ifd(ExifTags.IFD.Exif)
  details[0x829A], details[0x9204] = 1 / 250, -0.33
  details[0x9003], details[0x9286] = '2020:01:02 03:04:05', b'ASCII\0\0\0hello'
  details[0x927C] = b'MAKER NOTE' * 9
  details[0xA002], details[0xA003] = 640, 480
  if interop:
    details[ExifTags.IFD.Interop] = {1: 'R98'}
  place = exif.get_ifd(ExifTags.IFD.GPSInfo)
  place[1], place[2] = 'N', (52.0, 12.0, 3.5)
  data = bytearray(exif.tobytes()[6:])
  # The second directory: one tag of where the thumbnail is, one of its size.
  order = '<' if data[:2] == b'II' else '>'
  first = 8
  count = struct.unpack_from(order + 'H', data, first)[0]
  struct.pack_into(order + 'I', data, first + 2 + 12 * count, len(data))
  start = len(data) + 2 + 24 + 4
  small = thumbnail()
  data += struct.pack(
    order + 'HHHIIHHIII', 2, 513, 4, 1, start, 514, 4, 1, len(small), 0
  )
  return bytes(data) + small


def exif_of(data):
  with Image.open(io.BytesIO(data)) as image:
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    # Pillow 12 raises where there is none to get.
    has_interop = ExifTags.IFD.Interop in details
    interop = exif.get_ifd(ExifTags.IFD.Interop) if has_interop else {}
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    return tuple(dict(group) for group in (exif, details, place, interop))


# Pixels.


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('alpha', [False, True])
@pytest.mark.parametrize('grey', [False, True])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_pixels_survive_without_loss(dtype, grey, alpha, kind):
  pixels = noise(37, 53, 1 if grey else 3, dtype)
  pixels = np.broadcast_to(pixels, (37, 53, 3))
  opacity = noise(37, 53, 1, dtype, seed=1)[..., 0] if alpha else None
  data, _ = saved(Picture(pixels, opacity, grey, lossless=True), kind)
  again = picture_files.read(data)
  if kind == 'WEBP' and dtype == np.uint16:
    assert again.pixels.dtype == np.uint8
    np.testing.assert_array_equal(again.pixels, np.rint(pixels / 257))
    return
  assert again.pixels.dtype == dtype
  np.testing.assert_array_equal(again.pixels, pixels)
  if alpha:
    np.testing.assert_array_equal(again.alpha, opacity)
  else:
    assert again.alpha is None
  is_odd = kind == 'TIFF' and dtype == np.uint16 and alpha
  assert again.grey == (grey and kind != 'WEBP' and not is_odd)
  assert again.notes == ()


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_another_library_reads_and_writes_the_same(kind, channels, dtype):
  """OpenCV counts blue, green, red."""
  values = noise(37, 53, channels, dtype)
  if (kind, channels, dtype) == ('TIFF', 4, np.uint8):
    # OpenCV multiplies these with their alpha.
    values[..., 3] = 255
  pixels = np.broadcast_to(values[..., :3], (37, 53, 3))
  opacity = values[..., 3] if channels == 4 else None
  data, _ = saved(Picture(pixels, opacity, grey=channels == 1), kind)
  order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
  theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  np.testing.assert_array_equal(
    theirs.reshape(values.shape), values[..., order]
  )
  ending = {'PNG': '.png', 'TIFF': '.tif'}[kind]
  _, written = cv2.imencode(ending, values[..., order])
  ours = picture_files.read(written.tobytes())
  np.testing.assert_array_equal(ours.pixels, pixels)
  assert ours.pixels.dtype == dtype
  assert ours.grey == (channels == 1)


def bare_tiff(values, prefix, planes=1, photometric=2):
  """An uncompressed 16-bit file, of either byte order, by planes or not."""
  height, width, channels = values.shape
  order = '<u2' if prefix == b'II' else '>u2'
  parts = [values] if planes == 1 else np.moveaxis(values, 2, 0)
  strips = [part.astype(order).tobytes() for part in parts]
  sizes = [len(strip) for strip in strips]
  directory = ImageFileDirectory_v2(prefix=prefix)
  tags = {256: width, 257: height, 258: (16,) * channels, 259: 1}
  tags |= {262: photometric, 277: channels, 278: height, 284: planes}
  tags |= {273: tuple(np.cumsum([0, *sizes])[:-1].tolist()), 279: tuple(sizes)}
  for tag, value in tags.items():
    directory[tag] = value
  for tag in (273, 279):
    directory.tagtype[tag] = 4
  file = io.BytesIO()
  directory.save(file)
  return file.getvalue() + b''.join(strips)


@pytest.mark.parametrize('prefix', [b'II', b'MM'])
def test_16_bits_in_either_byte_order(prefix):
  values = noise(37, 53, 3, np.uint16)
  picture = picture_files.read(bare_tiff(values, prefix))
  np.testing.assert_array_equal(picture.pixels, values)
  grey = bare_tiff(values[..., :1], prefix, photometric=1)
  np.testing.assert_array_equal(
    picture_files.read(grey).pixels[..., :1], values[..., :1]
  )


def test_16_bits_where_white_is_zero():
  values = noise(37, 53, 1, np.uint16)
  picture = picture_files.read(bare_tiff(values, b'II', photometric=0))
  np.testing.assert_array_equal(picture.pixels[..., :1], 65535 - values)


def test_16_bits_by_planes_are_refused():
  """Pillow reads noise from such a file."""
  data = bare_tiff(noise(37, 53, 3, np.uint16), b'II', planes=2)
  with pytest.raises(errors.UserError, match='a plane for each colour'):
    picture_files.read(data)


def test_16_bits_with_a_transparent_colour():
  values = noise(37, 53, 3, np.uint16)
  data, _ = saved(Picture(values), 'PNG')
  grey, _ = saved(
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


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_photo_is_upright_once(orientation, kind):
  image = Image.fromarray(np.kron(noise(4, 6, 3), np.ones((8, 8, 1), np.uint8)))
  exif = Image.Exif()
  exif[0x0112] = orientation
  options = {'lossless': True} if kind == 'WEBP' else {}
  data = pillow_bytes(image, kind, exif=exif, **options)
  # TIFF files are turned by Pillow as they are loaded.
  expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
  picture = picture_files.read(data)
  np.testing.assert_array_equal(picture.pixels, expected)
  assert picture.pixels.flags.c_contiguous
  again, _ = saved(picture, kind)
  assert Image.open(io.BytesIO(again)).getexif().get(0x0112, 1) == 1
  assert picture_files.read(again).pixels.shape == picture.pixels.shape


def test_what_is_not_rgb_is_converted_with_a_line(tmp_path):
  palette = Image.new('P', (3, 1))
  palette.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
  palette.putdata([0, 1, 2])
  bits = Image.new('1', (3, 1))
  bits.putdata([0, 1, 0])
  cmyk = Image.new('CMYK', (3, 1))
  cmyk.putdata([(0, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 255)])
  ints = Image.fromarray(np.int32([[0, 257 * 100, 65535]]))
  floats = Image.fromarray(np.float32([[0, 100 / 255, 1]]))
  wheel = [[10, 20, 30], [200, 100, 50], [0, 0, 0]]
  grey = [[0] * 3, [100] * 3, [255] * 3]
  cases = [
    (palette, 'PNG', wheel, 'palette', False),
    (palette, 'GIF', wheel, 'palette', False),
    (bits, 'PNG', [[0] * 3, [255] * 3, [0] * 3], 'black and white', True),
    (cmyk, 'TIFF', [[255] * 3, [255, 0, 255], [0] * 3], 'CMYK', False),
    (ints, 'TIFF', grey, '8 bits', True),
    (floats, 'TIFF', grey, '8 bits', True),
  ]
  for image, kind, expected, note, is_grey in cases:
    picture = picture_files.read(pillow_bytes(image, kind))
    assert picture.pixels[0].tolist() == expected, (image.mode, kind)
    assert picture.pixels.dtype == np.uint8
    assert picture.grey == is_grey
    assert len(picture.notes) == 1
    assert note in picture.notes[0]
  clear = picture_files.read(pillow_bytes(palette, 'PNG', transparency=2))
  assert clear.alpha.tolist() == [[255, 255, 0]]


def test_cmyk_goes_by_its_profile(monkeypatch):
  """No profile of CMYK comes with Pillow: what it would do is made up."""
  profile = bytes(16) + b'CMYK' + bytes(200)
  image = Image.new('CMYK', (8, 8))
  data = pillow_bytes(image, 'JPEG', icc_profile=profile)
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
  # It speaks of numbers that are no longer there.
  assert picture.metadata.icc == b''


def test_the_first_picture_counts_with_a_line():
  red, blue = Image.new('RGB', (8, 8), 'red'), Image.new('RGB', (8, 8), 'blue')
  for kind in ('GIF', 'PNG', 'WEBP', 'TIFF', 'MPO'):
    options = {'lossless': True} if kind == 'WEBP' else {}
    data = pillow_bytes(
      red, kind, save_all=True, append_images=[blue], **options
    )
    picture = picture_files.read(data)
    assert picture.notes[0].startswith('it holds 2 pictures')
    assert abs(picture.pixels - [254, 0, 0]).max() <= 1
    assert picture.kind == ('JPEG' if kind == 'MPO' else kind)
  assert picture.jpeg is not None


def test_a_file_is_what_it_is_whatever_its_name(tmp_path):
  path = tmp_path / 'photo \xe9.jpg'
  Image.fromarray(noise(8, 8, 3)).save(path, 'PNG')
  picture = picture_files.read(path)
  assert picture.notes == ('it is a PNG file, whatever its name says',)
  assert picture.kind == 'PNG'
  np.testing.assert_array_equal(picture.pixels, noise(8, 8, 3))


def test_paths_bytes_and_open_files_are_read_alike(tmp_path):
  data, _ = saved(Picture(noise(8, 8, 3, np.uint16)), 'PNG')
  (tmp_path / 'a.png').write_bytes(data)
  file = io.BytesIO(data)
  file.seek(5)
  for source in (tmp_path / 'a.png', str(tmp_path / 'a.png'), data, file):
    picture = picture_files.read(source)
    np.testing.assert_array_equal(picture.pixels, noise(8, 8, 3, np.uint16))
  assert not file.closed


# What else a file says.


@pytest.mark.parametrize('kind', KINDS)
def test_metadata_survive_where_there_is_room(kind):
  srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  gamma = ((b'gAMA', struct.pack('>I', 100000)),)
  said = Metadata(
    icc=srgb,
    xmp=XMP,
    iptc=IPTC,
    dpi=(300.0, 240.0),
    comment=b'a comment',
    text=TEXT,
    png_colour=gamma,
  )
  for dtype in (np.uint8, np.uint16):
    data, lines = saved(Picture(noise(9, 7, 3, dtype), metadata=said), kind)
    again = picture_files.read(data).metadata
    assert again.icc == srgb
    assert again.xmp == XMP
    if kind != 'WEBP':
      assert again.dpi == (300.0, 240.0)
    else:
      tags = exif_of(data)[0]
      assert (tags[282], tags[283], tags[296]) == (300, 240, 2)
    kept = {'JPEG': ('iptc', 'comment'), 'TIFF': ('iptc',)}.get(kind, ())
    kept = ('text', 'png_colour') if kind == 'PNG' else kept
    for name in ('iptc', 'comment', 'text', 'png_colour'):
      expected = (
        getattr(said, name) if name in kept else type(getattr(said, name))()
      )
      assert getattr(again, name) == expected, name
    words = {
      'iptc': 'IPTC records',
      'comment': 'the comment',
      'text': 'the text of PNG files',
      'png_colour': 'the colour chunks of PNG files',
    }
    lost = [word for name, word in words.items() if name not in kept]
    if dtype == np.uint16 and kind in ('JPEG', 'WEBP'):
      lost.insert(0, '16 bits (8 are kept)')
    assert lines == [f'{kind} has no room for {", ".join(lost)}']


@pytest.mark.parametrize('to', KINDS)
@pytest.mark.parametrize('start', KINDS)
def test_exif_survives_upright_and_without_thumbnail(start, to):
  small = thumbnail()
  # Pillow writes these wrongly into TIFF files.
  has_interop = start != 'TIFF'
  data = camera_exif(6, has_interop)
  assert small in data
  photo = pillow_bytes(
    Image.fromarray(smooth(48, 64)), start, exif=b'Exif\0\0' + data
  )
  picture = picture_files.read(photo)
  assert picture.pixels.shape == (64, 48, 3)
  again, lines = saved(picture, to)
  assert lines == []
  main, details, place, interop = exif_of(again)
  assert main[0x010F] == 'Maker'
  assert main[0x0132] == '2020:01:02'
  assert main.get(0x0112, 1) == 1
  # A TIFF file has such a tag of its own.
  assert main.get(0x0103) == (8 if to == 'TIFF' else None)
  assert details[0x829A] == 1 / 250
  assert float(details[0x9204]) == pytest.approx(-0.33)
  assert details[0x9003] == '2020:01:02 03:04:05'
  assert details[0x9286] == b'ASCII\0\0\0hello'
  assert details[0x927C] == b'MAKER NOTE' * 9
  assert (details[0xA002], details[0xA003]) == (48, 64)
  assert interop == ({1: 'R98'} if has_interop else {})
  assert place == {1: 'N', 2: (52.0, 12.0, 3.5)}
  assert small not in again
  # And once more, as someone who fills two holes will do.
  twice, _ = saved(picture_files.read(again), to)
  assert {**exif_of(twice)[1], 0xA005: 0} == {**details, 0xA005: 0}


def test_xmp_is_upright_too():
  xmp = b'<a tiff:Orientation="6"/><tiff:Orientation>8</tiff:Orientation>'
  image = Image.fromarray(noise(8, 8, 3))
  said = picture_files.read(pillow_bytes(image, 'JPEG', xmp=xmp)).metadata
  assert said.xmp == xmp.replace(b'6', b'1').replace(b'8', b'1')


def test_damaged_exif_is_left_out_with_a_line():
  data = pillow_bytes(
    Image.fromarray(noise(8, 8, 3)), 'PNG', exif=b'Exif\0\0nonsense'
  )
  picture = picture_files.read(data)
  assert picture.notes == ('its EXIF data are damaged and were left out',)
  assert picture.metadata.exif == b''


def test_a_plain_file_says_nothing():
  for kind in KINDS:
    data = pillow_bytes(Image.fromarray(noise(8, 8, 3)), kind)
    picture = picture_files.read(data)
    assert picture.metadata == Metadata(), kind
    assert picture.notes == ()


def test_the_resolution_is_one_that_somebody_wrote():
  """Pillow says 72 an inch of photos that say nothing."""
  exif = Image.Exif()
  exif[0x010F] = 'Maker'
  image = Image.fromarray(noise(8, 8, 3))
  silent = picture_files.read(pillow_bytes(image, 'JPEG', exif=exif))
  assert silent.metadata.dpi is None
  exif[282], exif[283], exif[296] = 240.0, 240.0, 2
  said = picture_files.read(pillow_bytes(image, 'JPEG', exif=exif))
  assert said.metadata.dpi == (240, 240)


def test_the_text_behind_the_pixels_of_a_png_file():
  data, _ = saved(Picture(noise(8, 8, 3, np.uint16)), 'PNG')
  chunk = b'tEXtTitle\0late'
  chunk = struct.pack('>I', len(chunk) - 4) + chunk
  chunk += struct.pack('>I', zlib.crc32(chunk[4:]))
  picture = picture_files.read(data[:-12] + chunk + data[-12:])
  assert picture.metadata.text == (('Title', 'late'),)
  assert picture.pixels.dtype == np.uint16


def test_more_than_a_jpeg_segment_holds_is_left_out_with_a_line():
  exif = Image.Exif()
  exif.get_ifd(ExifTags.IFD.Exif)[0x927C] = bytes(70_000)
  said = Metadata(exif=exif.tobytes(), xmp=b' ' * 70_000, iptc=bytes(70_000))
  _, lines = saved(Picture(noise(8, 8, 3), metadata=said), 'JPEG')
  assert lines == [
    'JPEG has no room for EXIF data of more than 64 KB, XMP data of more than '
    '64 KB, IPTC records of more than 64 KB'
  ]


def test_a_profile_of_grey_goes_only_with_grey():
  grey = bytes(16) + b'GRAY' + bytes(100)
  pixels = np.broadcast_to(noise(8, 8, 1), (8, 8, 3))
  picture = Picture(pixels, grey=True, metadata=Metadata(icc=grey))
  for kind in KINDS:
    data, lines = saved(picture, kind)
    has_room = kind != 'WEBP'
    assert picture_files.read(data).metadata.icc == (grey if has_room else b'')
    expected = ['WEBP has no room for a colour profile of grey']
    assert lines == ([] if has_room else expected)
  alpha = np.full((8, 8), 65535, np.uint16)
  deep = dataclasses.replace(
    picture, pixels=pixels * np.uint16(257), alpha=alpha
  )
  data, lines = saved(deep, 'TIFF')
  assert lines == ['TIFF has no room for a colour profile of grey']


def test_transparency_is_laid_over_white_with_a_line():
  alpha = np.uint8([[0, 128, 255, 255] * 2] * 8)
  picture = Picture(np.full((8, 8, 3), 40, np.uint8), alpha)
  data, lines = saved(picture, 'JPEG')
  assert lines == ['JPEG has no room for transparency (it is laid over white)']
  row = Image.open(io.BytesIO(data)).convert('RGB')
  row = np.asarray(row, int)[0, :, 0]
  assert abs(row - [255, 147, 40, 40] * 2).max() <= 6
  opaque = dataclasses.replace(picture, alpha=np.full((8, 8), 255, np.uint8))
  assert saved(opaque, 'JPEG')[1] == []


# JPEG and WebP.


@pytest.mark.parametrize('turn', [1, 6])
@pytest.mark.parametrize('subsampling', [0, 1, 2])
def test_jpeg_is_compressed_as_it_was(subsampling, turn):
  """Which loses less than the highest quality would."""
  # As of photos: rough in brightness, smooth in colour.
  rough = np.uint8(smooth() * 0.6 + noise(48, 64, 1) * 0.4)
  exif = Image.Exif()
  exif[0x0112] = turn
  photo = pillow_bytes(
    Image.fromarray(rough),
    'JPEG',
    quality=80,
    subsampling=subsampling,
    progressive=True,
    exif=exif,
  )
  picture = picture_files.read(photo)

  def error(picture):
    again = picture_files.read(saved(picture, 'JPEG')[0])
    return np.abs(again.pixels - picture.pixels.astype(int)).mean()

  other = dataclasses.replace(picture, jpeg=None)
  assert error(picture) < error(other)
  written = Image.open(io.BytesIO(saved(picture, 'JPEG')[0]))
  assert written.info['progressive']
  source = Image.open(io.BytesIO(photo))
  if turn == 1:
    assert written.quantization == source.quantization
    assert written.layer == source.layer
  elif subsampling == 1:
    # 4:2:2 on its side, which Pillow does not write.
    assert written.layer[0][1:3] == (1, 1)
  else:
    assert [x[1:3] for x in written.layer] == [x[1:3] for x in source.layer]


def test_jpeg_without_a_past_keeps_its_colours_and_quality():
  data, _ = saved(Picture(smooth()), 'JPEG')
  image = Image.open(io.BytesIO(data))
  assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
  assert np.abs(np.asarray(image) - smooth().astype(int)).mean() < 1


def test_jpeg_of_which_blocks_lie_elsewhere_is_not_repeated():
  exif = Image.Exif()
  exif[0x0112] = 3
  photo = pillow_bytes(Image.fromarray(smooth(40, 50)), 'JPEG', exif=exif)
  assert picture_files.read(photo).jpeg is None


def test_webp_without_loss_stays_so():
  image = Image.fromarray(noise(16, 16, 3))
  icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  for lossless in (False, True):
    for options in ({}, {'icc_profile': icc}):
      photo = pillow_bytes(image, 'WEBP', lossless=lossless, **options)
      picture = picture_files.read(photo)
      assert picture.lossless == lossless
      again = picture_files.read(saved(picture, 'WEBP')[0])
      assert np.array_equal(again.pixels, picture.pixels) == lossless


# What is refused.


def png_of(*chunks):
  data = b'\x89PNG\r\n\x1a\n'
  for name, content in chunks:
    data += struct.pack('>I', len(content)) + name + content
    data += struct.pack('>I', zlib.crc32(name + content))
  return data


HEADER = (b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0))
PIXELS = (b'IDAT', zlib.compress(bytes(8 * 25)))
BOMB = zlib.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (b'', 'empty file'),
    (b'hello', 'not a picture'),
    (
      png_of(
        (b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)), PIXELS
      ),
      'more than 150 megapixels',
    ),
    (png_of(HEADER, (b'zTXt', b'a\0\0' + BOMB), PIXELS), 'too large'),
    (png_of(HEADER, (b'iCCP', b'a\0\0' + BOMB), PIXELS), 'too large'),
    (
      png_of(HEADER, (b'iTXt', b'a\0\x01\0\0\0' + BOMB), PIXELS),
      'too large',
    ),
    (pillow_bytes(Image.new('RGB', (400, 400)), 'JPEG')[:-900], 'truncated'),
    (pillow_bytes(Image.new('RGB', (400, 400)), 'PNG')[:-900], '.'),
    (pillow_bytes(Image.new('RGB', (40, 40)), 'TIFF')[:-900], '.'),
    (pillow_bytes(Image.new('RGB', (40, 40)), 'WEBP')[:-9], '.'),
  ],
)
def test_bad_files_are_one_line(tmp_path, data, reason):
  path = tmp_path / 'bad.png'
  path.write_bytes(data)
  for source, name in ((path, str(path)), (data, 'the picture')):
    with (
      reading.quiet(),
      pytest.raises(errors.UserError, match=reason) as caught,
    ):
      picture_files.read(source)
    assert str(caught.value).startswith(f'{name} cannot be read: ')
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(name)
  assert path.read_bytes() == data


def test_limits_of_the_caller():
  data = pillow_bytes(Image.fromarray(noise(10, 10, 3)), 'PNG')
  picture_files.read(data, max_pixels=100, max_bytes=len(data))
  with pytest.raises(errors.UserError, match=r'^x: .*more than 9\.9e-05 mega'):
    picture_files.read(data, name='x:', max_pixels=99)
  with pytest.raises(errors.UserError, match=r'more than .* megabytes'):
    picture_files.read(data, max_bytes=len(data) - 1)


# Writing.


def test_the_kind_follows_from_the_name(tmp_path):
  for name, kind in (
    ('a.JPG', 'JPEG'),
    ('a.jpeg', 'JPEG'),
    ('a.b.png', 'PNG'),
    ('a.tif', 'TIFF'),
    ('\xe9 \u4e2d.tiff', 'TIFF'),
    ('a.webp', 'WEBP'),
  ):
    picture_files.write(tmp_path / name, Picture(noise(8, 8, 3)))
    with Image.open(tmp_path / name) as image:
      assert image.format == kind
  assert len(list(tmp_path.iterdir())) == 6
  for name in ('a', 'a.gif', 'a.txt', '.png'):
    with pytest.raises(errors.UserError, match=r'end its name on .*\.jpeg'):
      picture_files.kind_of(tmp_path / name)


def test_what_fails_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'a.png'
  path.write_bytes(b'old')

  def fail(file, *_):
    file.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setitem(encoders._ENCODERS, 'PNG', fail)
  with pytest.raises(errors.UserError, match='No space left on device'):
    picture_files.write(path, Picture(noise(8, 8, 3)))
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(('kind', 'side'), [('JPEG', 65501), ('WEBP', 16384)])
def test_too_long_for_a_kind_of_file(kind, side):
  text = f'{kind} has room for {side - 1} a side'
  for shape in ((1, side, 3), (side, 1, 3)):
    picture = Picture(np.zeros(shape, np.uint8))
    with pytest.raises(errors.UserError, match=text):
      saved(picture, kind)
    for other in ('PNG', 'TIFF'):
      data, _ = saved(picture, other)
      assert picture_files.read(data).pixels.shape == shape
  data, _ = saved(Picture(picture.pixels[:-1]), kind)
  assert picture_files.read(data).pixels.shape == (side - 1, 1, 3)


def test_an_output_that_is_an_input(tmp_path):
  photo = tmp_path / 'a.png'
  Image.fromarray(noise(8, 8, 3)).save(photo)
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


def test_pillow_still_names_what_is_used_of_it():
  """The layouts and chunks that decoders.py and encoders.py count on."""
  assert PngImagePlugin._MODES[16, 2] == ('RGB', 'RGB;16B')
  assert PngImagePlugin._MODES[16, 4] == ('RGBA', 'LA;16B')
