"""Recognises files that are not read, though they hold a photo or drawing."""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import re
from typing import Any, BinaryIO

from PIL import TiffImagePlugin

SAVE_AS = 'save it as JPEG, PNG or TIFF'
_RAW = f'a camera raw file, which has to be developed first; {SAVE_AS}'
_HEIC = (
  "a HEIC photo that cannot be read; pip install 'inpaint_jax[heic]' lets most "
  f'be read, if they are not damaged, or {SAVE_AS}'
)
# Patterns of a file's first bytes, and what the file then is.
_KINDS = (
  (rb'....ftyp(hei|hev|mif1|msf1)', _HEIC),
  (rb'....ftypavi[fs]', f'a damaged AVIF photo; {SAVE_AS}'),
  (rb'....ftypcrx |FUJIFILMCCD-RAW|FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR', _RAW),
  (rb'(II|MM)(RO|RS|U\0|\0U|\0R)', _RAW),
  (rb'....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba', 'a film, not a photo'),
  (rb'\xff\x0a|\0\0\0\x0cJXL ', f'a JPEG XL photo; {SAVE_AS}'),
  (rb'II\xbc', f'a JPEG XR photo; {SAVE_AS}'),
  (rb'8BPS\0\x02|gimp xcf', f'a file of layers; {SAVE_AS}'),
  (
    rb'PK\x03\x04.{26}mimetype(image/|application/x-krita)',
    f'layers; {SAVE_AS}',
  ),
  (
    rb'II[*+]\0|MM\0[*+]',
    'a TIFF file of numbers or channels that are not read, or damaged; save it '
    'as RGB, with whole numbers of 8 or 16 bits',
  ),
  (rb'%PDF', f'a PDF file; {SAVE_AS}'),
  (rb'%!PS|\xc5\xd0\xd3\xc6', f'a PostScript file; {SAVE_AS}'),
  (rb'(\xef\xbb\xbf)?\s*<!?(?i:doctype html|html)', 'a web page, not a photo'),
  (rb'(\xef\xbb\xbf)?\s*<(svg|.*<svg)', f'an SVG drawing; {SAVE_AS}'),
  (rb'version https://git-lfs', 'a pointer of Git LFS; run git lfs pull'),
)
# File name endings of such files, in lower case and without the dot.
_ENDINGS = (
  '3fr ai arw avif cr2 cr3 crw dcr dng eps erf fff heic heif hif iiq jxl jxr '
  'kdc kra mef mos mrw nef nrw ora orf pcd pdf pef ps psb raf raw rw2 rwl sr2 '
  'srf srw svg svgz wdp x3f xcf'
)
ENDINGS = frozenset(_ENDINGS.split())
# Tags of TIFF files.
_KIND, _WIDTH, _HEIGHT, _COLOURS, _SUB_FILES = 254, 256, 257, 262, 330
_DNG_VERSION = 50706
# Values of _COLOURS for what a sensor measured.
_SENSOR = (32803, 34892)
# If another image of a file is larger by this factor, that one is the photo.
_FAR_LARGER = 4
_MAX_DIRECTORIES = 16


def remedy(endings: Iterable[str]) -> str:
  """Returns advice on files with some of ENDINGS; here with their dots."""
  text = 'save these as JPEG, PNG or TIFF'
  if not {'.heic', '.heif', '.hif'}.isdisjoint(map(str.lower, endings)):
    text += "; pip install 'inpaint_jax[heic]' lets HEIC be read"
  return text


def advise(counts: Mapping[str, int]) -> str:
  """Returns a line on files that are not read, from {'.cr2': 3, '.txt': 1}."""
  unread = {e: n for e, n in counts.items() if e[1:] in ENDINGS}
  if not unread:
    return ''
  kinds = ', '.join(f'{ending}: {n}' for ending, n in unread.items())
  return f'types that are not read: {kinds}; {remedy(unread)}'


def explain(head: bytes, ending: str = '') -> str:
  """Returns what a file is and what to do about it, or '' if it is not known.

  `head` is the first 512 bytes of the file, which Pillow cannot open.
  """
  for pattern, text in _KINDS:
    if re.match(pattern, head, re.DOTALL):
      return text
  is_known = ending.lower()[1:] in ENDINGS
  return f'a {ending} file that cannot be read; {SAVE_AS}' if is_known else ''


def find_fault(file: BinaryIO) -> str:
  """Returns why a file must not be filled although Pillow may open it, or ''.

  Camera raw files are TIFF files, in which Pillow opens a small preview.

  Args:
    file: an open file, which is read from its start.
  """
  file.seek(0)
  head = file.read(24)
  if head[:6] == b'8BPS\0\1' and head[22:] not in (b'\0\1', b'\0\x08'):
    return f'a Photoshop file of more than 8 bits; {SAVE_AS}'
  # Raw files by Canon; in some, the preview that comes first is large.
  if head[:4] in (b'II*\0', b'MM\0*') and head[8:10] == b'CR':
    return _RAW
  if head[:3] not in (b'II*', b'II+', b'MM\0'):
    return ''
  directories: list[Any] = []
  with contextlib.suppress(Exception):
    # If the damage matters, Pillow reports it later.
    directories += _directories(file)
  if any(_DNG_VERSION in d or d.get(_COLOURS) in _SENSOR for d in directories):
    return _RAW
  sizes = [d.get(_WIDTH, 0) * d.get(_HEIGHT, 0) for d in directories]
  is_preview = bool(directories) and directories[0].get(_KIND, 0) == 1
  factor = 1 if is_preview else _FAR_LARGER
  if len(sizes) > 1 and max(sizes[1:]) > factor * sizes[0]:
    width, height = (directories[0].get(tag) for tag in (_WIDTH, _HEIGHT))
    return (
      f'its first image, {width}x{height}, is a preview of another in it; '
      'save that as JPEG, PNG or TIFF'
    )
  return ''


def _directories(file: BinaryIO) -> Iterator[Any]:
  """Yields the directories of a TIFF file, nested ones included."""
  file.seek(0)
  header = file.read(8)
  header += file.read(8) if header[2:4] in (b'+\0', b'\0+') else b''
  offsets = [TiffImagePlugin.ImageFileDirectory_v2(header).next]
  seen: set[int] = set()
  while offsets and len(seen) < _MAX_DIRECTORIES:
    offset = offsets.pop(0)
    if not offset or offset in seen:
      continue
    seen.add(offset)
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(offset)
    directory.load(file)
    yield directory
    below = directory.get(_SUB_FILES, ())
    offsets += below if isinstance(below, Iterable) else [below]
    offsets.append(directory.next)
