"""EXIF, XMP, resolution and text, from one file to another."""

import dataclasses
import io
import struct
import zlib

import numpy as np
from photos import samples
from PIL import ExifTags, Image, ImageCms, PngImagePlugin
import pytest

from inpaint_jax.photos import picture_files, reading
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import Picture

KINDS = ('JPEG', 'PNG', 'TIFF', 'WEBP')


def thumbnail():
  return samples.pillow_bytes(Image.new('RGB', (16, 12), 'red'), 'JPEG')


def camera_exif(orientation, interop=True):
  """Returns EXIF as a camera writes it, and a thumbnail; without 'Exif'."""
  exif = Image.Exif()
  exif[0x010F], exif[0x0112], exif[0x0132] = 'Maker', orientation, '2020:01:02'
  exif[0x0103] = 6  # Some phones put the thumbnail's compression here.
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
  # The second directory: one tag for the thumbnail's place, one for its size.
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
    # Pillow 12 raises if there is none.
    has_interop = ExifTags.IFD.Interop in details
    interop = exif.get_ifd(ExifTags.IFD.Interop) if has_interop else {}
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    return tuple(dict(group) for group in (exif, details, place, interop))


@pytest.mark.parametrize('to', KINDS)
@pytest.mark.parametrize('start', KINDS)
def test_exif_survives_upright_and_without_thumbnail(start, to):
  small = thumbnail()
  # Pillow writes these wrongly into TIFF files.
  has_interop = start != 'TIFF'
  data = camera_exif(6, has_interop)
  assert small in data
  photo = samples.pillow_bytes(
    Image.fromarray(samples.smooth(48, 64)), start, exif=b'Exif\0\0' + data
  )
  picture = picture_files.read(photo)
  assert picture.pixels.shape == (64, 48, 3)
  # Pillow writes no thumbnail into TIFF files.
  assert any('EXIF thumbnail' in x for x in picture.notes) == (start != 'TIFF')
  again, lines = samples.saved(picture, to)
  assert lines == []
  main, details, place, interop = exif_of(again)
  assert main[0x010F] == 'Maker'
  assert main[0x0132] == '2020:01:02'
  assert main.get(0x0112, 1) == 1
  # A TIFF file uses this tag for its own compression.
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
  # Saved once more, as by someone who fills two holes.
  twice, _ = samples.saved(picture_files.read(again), to)
  assert {**exif_of(twice)[1], 0xA005: 0} == {**details, 0xA005: 0}


def test_xmp_is_upright_too():
  xmp = b'<a tiff:Orientation="6"/><tiff:Orientation>8</tiff:Orientation>'
  image = Image.fromarray(samples.noise(8, 8, 3))
  said = picture_files.read(
    samples.pillow_bytes(image, 'JPEG', xmp=xmp)
  ).metadata
  assert said.xmp == xmp.replace(b'6', b'1').replace(b'8', b'1')


def test_a_place_on_a_map_that_is_lost_is_a_line():
  image = Image.fromarray(samples.noise(8, 8, 3))
  data = samples.pillow_bytes(image, 'TIFF', tiffinfo={33550: (1.0, 1.0, 0.0)})
  assert picture_files.read(data).notes == (
    'its place on a map (GeoTIFF) was left out',
  )


def test_damaged_exif_is_left_out_with_a_line():
  data = samples.pillow_bytes(
    Image.fromarray(samples.noise(8, 8, 3)), 'PNG', exif=b'Exif\0\0nonsense'
  )
  picture = picture_files.read(data)
  assert picture.notes == ('its EXIF data are damaged and were left out',)
  assert picture.metadata.exif == b''


def test_a_plain_file_says_nothing():
  for kind in KINDS:
    data = samples.pillow_bytes(Image.fromarray(samples.noise(8, 8, 3)), kind)
    picture = picture_files.read(data)
    assert picture.metadata == Metadata(), kind
    assert picture.notes == ()


def test_the_resolution_is_one_that_somebody_wrote():
  """Pillow reports 72 pixels per inch for photos that say nothing."""
  exif = Image.Exif()
  exif[0x010F] = 'Maker'
  image = Image.fromarray(samples.noise(8, 8, 3))
  silent = picture_files.read(samples.pillow_bytes(image, 'JPEG', exif=exif))
  assert silent.metadata.dpi is None
  exif[282], exif[283], exif[296] = 240.0, 240.0, 2
  said = picture_files.read(samples.pillow_bytes(image, 'JPEG', exif=exif))
  assert said.metadata.dpi == (240, 240)
  # TIFF files may have a resolution without a unit.
  data = samples.pillow_bytes(
    image, 'TIFF', tiffinfo={282: 1.0, 283: 1.0, 296: 1}
  )
  assert picture_files.read(data).metadata.dpi is None


def test_the_text_behind_the_pixels_of_a_png_file():
  data, _ = samples.saved(Picture(samples.noise(8, 8, 3, np.uint16)), 'PNG')
  chunk = b'tEXtTitle\0late'
  chunk = struct.pack('>I', len(chunk) - 4) + chunk
  chunk += struct.pack('>I', zlib.crc32(chunk[4:]))
  picture = picture_files.read(data[:-12] + chunk + data[-12:])
  assert picture.metadata.text == (('Title', 'late'),)
  assert picture.pixels.dtype == np.uint16


