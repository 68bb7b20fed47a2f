"""Encodes a picture as the bytes of a file: one function for each format."""

import io
from typing import BinaryIO
import zlib

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin, TiffTags

from inpaint_jax.photos import metadata as metadata_lib, png_chunks
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import luma, Picture, row_bands

# The photo was compressed once before; this time it should lose little.
_QUALITY = 95
# zlib's levels above this one gain little on photographs.
_COMPRESS_LEVEL = 6
# Text of a PNG file is compressed if it is longer than this, in characters.
_LONG_TEXT = 1024
_ADOBE_DEFLATE, _HORIZONTAL_DIFFERENCES, _UNASSOCIATED_ALPHA = 8, 2, 2


def encode_jpeg(file: BinaryIO, picture: Picture, metadata: Metadata) -> None:
  """Writes a JPEG file, with the compression settings of its source, if any."""
  settings = picture.jpeg or {'quality': _QUALITY, 'subsampling': 0}
  # Pillow writes to a file itself, and does not notice that the disk is full.
  buffer = io.BytesIO()
  _to_pillow(picture, grey=picture.grey, alpha=False).save(
    buffer,
    'JPEG',
    exif=metadata.exif,
    icc_profile=metadata.icc,
    xmp=metadata.xmp,
    dpi=metadata.dpi or (0, 0),
    # The comment is among them, since Pillow leaves no room for its own.
    extra=metadata_lib.jpeg_segments(metadata),
    **settings,
  )
  file.write(buffer.getbuffer())


def encode_webp(file: BinaryIO, picture: Picture, metadata: Metadata) -> None:
  """Writes a WebP file, without loss if its source was."""
  _to_pillow(picture, grey=False, alpha=True).save(
    file,
    'WEBP',
    quality=_QUALITY,
    lossless=picture.lossless,
    # Keeps the colours of transparent pixels, too.
    exact=True,
    exif=metadata.exif,
    icc_profile=metadata.icc,
    xmp=metadata.xmp,
  )


def encode_png(file: BinaryIO, picture: Picture, metadata: Metadata) -> None:
  """Writes a PNG file of 8 or 16 bits."""
  info = PngImagePlugin.PngInfo()
  for name, content in metadata.png_colour:
    info.add(name, content)
  text = list(metadata.text)
  if metadata.iptc:
    text.append(metadata_lib.iptc_text(metadata.iptc))
  for key, value in text:
    info.add_text(key, value, zip=len(value) > _LONG_TEXT)
  if metadata.xmp:
    # No compression, no language, no other keyword.
    info.add(b'iTXt', b'XML:com.adobe.xmp' + bytes(5) + metadata.xmp)
  is_deep = picture.pixels.dtype == np.uint16
  # For 16 bits, Pillow writes only the metadata, with an image of one pixel.
  buffer = io.BytesIO()
  image = Image.new('RGB', (1, 1))
  if not is_deep:
    image = _to_pillow(picture, grey=picture.grey, alpha=True)
  image.save(
    buffer if is_deep else file,
    'PNG',
    pnginfo=info,
    exif=metadata.exif,
    icc_profile=metadata.icc,
    dpi=metadata.dpi,
  )
  if is_deep:
    header, *pixels = _deep_png_chunks(picture)
    file.write(buffer.getvalue()[:8])
    for chunk in png_chunks.read(buffer):
      for own in {b'IHDR': [header], b'IDAT': pixels}.get(chunk[0], [chunk]):
        PngImagePlugin.putchunk(file, *own)


def _deep_png_chunks(picture: Picture) -> list[tuple[bytes, bytes]]:
  """Returns the chunks IHDR and IDAT of a 16-bit PNG file."""
  # pyvips takes a tenth of a second to import, and most photos have 8 bits.
  import pyvips

  image = pyvips.Image.new_from_array(
    _channels(picture, bits=16, grey=picture.grey, alpha=True),
    interpretation='grey16' if picture.grey else 'rgb16',
  )
  data = image.pngsave_buffer(
    compression=_COMPRESS_LEVEL, filter='sub', keep='none'
  )
  chunks = png_chunks.read(io.BytesIO(data))
  return [chunk for chunk in chunks if chunk[0] in (b'IHDR', b'IDAT')]


