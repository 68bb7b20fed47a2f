"""From opened picture files to arrays of 8 or 16 bits."""

import io
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from inpaint_jax.photos import reading
from inpaint_jax.photos.picture import bands

# Pillow has no mode for 16-bit colour. It reads such files as 8-bit ones, and
# which of a number's two bytes it takes is up to the layout that it is told:
# read once by its own layout and once by that of the other byte order, a file
# gives both. Libraries that read 16 bits at once were tried: imagecodecs with
# tifffile takes 81 MB, OpenCV more, and none of them writes EXIF into TIFF.
_NATIVE = 'L' if sys.byteorder == 'little' else 'B'
_OTHER_BYTE = {'B': 'L', 'L': 'B', 'N': 'B' if _NATIVE == 'L' else 'L'}
_DEEP = frozenset(
  f'{mode};16{order}' for mode in ('RGB', 'RGBA', 'RGBX') for order in 'BLN'
)
_DEEP_GREY_ALPHA = 'LA;16B'
# A tag of TIFF files, and a value of it.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def layouts(image: Image.Image) -> set[str]:
  """Returns how the numbers of an opened picture lie in its file.

  To be called before the picture is loaded, which Pillow then does in such a
  way that `decode` finds what it needs.
  """
  found = {_layout(tile) for tile in image.tile}
  if found == {_DEEP_GREY_ALPHA}:
    # Two bytes of grey and two of alpha, to be taken for four colours.
    image.tile = [tile._replace(args='RGBA') for tile in image.tile]
  return found


def decode(
  image: Image.Image, source: reading.Source, found: set[str]
) -> tuple[np.ndarray, np.ndarray | None, bool, list[str]]:
  """Returns the pixels of an opened picture as they lie in the file.

  Args:
    image: as reading.opened gives it.
    source: what it was opened from; 16-bit colour is read twice.
    found: what `layouts` returned.

  Returns:
    Pixels, uint8 or uint16 [H, W, 3]; alpha, of the same type [H, W], or None;
    whether the picture is grey; lines on what had to be changed.
  """
  image.load()
  if found and found <= _DEEP:
    return *_deep_colour(image, source), False, []
  if found == {_DEEP_GREY_ALPHA}:
    return *_deep_grey_alpha(image), True, []
  if image.mode.startswith('I;16'):
    return *_deep_grey(image), True, []
  notes = []
  if any(';16' in layout for layout in found) or image.mode in ('I', 'F'):
    notes.append('its numbers were brought to 8 bits')
  image, note = _simplified(image)
  pixels, alpha = _arrays(image)
  return pixels, alpha, image.mode in ('L', 'LA'), notes + note


def _layout(tile: Any) -> str:
  return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _deep_colour(
  image: Image.Image, source: reading.Source
) -> tuple[np.ndarray, np.ndarray | None]:
  key = image.info.get('transparency')
  values = _arrays(image, shift=8)
  with reading.opened(source, image.width * image.height) as low:
    low.tile = [_other_byte(tile) for tile in low.tile]
    low.load()
    for array, part in zip(values, _arrays(low), strict=True):
      if array is not None:
        array |= part
  pixels, alpha = values
  if alpha is None and isinstance(key, tuple):
    alpha = np.where((pixels == key).all(2), 0, 65535).astype(np.uint16)
  return pixels, alpha


def _other_byte(tile: Any) -> Any:
  layout = _layout(tile)
  other = layout[:-1] + _OTHER_BYTE[layout[-1]]
  is_name = isinstance(tile.args, str)
  return tile._replace(args=other if is_name else (other, *tile.args[1:]))


def _deep_grey_alpha(
  image: Image.Image,
) -> tuple[np.ndarray, np.ndarray]:
  pixels = np.empty((image.height, image.width, 3), np.uint16)
  alpha = np.empty((image.height, image.width), np.uint16)
  for rows in bands(image.height, image.width):
    four = _band(image, rows).astype(np.uint16)
    pixels[rows] = (four[..., 0] << 8 | four[..., 1])[..., None]
    alpha[rows] = four[..., 2] << 8 | four[..., 3]
  return pixels, alpha


def _deep_grey(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
  key = image.info.get('transparency')
  inverted = getattr(image, 'tag_v2', {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
  pixels = np.empty((image.height, image.width, 3), np.uint16)
  for rows in bands(image.height, image.width):
    pixels[rows] = _band(image, rows)[..., None]
  if inverted:
    np.subtract(65535, pixels, out=pixels)
  alpha = None
  if isinstance(key, int):
    alpha = np.where(pixels[..., 0] == key, 0, 65535).astype(np.uint16)
  return pixels, alpha


def _simplified(image: Image.Image) -> tuple[Image.Image, list[str]]:
  """Returns an 8-bit picture as L, LA, RGB or RGBA, and what was changed."""
  mode = image.mode
  if mode in ('L', 'RGB') and 'transparency' not in image.info:
    return image, []
  if mode in ('LA', 'RGBA'):
    return image, []
  if mode == '1':
    has_key = 'transparency' in image.info
    grey = image.convert('LA' if has_key else 'L')
    return grey, ['it was black and white only, and is grey now']
  if mode == 'CMYK':
    return _from_cmyk(image)
  if mode == 'La':
    return image.convert('LA'), []
  if mode in ('P', 'PA'):
    has_alpha = image.has_transparency_data
    note = 'its palette has no place for new colours, and it is RGB now'
    return image.convert('RGBA' if has_alpha else 'RGB'), [note]
  if image.has_transparency_data:
    return image.convert('LA' if mode == 'L' else 'RGBA'), []
  if mode in ('I', 'F'):
    return reading.to_rgb(image).convert('L'), []
  note = [] if mode in ('RGBX', 'YCbCr') else [f'{mode} became RGB']
  return image.convert('RGB'), note


def _from_cmyk(image: Image.Image) -> tuple[Image.Image, list[str]]:
  icc = image.info.get('icc_profile')
  if icc and icc[16:20] == b'CMYK':
    try:
      converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile('sRGB'),
        outputMode='RGB',
      )
      return converted, ['its CMYK became sRGB, by its colour profile']
    except (ImageCms.PyCMSError, OSError):
      pass
  return image.convert('RGB'), ['its CMYK became RGB, without a colour profile']


def _arrays(
  image: Image.Image, shift: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
  """Returns pixels [H, W, 3] and alpha [H, W] of a picture of bytes.

  Args:
    image: L, LA, RGB or RGBA.
    shift: bits to shift the bytes by; any gives uint16, 0 gives uint8.
  """
  dtype = np.uint16 if shift else np.uint8
  pixels = np.empty((image.height, image.width, 3), dtype)
  has_alpha = image.mode in ('LA', 'RGBA')
  alpha = np.empty(pixels.shape[:2], dtype) if has_alpha else None
  for rows in bands(image.height, image.width):
    band = _band(image, rows).astype(dtype) << shift
    band = band if band.ndim == 3 else band[..., None]
    pixels[rows] = band[..., : 3 if band.shape[2] > 2 else 1]
    if alpha is not None:
      alpha[rows] = band[..., -1]
  return pixels, alpha


def _band(image: Image.Image, rows: slice) -> np.ndarray:
  """Returns some rows; the whole picture at once would be there thrice."""
  return np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