def png_with_text(text):
  info = PngImagePlugin.PngInfo()
  for key, value in text:
    info.add_text(key, value)
  return samples.pillow_bytes(Image.new('RGB', (4, 4)), 'PNG', pnginfo=info)


def raw_profile(data):
  """Returns a profile as ImageMagick writes it, in lines of digits."""
  digits = data.hex()
  lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
  return '\n'.join(['', 'name', f'{len(data):8d}', *lines, ''])


def test_profiles_in_the_text_of_a_png_file():
  records = b'\x1c\x02\x78\x00\x28' + b'caption.' * 5
  resource = b'8BIM\4\4\5named' + struct.pack('>I', len(records)) + records
  for name, data in (
    ('iptc', records),
    ('iptc', resource),
    ('8bim', b'8BIM\3\xed\0\0\0\0\0\2ab' + resource),
  ):
    text = [(f'Raw profile type {name}', raw_profile(data))]
    picture = picture_files.read(png_with_text(text))
    assert picture.metadata == Metadata(iptc=records)
    assert picture.notes == ()
  text = [('Raw profile type xmp', raw_profile(b'<x:xmpmeta/>'))]
  assert picture_files.read(png_with_text(text)).metadata.xmp == (
    b'<x:xmpmeta/>'
  )


def test_profiles_that_cannot_be_read_are_named():
  for name, value in (('APP1', raw_profile(b'data')), ('iptc', 'nonsense')):
    text = [(f'Raw profile type {name}', value)]
    picture = picture_files.read(png_with_text(text))
    assert picture.metadata == Metadata()
    assert picture.notes == (
      f"its text 'Raw profile type {name}' cannot be read and was left out",
    )


@pytest.mark.parametrize('is_late', [False, True])
@pytest.mark.parametrize(
  'key',
  ['bbox', 'comment', 'dpi', 'exif', 'icc_profile', 'interlace']
  + ['transparency', 'xmp'],
)
def test_text_of_a_png_file_with_a_key_that_pillow_uses(key, is_late, tmp_path):
  exif = Image.Exif()
  exif[0x010F] = 'Maker'
  profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB'))
  xmp = PngImagePlugin.PngInfo()
  xmp.add_itxt('XML:com.adobe.xmp', '<x:xmpmeta/>')
  data = samples.pillow_bytes(
    Image.new('RGB', (4, 4), 'red'),
    'PNG',
    exif=exif,
    icc_profile=profile.tobytes(),
    dpi=(240, 240),
    transparency=(255, 0, 0),
    pnginfo=xmp,
  )
  chunk = samples.png_of((b'tEXt', key.encode() + b'\0words'))[8:]
  at = len(data) - 12 if is_late else data.index(b'IDAT') - 4
  both = data[:at] + chunk + data[at:]
  plain, picture = picture_files.read(data), picture_files.read(both)
  assert plain.metadata.exif
  assert plain.metadata.icc
  assert plain.metadata.xmp
  assert plain.metadata.dpi == (240, 240)
  expected = dataclasses.replace(plain.metadata, text=((key, 'words'),))
  assert picture.metadata == expected
  assert picture.notes == ()
  assert picture.alpha is not None
  assert not picture.alpha.any()
  path = tmp_path / 'a.png'
  path.write_bytes(both)
  assert (np.asarray(reading.read(str(path))) == 255).all()
  assert reading.size(str(path)) == (4, 4)
  # What is there is what is written.
  again = picture_files.read(samples.saved(picture, 'PNG')[0])
  assert again.metadata == expected


@pytest.mark.parametrize('kind', ['JPEG', 'MPO', 'GIF'])
def test_comments_are_kept(kind):
  options = {'save_all': True, 'append_images': [Image.new('RGB', (4, 4))]}
  data = samples.pillow_bytes(
    Image.new('RGB', (4, 4)),
    kind,
    comment=b'a comment',
    **(options if kind == 'MPO' else {}),
  )
  assert picture_files.read(data).metadata.comment == b'a comment'


@pytest.mark.parametrize('progressive', [False, True])
def test_a_jpeg_holds_a_long_comment_beside_other_metadata(progressive):
  metadata = Metadata(
    comment=b'c' * 65533, xmp=b'<x/>' + b' ' * 60_000, iptc=b'i' * 50_000
  )
  jpeg = {'quality': 90, 'progressive': progressive}
  picture = Picture(samples.smooth(), metadata=metadata, jpeg=jpeg)
  data, lines = samples.saved(picture, 'JPEG')
  assert not lines
  again = Image.open(io.BytesIO(data))
  assert again.info['comment'] == metadata.comment
  assert again.info['xmp'] == metadata.xmp
  assert metadata.iptc in data
  longer = dataclasses.replace(metadata, comment=b'c' * 65534)
  _, lines = samples.saved(
    dataclasses.replace(picture, metadata=longer), 'JPEG'
  )
  assert lines == ['JPEG has no room for the comment of more than 64 KB']
