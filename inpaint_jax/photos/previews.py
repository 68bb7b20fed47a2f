"""Finds what in a file's metadata still shows the photo before it was filled.

Previews would still show what was removed. Phones append a video, a gain map or
a depth map to the photo. No result has these, so its XMP must not name them.

Sources: Adobe's XMP specification, parts 2 and 3; IPTC-IIM 4.2; Google's Motion
Photo 1.0, Ultra HDR 1.1 and Dynamic Depth 1.0.
"""

import base64
import re
import struct
from xml import dom
from xml.dom import minidom
from xml.parsers import expat

# The beginnings of JPEG, PNG, GIF and WebP files: as bytes, as hexadecimal
# digits, and in base64, to which some programs add backslashes.
_MAGIC = re.compile(
  rb'\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP', re.S
)
_TEXT_MAGIC = re.compile(
  rb'(?i:ffd8ff[c-f][0-9a-f]|89504e470d0a1a0a)|iVBORw0KGgo|R0lGODlh|R0lGODdh'
  rb'|(?:\\?/|_)9j(?:\\?/|_)|UklGR[\w+/]{9,11}XRUJQ'
)
_BASE64 = re.compile(rb'[A-Za-z0-9+/\r\n\t]{64,}')
# Beginnings of JPEG segments that are read elsewhere, or that hold no image.
_READ_SEGMENTS = (b'Exif', b'http://ns.adobe.com/xap/1.0/', b'ICC_PROFILE')
# Numbers of Photoshop's resources, by what they show.
_RESOURCES = {
  'Photoshop thumbnail': {0x0409, 0x040C},
  'Photoshop path': set(range(2000, 2999)),
}
# The preview in IPTC-IIM's record 2; records 7 to 9 are an object of their own.
_IPTC_PREVIEW = (200, 201, 202)

_GOOGLE = 'http://ns.google.com/photos/'
# What properties of XMP stand for, by how their namespace and name begin.
_PROPERTIES = (
  ('http://ns.adobe.com/xap/1.0/ Thumbnails', 'XMP preview'),
  ('http://ns.adobe.com/xap/1.0/g/img/ ', 'XMP preview'),
  (f'{_GOOGLE}1.0/image/ ', 'XMP preview'),
  (f'{_GOOGLE}1.0/depthmap/ ', 'depth map'),
  (f'{_GOOGLE}1.0/audio/ ', 'sound'),
  (f'{_GOOGLE}1.0/container/', 'parts behind the photo'),
  (f'{_GOOGLE}dd/1.0/', 'depth map'),
  ('http://ns.adobe.com/hdr-gain-map/1.0/ ', 'HDR gain map'),
  ('http://ns.apple.com/HDRGainMap/1.0/ ', 'HDR gain map'),
  ('http://ns.apple.com/pixeldatainfo/1.0/ ', 'parts behind the photo'),
  ('http://ns.adobe.com/xmp/note/ HasExtendedXMP', 'extended XMP'),
)
_WHOLE = tuple(start for start, _ in _PROPERTIES if start[-1] in ' /')
# Properties of videos, for which phone makers have namespaces of their own.
_VIDEO = re.compile('.* (MotionPhoto|MicroVideo|OLivePhoto|VideoLength)')
# Text in packets that may have one of these properties, with any prefix.
_SUSPECT = re.compile(
  rb'Thumbnails|HasExtendedXMP|MotionPhoto|MicroVideo|OLivePhoto|VideoLength'
  rb'|/g/img/|ns\.google\.com/photos/(dd/)?1\.0/(?!camera|pano)'
  rb'|hdr-gain-map|HDRGainMap|pixeldatainfo'
)


