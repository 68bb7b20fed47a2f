"""Reads one photo from a file that may be anything."""

from collections.abc import Iterator
import contextlib
import functools
import io
import os
import stat
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps

from inpaint_jax.photos import png_chunks, unread_files
from inpaint_jax.system import errors

# Larger images are not decoded: each would take more than half a gigabyte. The
# limit is below that of Pillow itself (about 179 million).
MAX_PIXELS = 150_000_000
# Pillow's formats that are not photos, or that start other programs. Of a photo
# CD (PCD), Pillow reads only a small preview.
_NOT_PHOTOS = frozenset(
  ('BUFR', 'EPS', 'FITS', 'GRIB', 'HDF5', 'MPEG', 'PCD', 'PDF', 'WMF')
)
# Tags of TIFF files.
_BITS, _PHOTOMETRIC, _PLANES, _SIGN = 258, 262, 284, 339
_NO_DATA_TAG = 42113
# Values from here on stand for no data.
_NO_DATA = 1e30
# A resource of Photoshop files: 4 bytes, then whether there is an image of all
# layers.
_PSD_VERSION = 1057

# A photo is read from a path, the bytes of a file, or an open file.
Source = str | os.PathLike[str] | bytes | BinaryIO


class UnreadableError(Exception):
  """The file has no photo that can be read; the message is the reason."""


@functools.cache
def formats() -> tuple[str, ...]:
  """Returns Pillow's names of the formats that are read."""
  Image.init()
  with contextlib.suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()
  return tuple(sorted(set(Image.OPEN) - _NOT_PHOTOS))


@functools.cache
def extensions() -> frozenset[str]:
  """Returns the file name endings of photos, such as '.jpg', in lower case."""
  read = formats()
  names = Image.registered_extensions()
  return frozenset(ending for ending, name in names.items() if name in read)


def size(path: str) -> tuple[int, int]:
  """Returns (height, width) of an upright photo; reads only its header."""
  with opened(path) as image:
    width, height = image.size
    if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
      return width, height
    return height, width


def read(path: str, at_least: int = 0) -> Image.Image:
  """Returns the photo in a file, upright, as 8-bit RGB.

  Applies EXIF's orientation, but no colour profile, and lays transparent parts
  over white. Divides 16-bit values by 257, and scales 32-bit numbers by
  `scale_numbers`. Takes the first frame of an animation.

  Args:
    at_least: a length in pixels that is enough for the shorter side: JPEG files
      are then decoded faster, at 1/2, 1/4 or 1/8 of their size. 0 = full size.

  Raises:
    UnreadableError: the file is empty, damaged, not a photo, too large, or must
      not be read. No other exception is raised.
  """
  with opened(path) as image:
    if at_least:
      image.draft('RGB', (at_least, at_least))
    # In place, since a copy would lack the tags that say what numbers mean.
    ImageOps.exif_transpose(image, in_place=True)
    return to_rgb(image)


def to_rgb(image: Image.Image, background: str = 'white') -> Image.Image:
  """Returns an image of any mode as 8-bit RGB, over a colour; see `read`."""
  mode = image.mode
  if mode.startswith('I') or mode == 'F':
    if mode.startswith('I;16'):
      values = np.asarray(image) / 65535
      # If white is 0, Pillow inverts other images, but not those of 16 bits.
      if getattr(image, 'tag_v2', {}).get(_PHOTOMETRIC) == 0:
        values = 1 - values
    else:
      values, _ = scale_numbers(image)
    values = np.round(values * 255)
    image = Image.fromarray(values.astype(np.uint8))
  elif image.has_transparency_data:
    image = image.convert('LA') if mode == 'La' else image
    image = image.convert('RGBA')
    below = Image.new('RGBA', image.size, background)
    image = Image.alpha_composite(below, image)
  return image.convert('RGB')


def scale_numbers(image: Image.Image) -> tuple[np.ndarray, str]:
  """Returns 32-bit numbers in [0, 1], and a line on how they were scaled.

  Whole values that fit into 8 or 16 bits are divided by 255 or 65535; values in
  [0, 1] stay. Otherwise the smallest value becomes 0 and the largest 1. Values
  that are not finite, or stand for no data, do not count; of these, positive
  ones become 1 and all others 0. In a TIFF file in which white is 0, all this
  is inverted.

  Args:
    image: an image of mode I or F.

  Returns:
    float [H, W], and the line.

  Raises:
    UnreadableError: there is no finite number.
  """
  values = np.asarray(image)
  tags = getattr(image, 'tag_v2', {})
  # Pillow reads unsigned numbers as if they had a sign.
  if (
    image.mode == 'I'
    and tags.get(_BITS) == (32,)
    and tags.get(_SIGN, (1,)) == (1,)
  ):
    values = values.view(np.uint32)
  values = values.astype(np.float64)
  counts = np.abs(values) < _NO_DATA
  with contextlib.suppress(ValueError):
    counts &= values != float(str(tags.get(_NO_DATA_TAG, '')).strip('\0 '))
  if not counts.any():
    raise UnreadableError('none of its values is a finite number')
  low, high = values[counts].min(), values[counts].max()
  top = 1.0 if high <= 1 else 255.0 if high <= 255 else 65535.0
  note = f'its values, {low:g} to {high:g}, '
  scaled = 'keep their scale' if top == 1 else f'were divided by {top:g}'
  is_whole = top == 1 or not (values[counts] % 1).any()
  if not (low >= 0 and high <= top and is_whole):
    top = high - low
    scaled = 'were scaled to the range from black to white'
    # An image of a single value is white.
    low, top = (low, top) if top else (low - 1, 1.0)
  else:
    low = 0.0
  note += scaled
  if not counts.all():
    note += f', and {np.sum(~counts)} of them are no numbers'
  values = np.where(counts, values, np.where(values > 0, np.inf, -np.inf))
  values = np.clip((values - low) / top, 0, 1)
  # If white is 0, Pillow inverts images of 8 bits only.
  return 1 - values if tags.get(_PHOTOMETRIC) == 0 else values, note


