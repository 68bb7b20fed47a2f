"""Previews that still show the photo as it was are in no result."""

import base64
import io
import json
import struct

from photos import samples
from PIL import Image, PngImagePlugin
import pytest

from inpaint_jax.photos import picture_files, previews

SMALL = samples.pillow_bytes(Image.new('RGB', (16, 12), 'red'), 'JPEG')
TEXT = base64.b64encode(SMALL).decode()
LINES = '&#xA;'.join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76))
HEAD = (
  '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
  'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
  '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" '
)
TAIL = (
  '<dc:title>kept &amp; safe</dc:title></rdf:Description></rdf:RDF>'
  '</x:xmpmeta><?xpacket end="w"?>'
)
KINDS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
CAMERA = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
CASES = {
  'thumbnails': (
    'xmlns:q="http://ns.adobe.com/xap/1.0/" '
    'xmlns:img="http://ns.adobe.com/xap/1.0/g/img/">'
    '<q:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><img:width>16'
    f'</img:width><img:image>{LINES}</img:image></rdf:li></rdf:Alt>'
    '</q:Thumbnails>',
    'XMP preview',
  ),
  'page info': (
    'xmlns:q="http://ns.adobe.com/xap/1.0/" '
    'xmlns:img="http://ns.adobe.com/xap/1.0/g/img/"><q:PageInfo><rdf:Seq>'
    f'<rdf:li img:format="JPEG" img:image="{LINES}"/></rdf:Seq></q:PageInfo>',
    'XMP preview',
  ),
  'unknown': (f'xmlns:a="urn:a" a:preview="{TEXT}">', 'XMP preview'),
  'data address': (
    f'xmlns:a="urn:a"><a:p>data:image/jpeg;base64,{TEXT}</a:p>',
    'XMP preview',
  ),
  'motion photo': (
    f'{CAMERA} GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" '
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/">'
    '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource">'
    '<Container:Item Item:Mime="video/mp4" Item:Length="9"/></rdf:li></rdf:Seq>'
    '</Container:Directory>',
    'motion video, parts behind the photo',
  ),
  'micro video': (
    f'{CAMERA} GCamera:MicroVideo="1"><GCamera:MicroVideoOffset>9'
    '</GCamera:MicroVideoOffset>',
    'motion video',
  ),
  'gain map': (
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0">',
    'HDR gain map',
  ),
  'gain map of Apple': (
    'xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/" '
    'HDRGainMap:HDRGainMapVersion="65536">',
    'HDR gain map',
  ),
  'extended': (
    'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
    'xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF">',
    'extended XMP',
  ),
}
TRACES = ('9j', 'Thumbnails', 'MotionPhoto', 'MicroVideo', 'Container', 'hdrgm')
TRACES += ('HDRGainMap:', 'HasExtended')


def said(names):
  return (f'left out, since they may show the photo as it was: {names}',)


def photo(kind, **options):
  image = Image.fromarray(samples.smooth())
  return samples.pillow_bytes(image, kind, **options)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('kind', KINDS)
def test_xmp_neither_shows_nor_promises_what_is_gone(kind, name):
  inner, names = CASES[name]
  xmp = (HEAD + inner + TAIL).encode()
  if kind == 'PNG':
    info = PngImagePlugin.PngInfo()
    info.add_itxt('XML:com.adobe.xmp', xmp.decode())
    data = photo(kind, pnginfo=info)
  elif kind == 'TIFF':
    data = photo(kind, tiffinfo={700: xmp})
  else:
    data = photo(kind, xmp=xmp)
  picture = picture_files.read(data)
  assert picture.notes == said(names)
  again, _ = samples.saved(picture, kind)
  assert b'kept &amp; safe' in again
  for trace in TRACES:
    assert trace.encode() not in picture.metadata.xmp


def test_xmp_that_shows_nothing_is_the_same_byte_for_byte():
  """Other properties of Google, such as a panorama's, are kept."""
  xmp = HEAD + (
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
    f"{CAMERA}  GPano:UsePanoramaViewer='True' GCamera:SpecialTypeID='x' >"
  )
  xmp = (xmp + TAIL + ' ' * 2000).encode()
  assert previews.clean_xmp(xmp) == (xmp, set())


@pytest.mark.parametrize(
  'xmp',
  [
    f'<a>{TEXT}'.encode(),
    f'<!DOCTYPE a [<!ENTITY b "{TEXT}">]><a>&b;</a>'.encode(),
    f'<a><!--{TEXT}--></a>'.encode(),
  ],
)
def test_xmp_that_cannot_be_cleaned_goes_as_a_whole(xmp):
  picture = picture_files.read(photo('JPEG', xmp=xmp))
  assert picture.metadata.xmp == b''
  assert len(picture.notes) == 1
  assert 'XMP data' in picture.notes[0]


def iptc(*records):
  return b''.join(
    struct.pack('>BBBH', 0x1C, record, number, len(value)) + value
    for record, number, value in records
  )


def resource(number, content):
  head = b'8BIM' + struct.pack('>HHI', number, 0, len(content))
  return head + content + b'\0' * (len(content) % 2)


def segment(marker, content):
  head = bytes([0xFF, marker]) + struct.pack('>H', len(content) + 2)
  return head + content


