"""What each format can hold, and what is said of the rest."""

import dataclasses
import io
import struct

import numpy as np
from photos import samples
from PIL import ExifTags, Image, ImageCms
import pytest

from inpaint_jax.photos import formats, picture_files
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

KINDS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- \xc3\xa9 --></x:xmpmeta>'
IPTC = b'\x1c\x02\x05\x00\x05title'
TEXT = (('Title', 'caf\xe9'), ('Author', '\u4e2d'), ('Comment', 'x' * 3000))


@pytest.mark.parametrize('kind', KINDS)
def test_metadata_survive_where_the_format_has_room(kind):
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
    data, lines = samples.saved(
      Picture(samples.noise(9, 7, 3, dtype), metadata=said), kind
    )
    again = picture_files.read(data).metadata
    assert again.icc == srgb
    assert again.xmp == XMP
    if kind != 'WEBP':
      assert again.dpi == (300.0, 240.0)
    else:
      tags = Image.open(io.BytesIO(data)).getexif()
      assert (tags[282], tags[283], tags[296]) == (300, 240, 2)
    kept = {'JPEG': ('iptc', 'comment'), 'TIFF': ('iptc',)}.get(kind, ())
    kept = ('iptc', 'text', 'png_colour') if kind == 'PNG' else kept
    for name in ('iptc', 'comment', 'text', 'png_colour'):
      expected = (
        getattr(said, name) if name in kept else type(getattr(said, name))()
      )
      assert getattr(again, name) == expected, name
    words = {
      'iptc': 'IPTC records',
      'comment': 'the comment',
      'text': 'the text of PNG files',
      'png_colour': 'what says how its colours are coded',
    }
    lost = [word for name, word in words.items() if name not in kept]
    if dtype == np.uint16 and kind in ('JPEG', 'WEBP'):
      lost.insert(0, '16 bits (8 are kept)')
    assert lines == [f'{kind} has no room for {", ".join(lost)}']


def test_more_than_a_jpeg_segment_holds_is_left_out_with_a_line():
  exif = Image.Exif()
  exif.get_ifd(ExifTags.IFD.Exif)[0x927C] = bytes(70_000)
  said = Metadata(exif=exif.tobytes(), xmp=b' ' * 70_000, iptc=bytes(70_000))
  _, lines = samples.saved(
    Picture(samples.noise(8, 8, 3), metadata=said), 'JPEG'
  )
  assert lines == [
    'JPEG has no room for EXIF data of more than 64 KB, XMP data of more than '
    '64 KB, IPTC records of more than 64 KB'
  ]


def test_a_profile_of_grey_goes_only_with_grey():
  grey = bytes(16) + b'GRAY' + bytes(100)
  pixels = np.broadcast_to(samples.noise(8, 8, 1), (8, 8, 3))
  picture = Picture(pixels, grey=True, metadata=Metadata(icc=grey))
  for kind in KINDS:
    data, lines = samples.saved(picture, kind)
    has_room = kind != 'WEBP'
    assert picture_files.read(data).metadata.icc == (grey if has_room else b'')
    expected = ['WEBP has no room for a colour profile of grey']
    assert lines == ([] if has_room else expected)
  alpha = np.full((8, 8), 65535, np.uint16)
  deep = dataclasses.replace(
    picture, pixels=pixels * np.uint16(257), alpha=alpha
  )
  data, lines = samples.saved(deep, 'TIFF')
  assert lines == ['TIFF has no room for a colour profile of grey']


def test_format_follows_from_the_name(tmp_path):
  for name, kind in (
    ('a.JPG', 'JPEG'),
    ('a.jpeg', 'JPEG'),
    ('a.b.png', 'PNG'),
    ('a.tif', 'TIFF'),
    ('\xe9 \u4e2d.tiff', 'TIFF'),
    ('a.webp', 'WEBP'),
  ):
    picture_files.write(tmp_path / name, Picture(samples.noise(8, 8, 3)))
    with Image.open(tmp_path / name) as image:
      assert image.format == kind
  assert len(list(tmp_path.iterdir())) == 6
  for name in ('a', 'a.gif', 'a.txt', '.png'):
    with pytest.raises(errors.UserError, match=r'end its name on .*\.jpeg'):
      formats.format_of(tmp_path / name)


@pytest.mark.parametrize(('kind', 'side'), [('JPEG', 65501), ('WEBP', 16384)])
def test_too_long_for_a_format(kind, side):
  text = f'{kind} has room for {side - 1} a side'
  for shape in ((1, side, 3), (side, 1, 3)):
    picture = Picture(np.zeros(shape, np.uint8))
    with pytest.raises(errors.UserError, match=text):
      samples.saved(picture, kind)
    for other in ('PNG', 'TIFF'):
      data, _ = samples.saved(picture, other)
      assert picture_files.read(data).pixels.shape == shape
  data, _ = samples.saved(Picture(picture.pixels[:-1]), kind)
  assert picture_files.read(data).pixels.shape == (side - 1, 1, 3)