def shows_picture(data: bytes) -> bool:
  """Returns whether bytes hold an image file, in binary or as text."""
  if _MAGIC.search(data) or _TEXT_MAGIC.search(data):
    return True
  for match in _BASE64.finditer(data):
    text = b''.join(match[0].split())
    if _MAGIC.search(base64.b64decode(text[: len(text) // 4 * 4])):
      return True
  return False


def blank(data: bytes) -> bytes:
  """Returns a maker's own data with zeros in place of an image file."""
  match = _MAGIC.search(data)
  if not match:
    return data
  end = data.rfind(b'\xff\xd9', match.start()) + 2
  end = end if end > match.start() + 2 else len(data)
  return data[: match.start()] + bytes(end - match.start()) + data[end:]


def in_segments(segments: list[tuple[str, bytes]]) -> set[str]:
  """Returns names of the previews in a JPEG file's application segments."""
  found = set()
  for name, content in segments:
    if name == 'APP0' and content[:4] == b'JFIF' and any(content[12:14]):
      found.add('JFIF thumbnail')
    # Photoshop's segments and comments are searched elsewhere.
    if name in ('APP13', 'COM'):
      continue
    if not content.startswith(_READ_SEGMENTS) and shows_picture(content):
      found.add(f'preview in {name}')
  return found


def in_resources(resources: bytes | dict[int, object]) -> set[str]:
  """Returns names of the previews and outlines in Photoshop's resources.

  Args:
    resources: the bytes in a TIFF or PNG file, or the resources by number.
  """
  if isinstance(resources, bytes):
    heads = re.findall(rb'8BIM(..)', resources, re.S)
    numbers = {int.from_bytes(number, 'big') for number in heads}
  else:
    numbers = set(resources)
  return {name for name, kind in _RESOURCES.items() if numbers & kind}


def has_video(data: bytes) -> bool:
  """Returns whether a phone appended a video to a JPEG file."""
  return bool(
    re.search(rb'\xff\xd9\0\0\0.ftyp', data, re.S)
    or b'MotionPhoto_Data' in data
  )


def clean_iptc(iptc: bytes) -> bytes:
  """Returns IPTC-IIM records without those that hold a preview."""
  kept, at = b'', 0
  while at + 5 <= len(iptc) and iptc[at] == 0x1C:
    record, dataset, length = struct.unpack_from('>BBH', iptc, at + 1)
    start = at + 5
    if length & 0x8000:
      # These are the number of bytes of the length, which follows.
      size = length & 0x7FFF
      length = int.from_bytes(iptc[start : start + size], 'big')
      start += size
    end = min(start + length, len(iptc))
    is_preview = record == 2 and dataset in _IPTC_PREVIEW
    if not (is_preview or record in (7, 8, 9) or shows_picture(iptc[at:end])):
      kept += iptc[at:end]
    at = end
  return kept if shows_picture(iptc[at:]) else kept + iptc[at:]


def clean_xmp(xmp: bytes) -> tuple[bytes, set[str]]:
  """Returns XMP without previews and mentions of lost parts, and their names.

  A packet without any is returned unchanged.

  Raises:
    ValueError: they cannot be removed, for example because it is not XML.
  """
  # Other encodings than UTF-8, which JPEG does not allow, have zeros in them.
  if not (_SUSPECT.search(xmp.replace(b'\0', b'')) or shows_picture(xmp)):
    return xmp, set()
  if b'<!DOCTYPE' in xmp or b'<!ENTITY' in xmp:
    raise ValueError('it declares entities')
  try:
    document = minidom.parseString(xmp.strip(b'\0 \r\n\t'))
  except (expat.ExpatError, ValueError, LookupError) as error:
    raise ValueError(str(error)) from error
  found: set[str] = set()
  assert document.documentElement is not None
  _clean(document.documentElement, found)
  cleaned = ''.join(x.toxml() for x in document.childNodes).encode()
  if shows_picture(cleaned):
    raise ValueError('an image in it lies outside of its properties')
  return (cleaned, found) if found else (xmp, found)


def _clean(element: minidom.Element, found: set[str]) -> None:
  """Removes what still shows the photo from an element; adds its names."""
  for attribute in list(element.attributes.values()):
    if attribute.namespaceURI == dom.XMLNS_NAMESPACE:
      # A namespace that is removed as a whole loses its declaration, too.
      if f'{attribute.value} '.startswith(_WHOLE):
        element.removeAttributeNode(attribute)
    elif name := _name(attribute, attribute.value):
      found.add(name)
      element.removeAttributeNode(attribute)
  for child in list(element.childNodes):
    if isinstance(child, minidom.Element):
      texts = [x.data for x in child.childNodes if isinstance(x, minidom.Text)]
      if name := _name(child, ''.join(texts)):
        found.add(name)
        element.removeChild(child)
      else:
        _clean(child, found)


def _name(node: minidom.Element | minidom.Attr, text: str) -> str:
  """Returns the name of what a property with a text holds; '' = it stays."""
  full = f'{node.namespaceURI} {node.localName}'
  if _VIDEO.match(full):
    return 'motion video'
  for start, name in _PROPERTIES:
    if full.startswith(start):
      return name
  return 'XMP preview' if shows_picture(text.encode()) else ''