def with_segments(*segments):
  data = photo('JPEG')
  return data[:2] + b''.join(segments) + data[2:]


def test_photoshop_and_iptc_previews():
  caption = iptc((2, 120, b'a caption'))
  preview = iptc((2, 200, b'\0\x0b'), (2, 202, SMALL), (8, 10, b'object'))
  resources = resource(0x0404, caption + preview) + resource(0x040C, SMALL)
  expected = said('IPTC preview, Photoshop thumbnail')
  data = with_segments(segment(0xED, b'Photoshop 3.0\0' + resources))
  picture = picture_files.read(data)
  assert picture.notes == expected
  assert picture.metadata.iptc == caption
  data = photo('TIFF', tiffinfo={33723: caption + preview, 34377: resources})
  picture = picture_files.read(data)
  assert picture.notes == expected
  assert picture.metadata.iptc == caption
  assert SMALL not in samples.saved(picture, 'TIFF')[0]


@pytest.mark.parametrize('kind', ['8bim', 'iptc'])
def test_paths_and_thumbnails_of_photoshop_are_named(kind):
  for number, name in ((2000, 'path'), (2998, 'path'), (0x040C, 'thumbnail')):
    content = b'8BIM\3\xf3\0\0\0\0\0\0' + resource(number, b'\0\6')
    info = PngImagePlugin.PngInfo()
    digits = content.hex()
    info.add_text(f'Raw profile type {kind}', f'\n{kind}\n 26\n{digits}')
    expected = said(f'Photoshop {name}')
    assert picture_files.read(photo('PNG', pnginfo=info)).notes == expected
    data = with_segments(segment(0xED, b'Photoshop 3.0\0' + content))
    assert picture_files.read(data).notes == expected


def test_iptc_of_long_records_and_padding():
  long = struct.pack('>BBBHI', 0x1C, 2, 202, 0x8004, len(SMALL)) + SMALL
  caption = iptc((2, 120, b'a caption'))
  assert previews.clean_iptc(caption + long + b'\0') == caption + b'\0'
  assert previews.clean_iptc(b'other' + SMALL) == b''
  for records in (caption, caption + b'\0\0\0', caption[:-3], b'other'):
    assert previews.clean_iptc(records) == records


def test_thumbnails_in_segments_of_a_jpeg_file():
  jfif = b'JFIF\0\1\1\0\0\1\0\1\1\1\xff\0\0'
  data = with_segments(
    segment(0xE0, jfif),
    segment(0xE0, b'JFXX\0\x10' + SMALL),
    segment(0xE2, b'FPXR\0\0\1' + SMALL),
    segment(0xFE, SMALL),
  )
  picture = picture_files.read(data)
  assert picture.notes == said(
    'JFIF thumbnail, image in the comment, preview in APP0, preview in APP2'
  )
  assert SMALL not in samples.saved(picture, 'JPEG')[0]


def test_a_preview_in_the_data_of_a_camera_maker():
  exif = Image.Exif()
  note = b'MAKER\0lens' + SMALL + b'serial'
  exif.get_ifd(0x8769)[0x927C] = note
  exif.get_ifd(0x8769)[0x9286] = b'ASCII\0\0\0' + TEXT.encode()
  picture = picture_files.read(photo('JPEG', exif=exif))
  assert picture.notes == said('preview in EXIF')
  again, _ = samples.saved(picture, 'JPEG')
  details = Image.open(io.BytesIO(again)).getexif().get_ifd(0x8769)
  assert details[0x927C] == note.replace(SMALL, bytes(len(SMALL)))
  assert 0x9286 not in details


@pytest.mark.parametrize(
  'text',
  [
    TEXT,
    f'data:image/jpeg;base64,{TEXT}',
    json.dumps({'a': TEXT}).replace('/', '\\/'),
    SMALL.hex(),
    SMALL.decode('latin-1'),
    # An image that does not begin where the text begins.
    base64.b64encode(b'8BIM and more' + SMALL).decode(),
  ],
)
def test_text_of_a_png_file_that_holds_a_picture(text):
  info = PngImagePlugin.PngInfo()
  info.add_text('Title', 'kept')
  info.add_text('Source', text, zip=True)
  picture = picture_files.read(photo('PNG', pnginfo=info))
  assert picture.notes == said("image in the text 'Source'")
  assert picture.metadata.text == (('Title', 'kept'),)


def test_text_is_searched_in_no_time():
  """Neither long text of letters alone nor many lines take long."""
  assert not previews.shows_picture(b'word ' * 200_000)
  assert not previews.shows_picture(b'A' * 1_000_000)
  assert not previews.shows_picture(b'AAAA\n' * 200_000)


@pytest.mark.parametrize(
  'trailer',
  [b'\0\0\0\x18ftypmp42' + b'video' * 9, b'\0\0MotionPhoto_Datavideo'],
)
def test_a_video_behind_the_photo_goes_with_a_line(trailer):
  picture = picture_files.read(photo('JPEG') + trailer)
  assert picture.notes == said('motion video')
  assert b'video' not in samples.saved(picture, 'JPEG')[0]


def test_layers_and_sub_images_of_a_tiff_file():
  data = photo('TIFF', tiffinfo={37724: b'Adobe Photoshop Document Data'})
  assert picture_files.read(data).notes == said('layers')