def square(image: Image.Image, side: int) -> Image.Image:
  """Returns the largest centred square of an image, `side` pixels wide."""
  return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def encode_png(image: Image.Image) -> bytes:
  """Returns an image as the bytes of a lightly compressed PNG file."""
  buffer = io.BytesIO()
  image.save(buffer, 'PNG', compress_level=1)
  return buffer.getvalue()


@contextlib.contextmanager
def opened(
  source: Source, max_pixels: int | None = None, max_bytes: int | None = None
) -> Iterator[ImageFile.ImageFile]:
  """Opens a photo with Pillow, which reads its header but no pixels yet.

  Args:
    source: a path, the bytes of a file, or a binary file, read from its start.
    max_pixels: photos of more pixels are refused; None = MAX_PIXELS.
    max_bytes: larger files are refused; None = no limit.

  Raises:
    UnreadableError: see `read`; also for errors within the context.
  """
  max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
  too_large = f'more than {max_pixels / 1e6:g} megapixels'
  head = b''
  try:
    with _as_file(source) as file:
      num_bytes = file.seek(0, os.SEEK_END)
      if not num_bytes:
        raise UnreadableError('empty file')
      if max_bytes is not None and num_bytes > max_bytes:
        raise UnreadableError(f'more than {max_bytes / 1e6:g} megabytes')
      if fault := unread_files.find_fault(file):
        raise UnreadableError(fault)
      shielded = png_chunks.shield_facts(file)
      file.seek(0)
      head = file.read(512)
      # By its path, Pillow maps an uncompressed file instead of copying it.
      opened_as = io.BytesIO(shielded) if shielded else path_of(source) or file
      with Image.open(opened_as, formats=formats()) as image:
        if image.width * image.height > max_pixels:
          raise UnreadableError(too_large)
        if fault := _find_misread(image):
          raise UnreadableError(fault)
        _scale_key(image)
        yield image
  except UnreadableError:
    raise
  except Image.DecompressionBombError as error:
    raise UnreadableError(too_large) from error
  except Image.UnidentifiedImageError as error:
    ending = os.path.splitext(path_of(source))[1]
    kind = unread_files.explain(head, ending)
    raise UnreadableError(
      kind or 'not an image, or its header is damaged'
    ) from error
  except Exception as error:
    # Damaged files raise exceptions of any kind in Pillow and libvips. Those of
    # the operating system have the path in their text, but not in strerror.
    reason = getattr(error, 'strerror', None) or error
    raise UnreadableError(errors.one_line(reason, 120)) from error


def _scale_key(image: ImageFile.ImageFile) -> None:
  """Makes the transparent value of a grey PNG image one of 8 bits.

  Pillow scales the pixels of 2 and 4 bits, but not this value.
  """
  key = image.info.get('transparency')
  if image.format == 'PNG' and isinstance(key, int) and image.tile:
    factors = {'L;2': 85, 'L;4': 17}
    image.info['transparency'] = key * factors.get(str(image.tile[0].args), 1)


def unreadable_as_user_error(
  name: str,
) -> contextlib.AbstractContextManager[None]:
  """Turns an UnreadableError into a UserError that calls the file `name`."""
  return errors.error_as(f'{name} cannot be read', kind=UnreadableError)


def path_of(source: Source) -> str:
  """Returns the path that a photo is read from; '' if it has no path."""
  return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ''


def _find_misread(image: ImageFile.ImageFile) -> str:
  """Returns why Pillow would misread a file; '' for most files."""
  tags = getattr(image, 'tag_v2', {})
  if tags.get(_PLANES) == 2 and 16 in tags.get(_BITS, ()):
    # Pillow mixes up their channels without an error.
    return (
      'a TIFF file of 16 bits with a plane for each colour; save it with '
      'interleaved colours'
    )
  # A Photoshop file may hold plain white instead of an image of its layers.
  resources = getattr(image, 'resources', ())
  if any(r[0] == _PSD_VERSION and r[2][4:5] == b'\0' for r in resources):
    what = 'a file of layers without an image of all of them'
    return f'{what}; {unread_files.SAVE_AS}'
  return ''


@contextlib.contextmanager
def _as_file(source: Source) -> Iterator[BinaryIO]:
  """Yields an open file; closes it at the end if it was opened here."""
  if isinstance(source, bytes):
    yield io.BytesIO(source)
  elif not isinstance(source, (str, os.PathLike)):
    yield source
  elif not stat.S_ISREG(os.stat(source).st_mode):
    raise UnreadableError('not a regular file')
  else:
    with open(source, 'rb') as file:
      yield file
