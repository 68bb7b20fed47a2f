"""From a picture to the bytes of a file, as far as its kind can hold it."""

from collections.abc import Callable, Iterator
import dataclasses
import io
import struct
from typing import Any, BinaryIO
import zlib

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin, TiffTags

from inpaint_jax.photos import metadata
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.picture import bands, Picture
from inpaint_jax.system import errors

# Pixels a side, for those with less room than Pillow reads.
_LARGEST_SIDE = {'JPEG': 65500, 'WEBP': 16383}
_WITH_ALPHA = ('PNG', 'TIFF', 'WEBP')
_WITH_16_BITS = ('PNG', 'TIFF')
# The photo was compressed once before: this time little is to be lost.
_QUALITY = 95
# zlib's levels above this one gain little on photographs.
_COMPRESS_LEVEL = 6
# Text that is longer, in bytes, is compressed in a PNG file.
_LONG_TEXT = 1024
_ADOBE_DEFLATE, _HORIZONTAL_DIFFERENCES, _UNASSOCIATED_ALPHA = 8, 2, 2


def encode(file: BinaryIO, picture: Picture, kind: str) -> list[str]:
  """Writes a picture to an open file.

  Args:
    file: binary, empty.
    picture: what to write.
    kind: 'JPEG', 'PNG', 'TIFF' or 'WEBP'.

  Returns:
    Lines on what this kind of file cannot hold.

  Raises:
    errors.UserError: it has more pixels on a side than this kind can hold.
  """
  height, width = picture.pixels.shape[:2]
  check_size(height, width, kind)
  said, lost = _fitted(picture, kind)
  exif = metadata.exif_for(said, width, height, kind)
  _ENCODERS[kind](file, picture, dataclasses.replace(said, exif=exif))
  return [f'{kind} has no room for {", ".join(lost)}'] if lost else []


def check_size(height: int, width: int, kind: str) -> None:
  """Raises a UserError if a kind of file has no room for so many pixels."""
  largest = _LARGEST_SIDE.get(kind, 2**31 - 1)
  if max(height, width) > largest:
    raise errors.UserError(
      f'the result has {width}x{height} pixels, and {kind} has room for '
      f'{largest} a side; write a .png or .tif file'
    )


def _fitted(picture: Picture, kind: str) -> tuple[Metadata, list[str]]:
  """Returns what a kind of file can say, and the names of all it cannot."""
  lost = []
  if picture.pixels.dtype == np.uint16 and kind not in _WITH_16_BITS:
    lost.append('16 bits (8 are kept)')
  if kind not in _WITH_ALPHA and not _is_opaque(picture):
    lost.append('transparency (it is laid over white)')
  said = picture.metadata
  for name, reason in metadata.without_room(said, kind).items():
    said = dataclasses.replace(said, **{name: type(getattr(said, name))()})
    lost.append(reason)
  if picture.grey and said.icc and not _stays_grey(picture, kind):
    said = dataclasses.replace(said, icc=b'')
    lost.append('a colour profile of grey')
  return said, lost


def _stays_grey(picture: Picture, kind: str) -> bool:
  if kind == 'TIFF' and picture.pixels.dtype == np.uint16:
    # With alpha few programs read it, and Pillow is not among them.
    return picture.grey and picture.alpha is None
  return picture.grey and kind != 'WEBP'


def _is_opaque(picture: Picture) -> bool:
  alpha = picture.alpha
  return alpha is None or bool(alpha.min() == np.iinfo(alpha.dtype).max)


# Pixels.


def _pieces(
  picture: Picture, *, bits: int, grey: bool, alpha: bool
) -> Iterator[tuple[slice, np.ndarray]]:
  """Yields rows and their values [h, W, C], as a file wants them.

  Args:
    picture: what to write.
    bits: 8 or 16.
    grey: one channel of brightness in place of three of colour.
    alpha: a last channel of it; if not, it is laid over white.
  """
  for rows in bands(*picture.pixels.shape[:2]):
    values = picture.pixels[rows]
    if grey:
      values = _luma(values)
    if picture.alpha is not None:
      opacity = picture.alpha[rows][..., None]
      if alpha:
        values = np.concatenate([values, opacity], axis=2)
      else:
        values = _over_white(values, opacity)
    if bits == 8 and values.dtype == np.uint16:
      values = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    yield rows, values


