"""Photos that are refused, since Pillow reads something else from them."""

import itertools
import struct

import pytest

from inpaint_jax.photos import picture_files, reading, unread_files
from inpaint_jax.system import errors


def tiff(first, below=None, behind=None, order='<', big=False):
  """Returns a TIFF file of grey images: (width, height, further tags) each.

  Args:
    first: the image that Pillow opens.
    below: an image in a directory below that of the first.
    behind: an image in the next directory.
    order: order of the bytes, '<' or '>'.
    big: whether it is BigTIFF.
  """
  header, count, entry, offset = (
    ('HHHQ', 'Q', 'HHQQ', 'Q') if big else ('HI', 'H', 'HHII', 'I')
  )

  def pack(layout, *values):
    return struct.pack(order + layout, *values)

  pictures = [picture for picture in (first, below, behind) if picture]
  all_tags = []
  for width, height, more in pictures:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1}
    all_tags.append(tags | {278: height, 279: width * height} | more)
  if below:
    all_tags[0][330] = 0
  # Each directory is followed by its pixels.
  empty = len(pack(count, 0) + pack(offset, 0))
  lengths = [empty + len(pack(entry, 0, 0, 0, 0)) * len(x) for x in all_tags]
  start = 16 if big else 8
  sizes = [n + x[279] for n, x in zip(lengths, all_tags, strict=True)]
  starts = list(itertools.accumulate(sizes, initial=start))
  if below:
    all_tags[0][330] = starts[1]
  data = {'<': b'II', '>': b'MM'}[order]
  data += pack(header, *((43, 8, 0, start) if big else (42, start)))
  for i, tags in enumerate(all_tags):
    tags[273] = starts[i] + lengths[i]
    data += pack(count, len(tags))
    for tag, value in sorted(tags.items()):
      data += pack(entry, tag, 4, 1, value)
    data += pack(offset, starts[-2] if behind and i == 0 else 0)
    data += bytes([90]) * tags[279]
  return data


SMALL, LARGE = (16, 12, {}), (64, 48, {})
SENSOR = (64, 48, {262: 32803})


@pytest.mark.parametrize(
  'data',
  [
    tiff(SMALL, below=SENSOR),
    tiff(SMALL, below=SENSOR, order='>'),
    tiff(SMALL, behind=SENSOR),
    tiff(SMALL, below=(16, 12, {}), behind=SENSOR),
    tiff(SMALL, below=SENSOR, big=True),
    tiff((64, 48, {50706: 1})),
    tiff((64, 48, {262: 34892})),
    tiff(SENSOR),
    b'II*\0\x10\0\0\0CR\2\0' + tiff(LARGE)[12:],
    b'FUJIFILMCCD-RAW 0201',
    b'\0\0\0\x18ftypcrx \0\0\0\1crx isom',
    b'IIRO\x08\0\0\0',
    b'IIU\0\x18\0\0\0',
    b'FOVb\0\0\2\0',
    b'\0MRM\0\1\0\0',
  ],
)
@pytest.mark.parametrize('name', ['a.tif', 'a.jpg'])
def test_a_camera_raw_file_is_refused(tmp_path, data, name):
  path = tmp_path / name
  path.write_bytes(data)
  with pytest.raises(errors.UserError, match='camera raw file') as caught:
    picture_files.read(path)
  assert 'save it as JPEG, PNG or TIFF' in str(caught.value)
  with pytest.raises(reading.UnreadableError, match='camera raw file'):
    reading.read(str(path))


@pytest.mark.parametrize(
  'data',
  [
    tiff(SMALL, below=LARGE),
    tiff(SMALL, behind=LARGE),
    tiff((32, 24, {254: 1}), behind=(40, 30, {})),
  ],
)
def test_a_preview_is_not_the_photo(data):
  with pytest.raises(errors.UserError, match='is a preview of another in it'):
    picture_files.read(data)


