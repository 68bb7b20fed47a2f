"""From opened picture files to arrays of 8 or 16 bits."""

import contextlib
import io
import os

import numpy as np
from PIL import Image, ImageCms, ImageFile

from inpaint_jax.photos import reading
from inpaint_jax.photos.picture import row_bands

# What libvips reads: 16-bit channels in these formats, by Pillow's names of how
# they lie in the file. Pillow itself reads 16-bit colour as 8-bit.
_DEEP_FORMATS = ('PNG', 'TIFF')
_DEEP_LAYOUTS = ('I;16', 'RGB;16', 'RGBA;16', 'RGBX;16', 'LA;16')


def layouts(image: ImageFile.ImageFile) -> list[str]:
  """Returns how channels lie in an opened file, such as ['RGB;16B'].

  Pillow no longer knows this of an image that it has loaded.
  """
  arguments = [tile.args for tile in image.tile]
  return [x if isinstance(x, str) else str((x or [''])[0]) for x in arguments]


def decode(
  image: ImageFile.ImageFile, source: reading.Source, found: list[str]
) -> tuple[np.ndarray, np.ndarray | None, bool, list[str]]:
  """Returns the pixels of an opened picture as they lie in the file.

  Args:
    image: as reading.opened gives it.
    source: what it was opened from; 16 bits are read from there.
    found: what `layouts` returned.

  Returns:
    Pixels, uint8 or uint16 [H, W, 3]; alpha, of the same type [H, W], or None;
    whether the picture is grey; lines on what had to be changed.
  """
  is_deep = image.mode.startswith('I;16') or (
    bool(found) and all(x.startswith(_DEEP_LAYOUTS) for x in found)
  )
  if is_deep and image.format in _DEEP_FORMATS:
    return *_decode_deep(image, source), []
  notes = []
  if image.mode in ('I', 'F') or (
    any(';16' in x for x in found) and not image.mode.startswith('I;16')
  ):
    notes.append('its numbers were brought to 8 bits')
  simple, note = _simplified(image)
  is_grey = simple.mode in ('L', 'LA') or simple.mode.startswith('I;16')
  return *_arrays(simple), is_grey, notes + note


def _decode_deep(
  image: Image.Image, source: reading.Source
) -> tuple[np.ndarray, np.ndarray | None, bool]:
  # pyvips takes a tenth of a second to import, and most photos have 8 bits.
  import pyvips

  if isinstance(source, (str, os.PathLike)):
    stream = pyvips.Source.new_from_file(os.fsencode(source))
  else:
    if not isinstance(source, bytes):
      source.seek(0)
      source = source.read()
    stream = pyvips.Source.new_from_memory(source)
  values = pyvips.Image.new_from_source(
    stream, '', access='sequential', fail_on='error'
  ).numpy()
  values = values.reshape(*values.shape[:2], -1)
  # What Pillow does not call alpha is a channel of unknown meaning.
  has_alpha = image.mode in ('LA', 'RGBA') or 'transparency' in image.info
  is_grey = values.shape[2] < 3
  pixels = values[..., : 1 if is_grey else 3]
  pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
  return pixels, values[..., -1] if has_alpha else None, is_grey


def _simplified(image: Image.Image) -> tuple[Image.Image, list[str]]:
  """Returns an image as L, LA, RGB, RGBA or I;16, and what was changed."""
  mode = image.mode
  if mode in ('LA', 'RGBA') or mode.startswith('I;16'):
    return image, []
  if mode in ('L', 'RGB') and 'transparency' not in image.info:
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
    rgb = image.convert('RGBA' if has_alpha else 'RGB')
    return rgb, ['its palette has no place for new colours, and it is RGB now']
  if image.has_transparency_data:
    return image.convert('LA' if mode == 'L' else 'RGBA'), []
  if mode in ('I', 'F'):
    return reading.to_rgb(image).convert('L'), []
  is_rgb = mode in ('RGBX', 'YCbCr')
  return image.convert('RGB'), [] if is_rgb else [f'{mode} became RGB']


def _from_cmyk(image: Image.Image) -> tuple[Image.Image, list[str]]:
  icc = image.info.get('icc_profile')
  with contextlib.suppress(ImageCms.PyCMSError, OSError):
    if icc and icc[16:20] == b'CMYK':
      profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
      srgb = ImageCms.createProfile('sRGB')
      rgb = ImageCms.profileToProfile(image, profile, srgb, outputMode='RGB')
      if rgb is not None:  # as it is only of a conversion in place
        return rgb, ['its CMYK became sRGB, by its colour profile']
  return image.convert('RGB'), ['its CMYK became RGB, without a colour profile']


def _arrays(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
  """Returns pixels [H, W, 3] and alpha [H, W] of a simplified image."""
  dtype = np.uint16 if image.mode.startswith('I;16') else np.uint8
  pixels = np.empty((image.height, image.width, 3), dtype)
  has_alpha = image.mode in ('LA', 'RGBA')
  alpha = np.empty(pixels.shape[:2], dtype) if has_alpha else None
  for rows in row_bands(image.height, image.width):
    # A second copy of a band is in memory, not of the whole image.
    band = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
    band = band if band.ndim == 3 else band[..., None]
    pixels[rows] = band[..., : 3 if band.shape[2] > 2 else 1]
    if alpha is not None:
      alpha[rows] = band[..., -1]
  return pixels, alpha
