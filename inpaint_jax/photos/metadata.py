"""Reads the metadata of a photo's file, as bytes, so that nothing is lost.

Metadata that describe the file rather than the photo are left out, and so is
every preview, which would still show what was painted over.
"""

import dataclasses
import struct
from typing import Any, cast, IO

from PIL import ExifTags, Image, ImageFile

from inpaint_jax.photos import png_chunks, previews, xmp as xmp_lib

# Tags of TIFF that describe the photo; others describe the file, or have a
# field of their own in Metadata.
_DESCRIPTIVE = frozenset(
  (269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249)
  + (33432, 40091, 40092, 40093, 40094, 40095)
)
# Tags of TIFF that describe the file; some cameras write them into EXIF.
_LAYOUT = frozenset(
  (254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 320, 322)
  + (323, 324, 325, 330, 338, 339, 347, 513, 514, 529, 530, 531, 532, 700)
  + (33723, 34377, 34675, 37724)
)
_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 274, 282, 283, 296
_GPS, _INTEROP = ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop
_WIDTH, _HEIGHT = 40962, 40963
_IPTC_TAG, _IPTC_RESOURCE = 33723, 0x0404
# Tags of GeoTIFF, of which each file has at least one.
_GEO = frozenset((33550, 33922, 34264, 34735))
_SUB_IFDS, _RESOURCES_TAG, _LAYERS = 330, 34377, 37724
# Tags of a thumbnail: as a JPEG file, or in strips.
_THUMBNAIL = frozenset((513, 273))
_MAKER_NOTE = 0x927C
# Chunks of a PNG file that describe its colours.
_PNG_COLOUR = (b'cHRM', b'cICP', b'gAMA', b'sRGB')
# Numbers of primaries and transfer curve that mean sRGB, or are not said: 2.
_SRGB_CODES = frozenset((p, t) for p in (1, 2) for t in (1, 2, 6, 13))
# How the keys of text begin that holds a profile in hexadecimal digits, as
# ImageMagick writes it; Pillow reads that of EXIF.
_RAW_PROFILE = 'Raw profile type '
_PROFILES = ('exif', 'xmp', 'iptc', '8bim')
# Other chunks that are read.
_PNG_READ = (b'eXIf', b'iCCP', *png_chunks.TEXT)


@dataclasses.dataclass(frozen=True)
class Metadata:
  """What a photo's file holds besides its pixels; empty = absent.

  Attributes:
    exif: begins with 'Exif' and two zero bytes; its orientation is 1.
    dpi: pixels per inch, across and down.
    text: keys and values of a PNG file's text.
    png_colour: names and contents of a PNG file's chunks on colour; what AVIF
      and HEIF files say without a profile is such a chunk, too.
  """

  exif: bytes = b''
  icc: bytes = b''
  xmp: bytes = b''
  iptc: bytes = b''
  dpi: tuple[float, float] | None = None
  comment: bytes = b''
  text: tuple[tuple[str, str], ...] = ()
  png_colour: tuple[tuple[bytes, bytes], ...] = ()


def read(image: ImageFile.ImageFile) -> tuple[Metadata, list[str]]:
  """Returns the metadata of an opened file, and lines on what is damaged.

  Args:
    image: an image that Pillow opened, and has not loaded: loading closes the
      file. A PNG image is loaded here, since text may follow its pixels.
  """
  notes, found = [], _previews(image)
  png_colour: list[tuple[bytes, bytes]] = []
  if image.format == 'PNG':
    for name, content in png_chunks.read(
      cast(IO[bytes], image.fp), until=b'IDAT'
    ):
      if name in _PNG_COLOUR and len(content) <= 32:
        png_colour.append((name, content))
      elif name not in _PNG_READ and previews.shows_picture(content):
        found.add(f'preview in {name.decode("latin-1")}')
  if image.format in ('AVIF', 'HEIF') and not image.info.get('icc_profile'):
    # Primaries and transfer curve, both of 16 bits with the numbers of cICP.
    codes = bytes_behind(image, b'colrnclx')[:4]
    if len(codes) == 4 and (codes[1], codes[3]) not in _SRGB_CODES:
      # The pixels are read as RGB with the full range of levels: 0 and 1.
      png_colour.append((b'cICP', bytes([codes[1], codes[3], 0, 1])))
  try:
    exif = _exif(image, found)
  except Exception:
    # For damaged EXIF, Pillow raises exceptions of many kinds.
    exif = b''
    notes.append('its EXIF data are damaged and were left out')
  info = image.info
  text, profiles = _read_text(image, found, notes)
  try:
    xmp = info.get('xmp') or profiles.get('xmp', b'')
    xmp, promises = previews.clean_xmp(xmp_lib.upright(_bytes(xmp)))
    found |= promises
  except ValueError:
    xmp = b''
    notes.append('its XMP data have a preview, are damaged and were left out')
  # ImageMagick calls Photoshop's resources IPTC, too.
  for profile in ('8bim', 'iptc'):
    found |= previews.in_resources(profiles.get(profile, b''))
  records = _iptc(image, profiles)
  iptc = previews.clean_iptc(records)
  if iptc != records:
    found.add('IPTC preview')
  comment = _bytes(info.get('comment'))
  if previews.shows_picture(comment):
    comment = b''
    found.add('image in the comment')
  if found:
    notes.append(
      'left out, since they may show the photo as it was: '
      + ', '.join(sorted(found))
    )
  if _GEO & set(_tiff_tags(image)):
    notes.append('its place on a map (GeoTIFF) was left out')
  metadata = Metadata(
    exif=exif,
    icc=info.get('icc_profile') or b'',
    xmp=xmp,
    iptc=iptc,
    dpi=_dpi(image),
    comment=comment,
    text=text,
    png_colour=tuple(png_colour),
  )
  return metadata, notes


