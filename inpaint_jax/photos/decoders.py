"""Decodes opened photos to arrays of 8 or 16 bits."""

import contextlib
import io
import os

import numpy as np
from PIL import Image, ImageCms, ImageFile

from inpaint_jax.photos import reading
from inpaint_jax.photos.picture import row_bands

# Pillow reads 16-bit colour as 8-bit, so libvips decodes files of these formats
# with one of these layouts, which are Pillow's raw modes.
_DEEP_FORMATS = ('PNG', 'TIFF')
_DEEP_LAYOUTS = ('I;16', 'RGB;16', 'RGBA;16', 'RGBX;16', 'LA;16')


def raw_modes(image: ImageFile.ImageFile) -> list[str]:
  """Returns Pillow's raw modes of an unloaded image, such as ['RGB;16B']."""
  arguments = [tile.args for tile in image.tile]
  return [x if isinstance(x, str) else str((x or [''])[0]) for x in arguments]


def decode(
  image: ImageFile.ImageFile, source: reading.Source, modes: list[str]
) -> tuple[np.ndarray, np.ndarray | None, bool, list[str]]:
  """Returns the pixels of an opened photo, not turned upright.

  Args:
    image: the photo as Pillow opened it.
    source: what it was opened from; 16 bits are read from there.
    modes: raw modes of the photo, from `raw_modes` before it was loaded.

  Returns:
    Pixels, uint8 or uint16 [H, W, 3]; alpha, of the same type [H, W], or None;
    whether the photo is grey; lines on what was changed.
  """
  is_deep_grey = image.mode.startswith('I;16')
  # Numbers with a sign are scaled like those of 32 bits.
  has_sign = any(mode.startswith('I;16S') for mode in modes)
  has_deep_layout = bool(modes) and all(
    mode.startswith(_DEEP_LAYOUTS) for mode in modes
  )
  is_deep = is_deep_grey or (has_deep_layout and not has_sign)
  if is_deep and image.format in _DEEP_FORMATS:
    return *_decode_deep(image, source), []
  image.load()
  if image.mode in ('I', 'F'):
    numbers, line = reading.scale_numbers(image)
    deep = np.round(numbers * 65535).astype(np.uint16)[..., None]
    return deep.repeat(3, axis=2), None, True, [f'{line}; it has 16 bits now']
  notes = []
  if not is_deep_grey and any(';16' in mode for mode in modes):
    notes.append('its numbers were brought to 8 bits')
  simple, note = _simplify(image)
  is_grey = is_deep_grey or simple.mode in ('L', 'LA')
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
  # A fourth channel that Pillow does not call alpha has no known meaning.
  has_alpha = image.mode in ('LA', 'RGBA') or 'transparency' in image.info
  is_grey = values.shape[2] < 3
  pixels = values[..., : 1 if is_grey else 3]
  pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
  return pixels, values[..., -1] if has_alpha else None, is_grey


def _simplify(image: Image.Image) -> tuple[Image.Image, list[str]]:
  """Returns an image as L, LA, RGB, RGBA or I;16, and lines on changes."""
  mode, has_alpha, notes = image.mode, image.has_transparency_data, []
  if mode.startswith('I;16'):
    return image, []
  if mode == 'CMYK':
    return _convert_cmyk(image)
  if mode == '1':
    notes = ['it was black and white only, and is grey now']
  elif mode in ('P', 'PA'):
    notes = ['its palette has no place for new colours, and it is RGB now']
  elif mode in ('LAB', 'HSV'):
    notes = [f'{mode} became RGB']
  simple = 'L' if mode in ('1', 'L', 'LA', 'La') else 'RGB'
  simple += 'A' if has_alpha else ''
  return image if mode == simple else image.convert(simple), notes


def _convert_cmyk(image: Image.Image) -> tuple[Image.Image, list[str]]:
  icc = image.info.get('icc_profile')
  with contextlib.suppress(ImageCms.PyCMSError, OSError):
    if icc and icc[16:20] == b'CMYK':
      profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
      srgb = ImageCms.createProfile('sRGB')
      rgb = ImageCms.profileToProfile(image, profile, srgb, outputMode='RGB')
      if rgb is not None:  # Only a conversion in place returns None.
        return rgb, ['its CMYK became sRGB, by its colour profile']
  return image.convert('RGB'), ['its CMYK became RGB, without a colour profile']


def _arrays(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
  """Returns pixels [H, W, 3] and alpha [H, W] of a simplified image."""
  dtype = np.uint16 if image.mode.startswith('I;16') else np.uint8
  pixels = np.empty((image.height, image.width, 3), dtype)
  has_alpha = image.mode in ('LA', 'RGBA')
  alpha = np.empty(pixels.shape[:2], dtype) if has_alpha else None
  for rows in row_bands(image.height, image.width):
    # Memory holds a second copy of a band, not of the whole image.
    band = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
    band = band if band.ndim == 3 else band[..., None]
    pixels[rows] = band[..., : 3 if band.shape[2] > 2 else 1]
    if alpha is not None:
      alpha[rows] = band[..., -1]
  return pixels, alpha