def _luma(values: np.ndarray) -> np.ndarray:
  """Returns the luma of ITU-R BT.601 [h, W, 1]; of three equal numbers, one."""
  red, green, blue = np.moveaxis(values.astype(np.uint32), 2, 0)
  luma = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
  return luma.astype(values.dtype)[..., None]


def _over_white(values: np.ndarray, opacity: np.ndarray) -> np.ndarray:
  white = np.iinfo(values.dtype).max
  opacity = opacity.astype(np.uint32)
  mixed = values * opacity + white * (white - opacity) + white // 2
  return (mixed // white).astype(values.dtype)


def _canvas(picture: Picture, *, grey: bool, alpha: bool) -> Image.Image:
  """Returns a picture as Pillow has it, in 8 bits."""
  alpha = alpha and picture.alpha is not None
  height, width = picture.pixels.shape[:2]
  mode = ('L' if grey else 'RGB') + ('A' if alpha else '')
  canvas = Image.new(mode, (width, height))
  for rows, values in _pieces(picture, bits=8, grey=grey, alpha=alpha):
    values = values[..., 0] if values.shape[2] == 1 else values
    piece = Image.fromarray(np.ascontiguousarray(values))
    canvas.paste(piece, (0, rows.start))
  return canvas


# Kinds of files.


def _encode_jpeg(file: BinaryIO, picture: Picture, said: Metadata) -> None:
  options: dict[str, Any] = {'quality': _QUALITY, 'subsampling': 0}
  if picture.jpeg:
    options = {
      'qtables': [list(table) for table in picture.jpeg.tables],
      'subsampling': picture.jpeg.subsampling,
      'progressive': picture.jpeg.progressive,
    }
  if said.dpi:
    options['dpi'] = said.dpi
  _canvas(picture, grey=picture.grey, alpha=False).save(
    file,
    'JPEG',
    exif=said.exif,
    icc_profile=said.icc,
    xmp=said.xmp,
    comment=said.comment,
    extra=metadata.iptc_segment(said.iptc) if said.iptc else b'',
    **options,
  )


def _encode_webp(file: BinaryIO, picture: Picture, said: Metadata) -> None:
  _canvas(picture, grey=False, alpha=True).save(
    file,
    'WEBP',
    quality=_QUALITY,
    lossless=picture.lossless,
    # The colours of transparent pixels are kept, too.
    exact=True,
    exif=said.exif,
    icc_profile=said.icc,
    xmp=said.xmp,
  )


def _encode_png(file: BinaryIO, picture: Picture, said: Metadata) -> None:
  info = PngImagePlugin.PngInfo()
  for name, content in said.png_colour:
    info.add(name, content)
  for key, value in said.text:
    info.add_text(key, value, zip=len(value) > _LONG_TEXT)
  if said.xmp:
    # No compression, no language, no other keyword.
    info.add(b'iTXt', b'XML:com.adobe.xmp' + bytes(5) + said.xmp)
  options = {'pnginfo': info, 'exif': said.exif, 'icc_profile': said.icc}
  if said.dpi:
    options['dpi'] = said.dpi
  if picture.pixels.dtype == np.uint8:
    _canvas(picture, grey=picture.grey, alpha=True).save(file, 'PNG', **options)
  else:
    _encode_deep_png(file, picture, options)


def _encode_deep_png(
  file: BinaryIO, picture: Picture, options: dict[str, Any]
) -> None:
  """Writes a PNG file of 16 bits, which Pillow does not for colours.

  Format: https://www.w3.org/TR/png-3/

  Args:
    file: where to.
    picture: of 16 bits.
    options: what Pillow would be told. It writes a file of one pixel, whose
      chunks, but for its header and its pixel, become those of this file.
  """
  buffer = io.BytesIO()
  Image.new('RGB', (1, 1)).save(buffer, 'PNG', **options)
  buffer.seek(0)
  file.write(buffer.read(8))
  height, width = picture.pixels.shape[:2]
  colour_type = 2 * (not picture.grey) + 4 * (picture.alpha is not None)
  while len(head := buffer.read(8)) == 8:
    length, name = struct.unpack('>I4s', head)
    content = buffer.read(length + 4)[:-4]
    if name == b'IHDR':
      content = struct.pack('>IIBBBBB', width, height, 16, colour_type, 0, 0, 0)
    if name != b'IDAT':
      PngImagePlugin.putchunk(file, name, content)
      continue
    compressor = zlib.compressobj(_COMPRESS_LEVEL)
    for _, values in _pieces(picture, bits=16, grey=picture.grey, alpha=True):
      data = compressor.compress(_filtered(values))
      PngImagePlugin.putchunk(file, b'IDAT', data)
    PngImagePlugin.putchunk(file, b'IDAT', compressor.flush())


def _filtered(values: np.ndarray) -> bytes:
  """Returns rows as a PNG file has them, each with the filter 'sub'."""
  height, _, channels = values.shape
  row = values.astype('>u2').reshape(height, -1).view(np.uint8)
  before = 2 * channels
  lines = np.empty((height, 1 + row.shape[1]), np.uint8)
  lines[:, 0] = 1
  lines[:, 1 : 1 + before] = row[:, :before]
  np.subtract(row[:, before:], row[:, :-before], out=lines[:, 1 + before :])
  return lines.tobytes()


def _encode_tiff(file: BinaryIO, picture: Picture, said: Metadata) -> None:
  """Writes a TIFF file, compressed without loss.

  Pillow writes no 16-bit colour, and no EXIF beside compression; its directory
  of tags does. Format: TIFF 6.0, and Adobe's technical note 2 on deflate.
  """
  bits = picture.pixels.dtype.itemsize * 8
  height, width = picture.pixels.shape[:2]
  grey = _stays_grey(picture, 'TIFF')
  strips = [
    zlib.compress(_differences(values), _COMPRESS_LEVEL)
    for _, values in _pieces(picture, bits=bits, grey=grey, alpha=True)
  ]
  channels = (1 if grey else 3) + (picture.alpha is not None)
  sizes = [len(strip) for strip in strips]
  tags = _tiff_tags(said)
  tags |= {
    TiffImagePlugin.IMAGEWIDTH: width,
    TiffImagePlugin.IMAGELENGTH: height,
    TiffImagePlugin.BITSPERSAMPLE: (bits,) * channels,
    TiffImagePlugin.COMPRESSION: _ADOBE_DEFLATE,
    TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if grey else 2,
    TiffImagePlugin.SAMPLESPERPIXEL: channels,
    TiffImagePlugin.ROWSPERSTRIP: next(bands(height, width)).stop,
    TiffImagePlugin.STRIPBYTECOUNTS: tuple(sizes),
    # Counted from the end of the directory, which is what Pillow wants.
    TiffImagePlugin.STRIPOFFSETS: tuple(np.cumsum([0, *sizes])[:-1].tolist()),
    TiffImagePlugin.PLANAR_CONFIGURATION: 1,
    TiffImagePlugin.PREDICTOR: _HORIZONTAL_DIFFERENCES,
  }
  if picture.alpha is not None:
    tags[TiffImagePlugin.EXTRASAMPLES] = _UNASSOCIATED_ALPHA
  directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b'II')
  for tag, value in tags.items():
    directory[tag] = value
  for tag in (TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.STRIPOFFSETS):
    directory.tagtype[tag] = TiffTags.LONG
  directory.save(file)
  for strip in strips:
    file.write(strip)


