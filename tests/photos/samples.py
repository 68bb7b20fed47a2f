"""Photos that the tests of this folder write and read."""

import io
import struct
import zlib

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inpaint_jax.photos import formats


def noise(height, width, channels, dtype=np.uint8, seed=0):
  shape = (height, width, channels)
  most = np.iinfo(dtype).max
  return np.random.RandomState(seed).randint(0, most + 1, shape).astype(dtype)


def smooth(height=48, width=64):
  """A picture that JPEG can carry well."""
  y, x = np.mgrid[:height, :width] / 16
  waves = [np.sin(x + y), np.cos(x - y / 2), np.sin(x / 2)]
  return np.uint8(128 + 90 * np.stack(waves, axis=2))


def saved(picture, kind):
  """Returns the bytes of a file, and lines on what it could not hold."""
  file = io.BytesIO()
  lines = formats.encode(file, picture, kind)
  return file.getvalue(), lines


def pillow_bytes(image, kind='PNG', **options):
  file = io.BytesIO()
  image.save(file, kind, **options)
  return file.getvalue()


def bare_tiff(values, prefix, planes=1, photometric=2, others=()):
  """Returns an uncompressed 16-bit TIFF; planes=2 stores channels apart."""
  height, width, channels = values.shape
  order = '<u2' if prefix == b'II' else '>u2'
  parts = [values] if planes == 1 else np.moveaxis(values, 2, 0)
  strips = [part.astype(order).tobytes() for part in parts]
  sizes = [len(strip) for strip in strips]
  directory = ImageFileDirectory_v2(prefix=prefix)
  tags = {256: width, 257: height, 258: (16,) * channels, 259: 1}
  tags |= {262: photometric, 277: channels, 278: height, 284: planes}
  tags |= {273: tuple(np.cumsum([0, *sizes])[:-1].tolist()), 279: tuple(sizes)}
  for tag, value in (tags | dict(others)).items():
    directory[tag] = value
  for tag in (273, 279):
    directory.tagtype[tag] = 4
  file = io.BytesIO()
  directory.save(file)
  return file.getvalue() + b''.join(strips)


def png_of(*chunks):
  data = b'\x89PNG\r\n\x1a\n'
  for name, content in chunks:
    data += struct.pack('>I', len(content)) + name + content
    data += struct.pack('>I', zlib.crc32(name + content))
  return data
