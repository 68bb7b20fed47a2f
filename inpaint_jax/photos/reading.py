"""Reading one photo from a file that may be anything."""

from collections.abc import Iterator
import contextlib
import functools
import io
import os
import stat
from typing import BinaryIO, IO
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

from inpaint_jax.system import errors

# Larger pictures are not decoded: each would take more than half a gigabyte.
# Below the size at which Pillow itself refuses (about 179 million).
MAX_PIXELS = 150_000_000
# What Pillow opens that is no photo, or that starts other programs.
_NOT_PHOTOS = frozenset(
  ('BUFR', 'EPS', 'FITS', 'GRIB', 'HDF5', 'MPEG', 'PDF', 'WMF')
)
# Tags of TIFF files.
_BITS, _PLANES = 258, 284

# What a photo is read from: a path, the bytes of a file, or an open file.
Source = str | os.PathLike[str] | bytes | BinaryIO


class UnreadableError(Exception):
  """A file that gives no photo; the message is the reason, in a few words."""


@functools.cache
def formats() -> tuple[str, ...]:
  """Returns the names of the picture formats that are read."""
  Image.init()
  return tuple(sorted(set(Image.OPEN) - _NOT_PHOTOS))


@functools.cache
def extensions() -> frozenset[str]:
  """Returns the file name endings of photos, such as '.jpg', in lower case."""
  names = Image.registered_extensions()
  return frozenset(e for e, name in names.items() if name in formats())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
  """Keeps Pillow's warnings about odd files off the terminal."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    yield


def size(path: str) -> tuple[int, int]:
  """Returns (height, width) of a photo upright, from its header only.

  Raises:
    UnreadableError: see `read`.
  """
  with opened(path) as image:
    width, height = image.size
    if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
      return width, height
    return height, width


def read(
  path: str, at_least: int = 0, background: str = 'white'
) -> Image.Image:
  """Returns the photo in a file, upright, as 8-bit RGB.

  EXIF orientation is applied. Transparent parts are laid over a colour. 16-bit
  pictures are divided by 257. Pictures of 32-bit integers or floats are taken
  to be on a scale of 1, 255 or 65535, the smallest that holds their largest
  value, or else of that value. Of an animation the first frame counts. Colour
  profiles are not applied.

  Args:
    path: the file.
    at_least: a smaller side in pixels that is enough; JPEG files are then
      decoded at 1/2, 1/4 or 1/8, which is faster. 0 is full size.
    background: what transparent parts are laid over.

  Raises:
    UnreadableError: the file is empty, damaged, no photo, too large, or may not
      be read. Other exceptions do not leave, whatever the file.
  """
  with opened(path) as image:
    if at_least:
      image.draft('RGB', (at_least, at_least))
    return to_rgb(ImageOps.exif_transpose(image), background)


def to_rgb(image: Image.Image, background: str = 'white') -> Image.Image:
  """Returns a picture of any mode as 8-bit RGB; see `read`."""
  mode = image.mode
  if mode.startswith('I') or mode == 'F':
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    if mode.startswith('I;16'):
      scale = 65535.0
    else:
      largest = values.max()
      scales = [1.0] * (mode == 'F') + [255.0] * (mode == 'F') + [65535.0]
      scale = next((s for s in scales if largest <= s), largest)
    values = np.clip(values * (255 / scale), 0, 255)
    image = Image.fromarray(np.round(values).astype(np.uint8))
  elif mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') or (
    'transparency' in image.info
  ):
    image = image.convert('LA').convert('RGBA') if mode == 'La' else image
    image = image.convert('RGBA')
    below = Image.new('RGBA', image.size, background)
    image = Image.alpha_composite(below, image)
  return image.convert('RGB')


def square(image: Image.Image, side: int) -> Image.Image:
  """Returns the largest centred square of a picture, `side` pixels wide.

  This is a resize of the short side to `side` and a centre crop, in one go.
  """
  if image.size == (side, side):
    return image
  width, height = image.size
  short = min(width, height)
  left, top = (width - short) / 2, (height - short) / 2
  box = (left, top, left + short, top + short)
  return image.resize((side, side), Image.Resampling.LANCZOS, box)


def encode_png(image: Image.Image) -> bytes:
  """Returns a picture as the bytes of a lightly compressed PNG file."""
  buffer = io.BytesIO()
  image.save(buffer, 'PNG', compress_level=1)
  return buffer.getvalue()


@contextlib.contextmanager
def opened(
  source: Source, max_pixels: int | None = None, max_bytes: int | None = None
) -> Iterator[ImageFile.ImageFile]:
  """Opens a photo as Pillow has it, with its header read and no pixels yet.

  Args:
    source: a path, the bytes of a file, or a binary file, read from its start.
    max_pixels: more are refused; MAX_PIXELS unless given.
    max_bytes: larger files are refused; any size will do unless given.

  Raises:
    UnreadableError: see `read`; also for what goes wrong within the context.
  """
  max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
  if isinstance(source, bytes):
    source = io.BytesIO(source)
  try:
    num_bytes = _num_bytes(source)
    if not num_bytes:
      raise UnreadableError('empty file')
    if max_bytes is not None and num_bytes > max_bytes:
      raise UnreadableError(f'more than {max_bytes / 1e6:g} megabytes')
    with Image.open(source, formats=formats()) as image:
      if image.width * image.height > max_pixels:
        raise UnreadableError(_too_large(max_pixels))
      tags = getattr(image, 'tag_v2', {})
      if tags.get(_PLANES) == 2 and 16 in tags.get(_BITS, ()):
        # Pillow mixes their channels up, and does not notice.
        raise UnreadableError(
          'a TIFF file of 16 bits with a plane for each colour; save it with '
          'interleaved colours'
        )
      yield image
  except UnreadableError:
    raise
  except Image.DecompressionBombError as error:
    raise UnreadableError(_too_large(max_pixels)) from error
  except Image.UnidentifiedImageError as error:
    raise UnreadableError('not a picture, or its header is damaged') from error
  except Exception as error:
    # Pillow's readers meet damaged files with exceptions of any kind. Those of
    # the system carry the path in their text, but not in strerror.
    reason = getattr(error, 'strerror', None) or str(error)
    reason = ' '.join(reason.split()) or type(error).__name__
    raise UnreadableError(reason[:120]) from error


def file_of(image: ImageFile.ImageFile) -> IO[bytes]:
  """Returns the open file of an image whose pixels are not loaded yet."""
  if image.fp is None:
    raise ValueError('the pixels are loaded, and the file is closed')
  return image.fp


def path_of(source: Source) -> str:
  """Returns the path that a photo is read from, '' if it is none."""
  return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ''


@contextlib.contextmanager
def unreadable_as_user_error(name: str) -> Iterator[None]:
  """Turns an UnreadableError into a UserError that calls the file `name`."""
  try:
    yield
  except UnreadableError as error:
    raise errors.UserError(f'{name} cannot be read: {error}') from error


def _num_bytes(source: str | os.PathLike[str] | BinaryIO) -> int:
  """Returns the size of a file; an open one is then at its start."""
  if isinstance(source, (str, os.PathLike)):
    status = os.stat(source)
    if not stat.S_ISREG(status.st_mode):
      raise UnreadableError('not a regular file')
    return status.st_size
  num_bytes = source.seek(0, os.SEEK_END)
  source.seek(0)
  return num_bytes


def _too_large(max_pixels: int) -> str:
  return f'more than {max_pixels / 1e6:g} megapixels'
