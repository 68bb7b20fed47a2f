"""Reads photos from files into pictures, and writes pictures to files.

  picture = picture_files.read('photo.jpg')
  lines = picture_files.write('copy.png', picture)

All that must survive the way is kept. Datasets, where all is 8-bit RGB, use
reading.read instead.
"""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
from typing import Any, cast, IO

import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin

from inpaint_jax.photos import (
  decoders,
  formats,
  metadata as metadata_lib,
  reading,
)
from inpaint_jax.photos.picture import Picture, turn_upright
from inpaint_jax.system import atomic_files, errors

# Formats whose pixels were compressed with loss, as a rule.
_LOSSY = ('JPEG', 'MPO', 'AVIF', 'HEIF', 'JPEG2000')


def read(
  source: reading.Source,
  *,
  name: str = '',
  max_pixels: int | None = None,
  max_bytes: int | None = None,
) -> Picture:
  """Returns the photo in a file, whatever type the file's name has.

  Applies EXIF's orientation. RGB, grey and 16 bits stay as they are. Palette
  and CMYK become RGB, 1-bit becomes grey, and `notes` says so. Takes the first
  frame of an animation.

  Args:
    source: a path, the bytes of a file, or an open binary file.
    name: what errors call the file; '' = its path.
    max_pixels, max_bytes: as in reading.opened.

  Raises:
    errors.UserError: there is no photo that can be read.
  """
  name = name or reading.path_of(source) or 'the photo'
  with (
    reading.unreadable_as_user_error(name),
    reading.opened(source, max_pixels, max_bytes) as image,
  ):
    return _read(image, source)


def check_output(
  path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]] = ()
) -> None:
  """Raises a UserError unless a picture can be written to `path`.

  Args:
    inputs: files that `path` must not lead to, by any name or link.
  """
  path = pathlib.Path(path)
  # First checks that it is not a folder, whose name has no type.
  atomic_files.check_writable(path, f'the result {path}')
  formats.format_of(path)
  for other in map(pathlib.Path, inputs):
    if path.exists() and other.exists() and path.samefile(other):
      raise errors.UserError(
        f'the result {path} would overwrite an input; give it another name'
      )


def write(path: str | os.PathLike[str], picture: Picture) -> list[str]:
  """Writes a picture, completely or not at all; see formats.encode.

  Raises:
    errors.UserError: the file cannot be written.
  """
  path = pathlib.Path(path)
  name = formats.format_of(path)
  with (
    errors.error_as(f'the result {path} cannot be written'),
    atomic_files.replacing(path) as temporary,
    open(temporary, 'wb') as file,
  ):
    return formats.encode(file, picture, name)


def _read(image: ImageFile.ImageFile, source: reading.Source) -> Picture:
  notes = _describe_surprises(image, source)
  # These come before metadata_lib.read, which loads some images.
  lossless = image.format not in _LOSSY
  if image.format == 'WEBP':
    lossless = _is_lossless_webp(image)
  mode, raw_modes = image.mode, decoders.raw_modes(image)
  metadata, lost = metadata_lib.read(image)
  pixels, alpha, grey, changes = decoders.decode(image, source, raw_modes)
  # When Pillow loads a TIFF file, it turns the image and deletes the tag.
  orientation = metadata_lib.orientation(image)
  is_of_grey = metadata.icc[16:20] == b'GRAY'
  if metadata.icc and (mode in ('CMYK', 'LAB') or is_of_grey != grey):
    # The profile describes other numbers than these.
    metadata = dataclasses.replace(metadata, icc=b'')
    if mode != 'CMYK':  # `changes` has a line on it.
      kind = 'grey' if grey else 'RGB'
      lost.append(f'its colour profile is not one of {kind} and was left out')
  return Picture(
    pixels=turn_upright(pixels, orientation),
    alpha=None if alpha is None else turn_upright(alpha, orientation),
    grey=grey,
    metadata=metadata,
    jpeg=_jpeg_settings(image, orientation),
    lossless=lossless,
    notes=tuple(notes + changes + lost),
  )