def _differences(values: np.ndarray) -> bytes:
  """Returns rows of the differences between neighbours, little-endian."""
  differences = values.copy()
  np.subtract(values[:, 1:], values[:, :-1], out=differences[:, 1:])
  return differences.astype(differences.dtype.newbyteorder('<')).tobytes()


def _tiff_tags(said: Metadata) -> dict[int, Any]:
  """Returns what a file says as tags, those of EXIF among them."""
  tags = metadata.exif_tags(said.exif)
  if said.dpi:
    tags[TiffImagePlugin.X_RESOLUTION] = said.dpi[0]
    tags[TiffImagePlugin.Y_RESOLUTION] = said.dpi[1]
    tags[TiffImagePlugin.RESOLUTION_UNIT] = 2
  for tag, value in (
    (TiffImagePlugin.ICCPROFILE, said.icc),
    (TiffImagePlugin.XMP, said.xmp),
    (TiffImagePlugin.IPTC_NAA_CHUNK, said.iptc),
  ):
    if value:
      tags[tag] = value
  return tags


_ENCODERS: dict[str, Callable[[BinaryIO, Picture, Metadata], None]] = {
  'JPEG': _encode_jpeg,
  'PNG': _encode_png,
  'TIFF': _encode_tiff,
  'WEBP': _encode_webp,
}