def _read_text(
  image: ImageFile.ImageFile, found: set[str], notes: list[str]
) -> tuple[tuple[tuple[str, str], ...], dict[str, bytes]]:
  """Returns the text of a PNG file without images, and the profiles in it.

  Adds the names of images to `found`, and lines on what is lost to `notes`.
  """
  text, profiles = [], {}
  for key, value in getattr(image, 'text', {}).items():
    if key.startswith(_RAW_PROFILE):
      name = key.removeprefix(_RAW_PROFILE)
      try:
        # The first two words are the name and the number of bytes.
        profiles[name] = bytes.fromhex(''.join(value.split()[2:]))
      except ValueError:
        profiles[name] = b''
      if name not in _PROFILES or not profiles[name]:
        notes.append(f'its text {key!r} cannot be read and was left out')
    elif key != 'XML:com.adobe.xmp':
      if key and key[0] < ' ':  # See `png_chunks.shield_facts`.
        key = chr(ord(key[0]) | 0x60) + key[1:]
      if previews.shows_picture(_raw(str(value))):
        found.add(f'image in the text {key!r}')
      else:
        text.append((key, str(value)))
  return tuple(text), profiles


def _previews(image: ImageFile.ImageFile) -> set[str]:
  """Returns names of the previews that lie outside the fields of Metadata."""
  found = set()
  if image.format in ('JPEG', 'MPO'):
    found |= previews.in_segments(getattr(image, 'applist', []))
    found |= previews.in_resources(image.info.get('photoshop', {}))
    file = cast(IO[bytes], image.fp)
    file.seek(0)
    if previews.has_video(file.read()):
      found.add('motion video')
  elif image.format == 'TIFF':
    tags = _tiff_tags(image)
    found |= previews.in_resources(tags.get(_RESOURCES_TAG, b''))
    if _SUB_IFDS in tags:
      found.add('sub-images')
    if _LAYERS in tags:
      found.add('layers')
  return found


def orientation(image: Image.Image) -> int:
  """Returns EXIF's orientation, 1 to 8; 1 if it is damaged."""
  try:
    value = image.getexif().get(_ORIENTATION, 1)
  except Exception:
    return 1
  return value if value in range(1, 9) else 1


def exif_unturned(image: Image.Image) -> bytes:
  """Returns EXIF data without previews, for pixels that were not turned.

  The result is b'' if there are none, or if they are damaged.
  """
  try:
    return _exif(image, set(), orientation(image))
  except Exception:
    return b''


def exif_for(
  metadata: Metadata, width: int, height: int, with_dpi: bool
) -> bytes:
  """Returns EXIF data for a result, b'' for none.

  Args:
    width, height: size of the result, which may be larger than the photo.
    with_dpi: whether to add the resolution, for a format without another place
      for it.
  """
  dpi = metadata.dpi if with_dpi else None
  if not (metadata.exif or dpi):
    return b''
  exif = Image.Exif()
  exif.load(metadata.exif)
  result = _copy(exif)
  details = result.get_ifd(ExifTags.IFD.Exif)
  if _WIDTH in details or _HEIGHT in details:
    details[_WIDTH], details[_HEIGHT] = width, height
  if dpi:
    result[_X_RESOLUTION], result[_Y_RESOLUTION] = dpi
    result[_UNIT] = 2
  return result.tobytes()


def exif_tags(exif: bytes) -> dict[int, Any]:
  """Returns EXIF data as values by tag; a group of tags is a nested dict."""
  source = Image.Exif()
  source.load(exif)
  copy = _copy(source)
  groups = {tag: copy.get_ifd(tag) for tag in (ExifTags.IFD.Exif, _GPS)}
  return dict(copy) | {tag: group for tag, group in groups.items() if group}


def jpeg_segments(metadata: Metadata) -> bytes:
  """Returns the IPTC records and the comment as segments of a JPEG file."""
  iptc = metadata.iptc
  contents = {
    b'\xff\xed': iptc and b'Photoshop 3.0\0' + _iptc_resource(iptc),
    b'\xff\xfe': metadata.comment,
  }
  return b''.join(
    marker + struct.pack('>H', len(content) + 2) + content
    for marker, content in contents.items()
    if content
  )