def _format(image: ImageFile.ImageFile) -> str:
  # Phones put several JPEG images into one file.
  return 'JPEG' if image.format == 'MPO' else image.format or ''


def _describe_surprises(
  image: ImageFile.ImageFile, source: reading.Source
) -> list[str]:
  """Returns lines on what a user may not expect of a file."""
  lines = []
  suffix = pathlib.Path(reading.path_of(source)).suffix.lower()
  named = Image.registered_extensions().get(suffix, _format(image))
  if named not in (_format(image), image.format):
    lines.append(f'it is a {_format(image)} file, whatever its name says')
  count = getattr(image, 'n_frames', 1)
  if count > 1 and image.format == 'PSD':
    lines.append(f'it holds {count} layers, which are taken as one image')
  elif count > 1:
    which = 'main one' if image.format == 'HEIF' else 'first'
    lines.append(f'it holds {count} images, of which this is the {which}')
  bits = _bit_depth(image)
  if bits > 8:
    lines.append(f'its {bits} bits were brought to 8')
  return lines


def _bit_depth(image: ImageFile.ImageFile) -> int:
  """Returns the bit depth in the file where Pillow reads it as 8 bits."""
  if image.format == 'HEIF':
    return image.info.get('bit_depth', 8)
  if image.format == 'AVIF':
    # The codec's settings are 4 bytes; two bits of the third are the depth.
    settings = metadata_lib.bytes_behind(image, b'av1C')[:4]
    flags = settings[2] & 0x60 if len(settings) == 4 else 0
    return {0x40: 10, 0x60: 12}.get(flags, 8)
  if image.mode not in ('LA', 'RGB', 'RGBA'):
    return 8
  if image.format == 'JPEG2000':
    # The size of the image, and then of the first colour.
    sizes = metadata_lib.bytes_behind(image, b'\xff\x4f\xff\x51')
    return (sizes[38] & 0x7F) + 1 if len(sizes) > 38 else 8
  if image.format == 'PPM' and isinstance(image.tile[0].args, tuple):
    # The last argument is the largest value.
    return int(image.tile[0].args[-1]).bit_length()
  return 8


def _jpeg_settings(
  image: ImageFile.ImageFile, orientation: int
) -> dict[str, Any] | None:
  """Returns how a JPEG was compressed, or None if Pillow cannot repeat it.

  With the same settings, unchanged pixels return to the coefficients that they
  came from, and next to nothing is lost.
  """
  if not isinstance(image, JpegImagePlugin.JpegImageFile):
    return None
  if image.mode not in ('L', 'RGB'):
    return None
  # The file stores red, green and blue, which Pillow does not write.
  if image.mode == 'RGB' and image.info.get('adobe_transform') == 0:
    return None
  # Blocks are counted from the upper left: after a turn they are the same only
  # if no block is cut off.
  if orientation != 1 and (image.width % 16 or image.height % 16):
    return None
  # The last number of a layer is that of its table.
  tables = [image.quantization[layer[3]] for layer in image.layer]
  if tables[1:2] == tables[2:]:
    del tables[2:]
  # -1 is grey, or a kind that Pillow does not write: 0 then loses nothing.
  subsampling = max(0, JpegImagePlugin.get_sampling(image))
  if orientation in (5, 6, 7, 8):
    tables = [np.reshape(x, (8, 8)).T.ravel().tolist() for x in tables]
    # Pillow does not write 4:2:2 turned on its side.
    subsampling = 0 if subsampling == 1 else subsampling
  return {
    'qtables': tables,
    'subsampling': subsampling,
    'progressive': bool(image.info.get('progressive')),
  }


def _is_lossless_webp(image: ImageFile.ImageFile) -> bool:
  """Returns whether the first image of a WebP file is lossless."""
  file = cast(IO[bytes], image.fp)
  file.seek(12)
  while len(head := file.read(8)) == 8:
    name, length = head[:4], int.from_bytes(head[4:], 'little')
    if name in (b'VP8L', b'VP8 '):
      return name == b'VP8L'
    # In a frame of an animation, the image follows 16 bytes of the frame's own.
    file.seek(16 if name == b'ANMF' else length + length % 2, os.SEEK_CUR)
  return False