def encode_tiff(file: BinaryIO, picture: Picture, metadata: Metadata) -> None:
  """Writes a TIFF file of 8 or 16 bits, compressed without loss.

  Format: TIFF 6.0, and Adobe's technical note 2 on deflate.
  """
  bits = picture.pixels.dtype.itemsize * 8
  height, width = picture.pixels.shape[:2]
  grey = writes_grey(picture, 'TIFF')
  values = _channels(picture, bits=bits, grey=grey, alpha=True)
  strips = [
    zlib.compress(_differences(values[rows]), _COMPRESS_LEVEL)
    for rows in row_bands(height, width)
  ]
  sizes = [len(strip) for strip in strips]
  tags = metadata_lib.exif_tags(metadata.exif)
  tags |= {
    TiffImagePlugin.ICCPROFILE: metadata.icc,
    TiffImagePlugin.XMP: metadata.xmp,
    TiffImagePlugin.IPTC_NAA_CHUNK: metadata.iptc,
    TiffImagePlugin.IMAGEWIDTH: width,
    TiffImagePlugin.IMAGELENGTH: height,
    TiffImagePlugin.BITSPERSAMPLE: (bits,) * values.shape[2],
    TiffImagePlugin.COMPRESSION: _ADOBE_DEFLATE,
    TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if grey else 2,
    TiffImagePlugin.SAMPLESPERPIXEL: values.shape[2],
    TiffImagePlugin.ROWSPERSTRIP: next(row_bands(height, width)).stop,
    TiffImagePlugin.STRIPBYTECOUNTS: tuple(sizes),
    # Pillow wants offsets from the end of the directory.
    TiffImagePlugin.STRIPOFFSETS: tuple(np.cumsum([0, *sizes])[:-1].tolist()),
    TiffImagePlugin.PLANAR_CONFIGURATION: 1,
    TiffImagePlugin.PREDICTOR: _HORIZONTAL_DIFFERENCES,
  }
  if picture.alpha is not None:
    tags[TiffImagePlugin.EXTRASAMPLES] = _UNASSOCIATED_ALPHA
  if metadata.dpi:
    tags[TiffImagePlugin.X_RESOLUTION] = metadata.dpi[0]
    tags[TiffImagePlugin.Y_RESOLUTION] = metadata.dpi[1]
    tags[TiffImagePlugin.RESOLUTION_UNIT] = 2
  directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b'II')
  for tag, value in tags.items():
    if value != b'':
      directory[tag] = value
  for tag in (TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.STRIPOFFSETS):
    directory.tagtype[tag] = TiffTags.LONG
  directory.save(file)
  file.writelines(strips)


def _differences(values: np.ndarray) -> bytes:
  """Returns the differences between neighbours in a row, little-endian."""
  differences = np.diff(values, axis=1, prepend=values.dtype.type(0))
  return differences.astype(differences.dtype.newbyteorder('<')).tobytes()


def writes_grey(picture: Picture, name: str) -> bool:
  """Returns whether a format writes a picture with one channel of colour."""
  if name == 'TIFF' and picture.pixels.dtype == np.uint16:
    # Few programs read 16-bit grey with alpha, and Pillow does not.
    return picture.grey and picture.alpha is None
  return picture.grey and name != 'WEBP'


def _to_pillow(picture: Picture, *, grey: bool, alpha: bool) -> Image.Image:
  """Returns a picture as an 8-bit Pillow image; see `_channels`."""
  values = _channels(picture, bits=8, grey=grey, alpha=alpha)
  return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def _channels(
  picture: Picture, *, bits: int, grey: bool, alpha: bool
) -> np.ndarray:
  """Returns a picture's image [H, W, C] in the form that a file holds.

  Args:
    bits: 8 or 16.
    grey: whether it has one channel of brightness instead of three of colour.
    alpha: whether alpha is the last channel; if not, the image is laid over
      white.
  """
  dtype = np.uint8 if bits == 8 else np.uint16
  if not grey and picture.alpha is None and picture.pixels.dtype == dtype:
    return picture.pixels
  height, width = picture.pixels.shape[:2]
  channels = (1 if grey else 3) + (alpha and picture.alpha is not None)
  result = np.empty((height, width, channels), dtype)
  # In bands, so that memory holds no second image of wider numbers.
  for rows in row_bands(height, width):
    values = picture.pixels[rows]
    if grey:
      values = luma(values)
    if picture.alpha is not None:
      opacity = picture.alpha[rows][..., None]
      if alpha:
        values = np.concatenate([values, opacity], axis=2)
      else:
        values = _over_white(values, opacity)
    if bits == 8 and values.dtype == np.uint16:
      values = (values.astype(np.uint32) + 128) // 257
    result[rows] = values
  return result


def _over_white(values: np.ndarray, opacity: np.ndarray) -> np.ndarray:
  white = np.iinfo(values.dtype).max
  opacity = opacity.astype(np.uint32)
  mixed = values * opacity + white * (white - opacity) + white // 2
  return (mixed // white).astype(values.dtype)
