"""Photos from files to arrays and back, with all that must survive.

  picture = picture_files.read('photo.jpg')
  result = inpainter(picture.pixels, mask)
  lines = picture_files.write(
    'out.jpg', dataclasses.replace(picture, pixels=result)
  )

This is for photos that are to be written again. photos.py, with which it shares
the opening of files, is for datasets, where all is 8-bit RGB.
"""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
from typing import BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from inpaint_jax.photos import decoders, encoders, metadata, reading
from inpaint_jax.photos.picture import JpegSettings, Picture, turned
from inpaint_jax.system import atomic_files, errors

# File name endings that can be written, with the kind of file each stands for.
KINDS = {
  '.jpeg': 'JPEG',
  '.jpg': 'JPEG',
  '.png': 'PNG',
  '.tif': 'TIFF',
  '.tiff': 'TIFF',
  '.webp': 'WEBP',
}


def read(
  source: reading.Source,
  *,
  name: str = '',
  max_pixels: int | None = None,
  max_bytes: int | None = None,
) -> Picture:
  """Returns the photo in a file, whatever the file's name says it is.

  EXIF orientation is applied. RGB, grey and 16 bits stay what they are. Palette
  and CMYK become RGB, 1-bit becomes grey, and `notes` says so. Of an animation
  the first frame counts.

  Args:
    source: a path, the bytes of a file, or an open binary file.
    name: what errors call it; unless given, its path.
    max_pixels: photos with more are refused; reading.MAX_PIXELS unless given.
    max_bytes: larger files are refused; any size will do unless given.

  Raises:
    errors.UserError: there is no photo that can be read.
  """
  if not name:
    is_path = isinstance(source, (str, os.PathLike))
    name = os.fspath(source) if is_path else 'the picture'
  try:
    with reading.opened(source, max_pixels, max_bytes) as image:
      return _read(image, source)
  except reading.UnreadableError as error:
    raise errors.UserError(f'{name} cannot be read: {error}') from error


def kind_of(path: str | os.PathLike[str]) -> str:
  """Returns the kind of file that a name stands for, such as 'PNG'.

  Raises:
    errors.UserError: its ending is none of KINDS.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in KINDS:
    raise errors.UserError(
      f'the result {path} has no type that can be written; end its name on '
      f'one of: {", ".join(sorted(KINDS))}'
    )
  return KINDS[suffix]


def check_output(
  path: str | os.PathLike[str],
  inputs: Sequence[str | os.PathLike[str]] = (),
) -> None:
  """Raises a UserError unless a picture can be written to `path`.

  Args:
    path: where it is to go.
    inputs: files that it must not be, by whatever name or link.
  """
  path = pathlib.Path(path)
  kind_of(path)
  for other in map(pathlib.Path, inputs):
    if path.exists() and other.exists() and path.samefile(other):
      raise errors.UserError(
        f'the result {path} would overwrite an input; give it another name'
      )
  atomic_files.check_writable(path, f'the result {path}')


def write(path: str | os.PathLike[str], picture: Picture) -> list[str]:
  """Writes a picture, whole or not at all, its kind taken from its name.

  Returns:
    Lines on what this kind of file cannot hold, and what became of it.

  Raises:
    errors.UserError: it cannot be written.
  """
  path = pathlib.Path(path)
  kind = kind_of(path)
  try:
    with (
      atomic_files.replacing(path) as temporary,
      open(temporary, 'wb') as file,
    ):
      return encode(file, picture, kind)
  except OSError as error:
    raise errors.UserError(
      f'the result {path} cannot be written: {error.strerror or error}'
    ) from error


def encode(file: BinaryIO, picture: Picture, kind: str) -> list[str]:
  """Writes a picture to an open file; see `write`.

  Args:
    file: binary, at its start.
    picture: what to write.
    kind: one of the values of KINDS.

  Returns:
    Lines on what this kind of file cannot hold, and what became of it.

  Raises:
    errors.UserError: it has more pixels on a side than this kind can hold.
  """
  return encoders.encode(file, picture, kind)


def _read(image: Image.Image, source: reading.Source) -> Picture:
  notes = _oddities(image, source)
  lossless = image.format == 'WEBP' and _is_lossless_webp(image)
  mode, layouts = image.mode, decoders.layouts(image)
  # Pillow loads some files when it is asked for their EXIF data: what has to be
  # seen before that stands above.
  said, more = metadata.read(image)
  pixels, alpha, grey, changes = decoders.decode(image, source, layouts)
  # Of TIFF files, Pillow has turned the picture and deleted the tag by now.
  turn = metadata.orientation(image)
  if said.icc and (
    mode in ('CMYK', 'LAB') or not metadata.profile_fits(said.icc, grey)
  ):
    # The numbers are others now than those that the profile speaks of.
    said = dataclasses.replace(said, icc=b'')
  return Picture(
    pixels=turned(pixels, turn),
    alpha=None if alpha is None else turned(alpha, turn),
    grey=grey,
    metadata=said,
    kind=_kind(image),
    jpeg=_jpeg_settings(image, turn),
    lossless=lossless,
    notes=tuple(notes + more + changes),
  )


def _kind(image: Image.Image) -> str:
  # Phones put several JPEG pictures into one file.
  return 'JPEG' if image.format == 'MPO' else image.format


def _oddities(image: Image.Image, source: reading.Source) -> list[str]:
  """Returns lines on what a user may not expect of this file."""
  lines = []
  if isinstance(source, (str, os.PathLike)):
    suffix = pathlib.Path(source).suffix.lower()
    named = Image.registered_extensions().get(suffix, _kind(image))
    if named not in (_kind(image), image.format):
      lines.append(f'it is a {_kind(image)} file, whatever its name says')
  count = getattr(image, 'n_frames', 1)
  if count > 1:
    lines.append(f'it holds {count} pictures, of which this is the first')
  return lines


def _jpeg_settings(image: Image.Image, turn: int) -> JpegSettings | None:
  if _kind(image) != 'JPEG' or image.mode not in ('L', 'RGB'):
    return None
  # Red, green and blue are compressed as such, which Pillow does not write.
  if image.mode == 'RGB' and image.info.get('adobe_transform') == 0:
    return None
  # Blocks are counted from the upper left; in a picture that was turned they
  # are the same ones only where they fill it.
  if turn != 1 and (image.width % 16 or image.height % 16):
    return None
  # A layer's last number says which table is its own.
  tables = [image.quantization[layer[3]] for layer in image.layer]
  if tables[1:2] == tables[2:]:
    del tables[2:]
  # -1 is grey, or one that Pillow does not write: 0 then loses nothing.
  subsampling = max(0, JpegImagePlugin.get_sampling(image))
  if turn in (5, 6, 7, 8):
    tables = [np.reshape(table, (8, 8)).T.ravel() for table in tables]
    # Of 4:2:2 on its side, Pillow does not write the like.
    subsampling = 0 if subsampling == 1 else subsampling
  return JpegSettings(
    tables=tuple(tuple(map(int, table)) for table in tables),
    subsampling=subsampling,
    progressive=bool(image.info.get('progressive')),
  )


def _is_lossless_webp(image: Image.Image) -> bool:
  """Returns whether a WebP file's first picture is of its lossless kind."""
  file = image.fp
  file.seek(12)
  while len(head := file.read(8)) == 8:
    name, length = head[:4], int.from_bytes(head[4:], 'little')
    if name in (b'VP8L', b'VP8 '):
      return name == b'VP8L'
    # A frame of an animation has its picture behind 16 bytes of its own.
    file.seek(16 if name == b'ANMF' else length + length % 2, os.SEEK_CUR)
  return False