@pytest.mark.parametrize(
  ('data', 'count'),
  [
    (tiff(LARGE), 1),
    (tiff(LARGE, big=True), 1),
    (tiff(LARGE, below=SMALL), 1),
    (tiff(LARGE, behind=SMALL, order='>'), 2),
    # Scanned pages differ slightly in size.
    (tiff((60, 48, {}), behind=LARGE), 2),
    (tiff((64, 48, {254: 1})), 1),
  ],
)
def test_other_files_of_several_pictures_are_read(data, count):
  picture = picture_files.read(data)
  assert picture.pixels.shape[0] == 48
  assert (picture.pixels == 90).all()
  line = f'it holds {count} images, of which this is the first'
  assert (line in picture.notes) == (count > 1)


def test_directories_in_a_circle_end():
  data = bytearray(tiff(LARGE, behind=LARGE))
  # The offset after the last directory's entries leads back to the first one.
  struct.pack_into('<I', data, len(data) - 64 * 48 - 4, 8)
  assert picture_files.read(bytes(data)).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(
  ('head', 'kind'),
  [
    (b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'a HEIC photo'),
    (b'\0\0\0\x20ftypavif\0\0\0\0avif', 'a damaged AVIF'),
    (b'\0\0\0\x14ftypqt  \0\0\0\0qt  ', 'a film'),
    (b'\xff\x0a\xfa\x1f', 'a JPEG XL photo'),
    (b'8BPS\0\x02\0\0', 'a file of layers'),
    (b'gimp xcf v011', 'a file of layers'),
    (b'%PDF-1.7\n', 'a PDF file'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n', 'a PostScript file'),
    (b'<?xml version="1.0"?>\n<!-- a --><svg width="8">', 'an SVG drawing'),
    (b'<svg xmlns="http://www.w3.org/2000/svg">', 'an SVG drawing'),
    (b'<!DOCTYPE html><html><body><svg>', 'a web page'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'a pointer of Git LFS'),
  ],
)
def test_what_else_it_is_is_said(tmp_path, head, kind):
  path = tmp_path / 'a.jpg'
  path.write_bytes(head)
  for source in (path, head):
    with pytest.raises(errors.UserError, match=f'cannot be read: {kind}'):
      picture_files.read(source)


def test_an_ending_says_what_the_bytes_do_not():
  assert unread_files.explain(b'hello') == ''
  assert unread_files.explain(b'hello', '.txt') == ''
  assert unread_files.explain(b'hello', '.PCD') == (
    'a .PCD file that cannot be read; save it as JPEG, PNG or TIFF'
  )
  assert unread_files.explain(b'%PDF', '.pcd').startswith('a PDF file')


def test_what_to_do_about_files_of_a_folder():
  save = 'save these as JPEG, PNG or TIFF'
  heic = f"{save}; pip install 'inpaint_jax[heic]' lets HEIC be read"
  assert unread_files.remedy(['.CR2']) == save
  assert unread_files.remedy(['.CR2', '.HEIC']) == heic
  assert unread_files.advise({'.txt': 1}) == ''
  assert unread_files.advise({'.heic': 2, '.txt': 1}) == (
    f'types that are not read: .heic: 2; {heic}'
  )


def psd(depth=8, has_picture=True):
  """Returns a Photoshop file of one grey level."""
  block = struct.pack('>IBII', 1, has_picture, 0, 0) + b'\0'
  block = b'8BIM' + struct.pack('>HHI', 1057, 0, len(block)) + block
  return (
    b'8BPS\0\1'
    + bytes(6)
    + struct.pack('>HIIHH', 3, 8, 8, depth, 3)
    + struct.pack('>II', 0, len(block))
    + block
    + bytes(4)
    + bytes(2)
    + bytes([90]) * (3 * 64 * depth // 8)
  )


def test_photoshop_files():
  assert (picture_files.read(psd()).pixels == 90).all()
  for data, reason in (
    (psd(has_picture=False), 'without an image of all of them; save it as'),
    (psd(depth=16), 'a Photoshop file of more than 8 bits; save it as'),
  ):
    with pytest.raises(errors.UserError, match=reason):
      picture_files.read(data)


def test_endings_do_not_hide_what_is_read():
  read = {ending[1:] for ending in reading.extensions()}
  assert not read & unread_files.ENDINGS - {'avif', 'heic', 'heif', 'hif'}