def iptc_text(iptc: bytes) -> tuple[str, str]:
  """Returns key and value of a PNG file's text that holds IPTC records."""
  resource = _iptc_resource(iptc)
  return f'{_RAW_PROFILE}iptc', f'\niptc\n{len(resource)}\n{resource.hex()}\n'


def _iptc_resource(iptc: bytes) -> bytes:
  head = b'8BIM' + struct.pack('>HHI', _IPTC_RESOURCE, 0, len(iptc))
  return head + iptc + b'\0' * (len(iptc) % 2)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
  """Returns the resolution if the file has one; Pillow makes one up if not."""
  is_named = 'dpi' in image.info
  if image.format in ('JPEG', 'MPO') and not image.info.get('jfif_unit'):
    is_named = is_named and _X_RESOLUTION in image.getexif()
  elif image.format == 'TIFF':
    # Without a unit, Pillow gives no resolution.
    is_named = is_named and _X_RESOLUTION in _tiff_tags(image)
  if not is_named:
    return None
  # PNG has pixels per metre: 300 per inch come back as 299.9994.
  across, down = (round(float(value), 2) for value in image.info['dpi'])
  # Some programs write a resolution of 0, or of 0/0.
  return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def _exif(image: Image.Image, found: set[str], turn: int = 1) -> bytes:
  """Returns EXIF data of orientation `turn`; adds the names of its previews."""
  source = image.getexif()
  kept = None if image.format != 'TIFF' else _DESCRIPTIVE
  exif = _copy(source, kept, turn)
  if kept is None and source.get_ifd(ExifTags.IFD.IFD1).keys() & _THUMBNAIL:
    found.add('EXIF thumbnail')
  for group in (exif, *map(exif.get_ifd, (ExifTags.IFD.Exif, _GPS))):
    for tag, value in list(group.items()):
      if isinstance(value, bytes | str) and previews.shows_picture(_raw(value)):
        found.add('preview in EXIF')
        # A maker's note stays, since it has other values besides the preview.
        if tag == _MAKER_NOTE and isinstance(value, bytes):
          group[tag] = previews.blank(value)
        else:
          del group[tag]
  resolution = {_X_RESOLUTION, _Y_RESOLUTION, _UNIT}
  details = any(exif.get_ifd(tag) for tag in (ExifTags.IFD.Exif, _GPS))
  if not details and (not exif or (kept and set(exif) <= resolution)):
    return b''
  return exif.tobytes()


def _copy(
  source: Image.Exif, kept: frozenset[int] | None = None, turn: int = 1
) -> Image.Exif:
  """Returns EXIF data of orientation `turn`, without layout and thumbnail."""
  exif = Image.Exif()
  exif.endian = source.endian or '<'
  for tag, value in source.items():
    if tag in _LAYOUT or tag in (ExifTags.IFD.Exif, _GPS):
      continue
    if kept is None or tag in kept:
      exif[tag] = turn if tag == _ORIENTATION else value
  for tag in (ExifTags.IFD.Exif, _GPS):
    # A copy, since the source keeps the dict that it returns.
    exif.get_ifd(tag).update(source.get_ifd(tag))
  details = exif.get_ifd(ExifTags.IFD.Exif)
  # In the source this is an offset; here it is the group itself.
  if details.pop(_INTEROP, None) and source.get_ifd(_INTEROP):
    details[_INTEROP] = dict(source.get_ifd(_INTEROP))
  return exif


def _iptc(image: Image.Image, profiles: dict[str, bytes]) -> bytes:
  if image.format in ('JPEG', 'MPO'):
    value = image.info.get('photoshop', {}).get(_IPTC_RESOURCE, b'')
  elif image.format == 'TIFF':
    value = _tiff_tags(image).get(_IPTC_TAG, b'')
  else:
    value = profiles.get('iptc') or profiles.get('8bim', b'')
    if value.startswith(b'8BIM'):
      _, _, resource = value.partition(b'8BIM\x04\x04')
      # A name of an even length, its length included, comes first.
      start = (resource[0] + 2) // 2 * 2 if resource else 0
      end = start + 4
      size = int.from_bytes(resource[start:end], 'big')
      value = resource[end : end + size]
  # Some programs write these bytes as words of unknown byte order.
  return value if isinstance(value, bytes) else b''


def _tiff_tags(image: Image.Image) -> Any:
  return getattr(image, 'tag_v2', {})


def _bytes(value: bytes | str | None) -> bytes:
  return value.encode() if isinstance(value, str) else bytes(value or b'')


def _raw(value: bytes | str) -> bytes:
  """Returns text as the bytes from which it was read."""
  if isinstance(value, bytes):
    return value
  return value.encode('latin-1', errors='replace')


def bytes_behind(image: ImageFile.ImageFile, mark: bytes) -> bytes:
  """Returns what follows a mark in the first megabyte of an opened file."""
  file = cast(IO[bytes], image.fp)
  file.seek(0)
  return file.read(2**20).partition(mark)[2]
