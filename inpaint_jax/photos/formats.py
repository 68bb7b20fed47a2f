"""The formats in which photos are written, and what each of them can hold."""

from collections.abc import Callable, Mapping
import dataclasses
import os
import pathlib
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

from inpaint_jax.photos import encoders, metadata as metadata_lib
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


class Format(NamedTuple):
  """A format in which photos are written.

  Attributes:
    fields: names of the fields of Metadata that it can hold.
    max_bytes: largest size of some of these fields.
    max_side: largest number of pixels a side; by default, that of Pillow.
    has_alpha, has_16_bits: whether it can hold these.
  """

  suffixes: tuple[str, ...]
  encode: Callable[[BinaryIO, Picture, Metadata], None]
  fields: tuple[str, ...]
  max_bytes: Mapping[str, int] = {}
  max_side: int = 2**31 - 1
  has_alpha: bool = True
  has_16_bits: bool = False


# A segment of a JPEG file holds 65533 bytes, the name of its content included.
FORMATS = {
  'JPEG': Format(
    suffixes=('.jpeg', '.jpg'),
    encode=encoders.encode_jpeg,
    fields=('exif', 'icc', 'xmp', 'dpi', 'iptc', 'comment'),
    max_bytes={
      'exif': 65533,
      'xmp': 65533 - 29,
      'iptc': 65533 - 28,
      'comment': 65533,
    },
    max_side=65500,
    has_alpha=False,
  ),
  'PNG': Format(
    suffixes=('.png',),
    encode=encoders.encode_png,
    fields=('exif', 'icc', 'xmp', 'dpi', 'iptc', 'text', 'png_colour'),
    has_16_bits=True,
  ),
  'TIFF': Format(
    suffixes=('.tif', '.tiff'),
    encode=encoders.encode_tiff,
    fields=('exif', 'icc', 'xmp', 'dpi', 'iptc'),
    has_16_bits=True,
  ),
  'WEBP': Format(
    suffixes=('.webp',),
    encode=encoders.encode_webp,
    # The resolution goes into EXIF.
    fields=('exif', 'icc', 'xmp', 'dpi'),
    max_side=16383,
  ),
}
SUFFIXES = {
  suffix: name for name, own in FORMATS.items() for suffix in own.suffixes
}
_FIELD_NAMES = {
  'exif': 'EXIF data',
  'xmp': 'XMP data',
  'iptc': 'IPTC records',
  'comment': 'the comment',
  'text': 'the text of PNG files',
  'png_colour': 'what says how its colours are coded',
}
_SRGB_GAMMA = struct.pack('>I', 45455)


def format_of(path: str | os.PathLike[str]) -> str:
  """Returns the format that a file name stands for, such as 'PNG'.

  Raises:
    errors.UserError: the name's ending is none of SUFFIXES.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in SUFFIXES:
    raise errors.UserError(
      f'the result {path} has no type that can be written; end its name on '
      f'one of: {", ".join(sorted(SUFFIXES))}'
    )
  return SUFFIXES[suffix]


def check_size(height: int, width: int, name: str) -> None:
  """Raises a UserError if an image is too large for a format."""
  largest = FORMATS[name].max_side
  if max(height, width) > largest:
    raise errors.UserError(
      f'the result has {width}x{height} pixels, and {name} has room for '
      f'{largest} a side; write a .png or .tif file'
    )


def encode(file: BinaryIO, picture: Picture, name: str) -> list[str]:
  """Writes a picture to an open file, as far as the format can hold it.

  Returns:
    A list of one line on what the format cannot hold; empty if it holds all.

  Raises:
    errors.UserError: the picture has more pixels a side than the format holds.
  """
  height, width = picture.pixels.shape[:2]
  check_size(height, width, name)
  lost = unsupported_fields(picture, name)
  kept = dataclasses.replace(
    picture.metadata, **{field: getattr(Metadata, field) for field in lost}
  )
  exif = metadata_lib.exif_for(kept, width, height, with_dpi=name == 'WEBP')
  FORMATS[name].encode(file, picture, dataclasses.replace(kept, exif=exif))
  pixels, alpha, reasons = picture.pixels, picture.alpha, []
  opaque = np.iinfo(pixels.dtype).max
  if pixels.dtype == np.uint16 and not FORMATS[name].has_16_bits:
    reasons.append('16 bits (8 are kept)')
  if alpha is not None and not FORMATS[name].has_alpha and alpha.min() < opaque:
    reasons.append('transparency (it is laid over white)')
  reasons += lost.values()
  return [f'{name} has no room for {", ".join(reasons)}'] if reasons else []


def unsupported_fields(picture: Picture, name: str) -> dict[str, str]:
  """Returns the metadata of a picture that a format cannot hold.

  The keys are fields of Metadata, the values their names for users.
  """
  metadata, own = picture.metadata, FORMATS[name]
  lost = {}
  for field, value in dataclasses.asdict(metadata).items():
    if not value or (field == 'png_colour' and _is_srgb(dict(value))):
      continue
    if field not in own.fields:
      lost[field] = _FIELD_NAMES[field]
    elif field in own.max_bytes and len(value) > own.max_bytes[field]:
      lost[field] = f'{_FIELD_NAMES[field]} of more than 64 KB'
  if metadata.icc and picture.grey != encoders.writes_grey(picture, name):
    lost['icc'] = 'a colour profile of grey'
  return lost


def _is_srgb(chunks: Mapping[bytes, bytes]) -> bool:
  """Returns whether chunks of a PNG file mean sRGB, like no chunks at all."""
  gamma = chunks.get(b'gAMA', _SRGB_GAMMA)
  return b'cICP' not in chunks and (b'sRGB' in chunks or gamma == _SRGB_GAMMA)
