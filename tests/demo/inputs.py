"""Files that visitors of the page may send."""

import io
import pathlib
import zlib

import numpy as np
import PIL.Image

from inpaint_jax.demo import photo

LIMITS = photo.Limits(max_bytes=50_000_000, max_pixels=50_000_000)


def put_upload(
  root: pathlib.Path, name: str, content: bytes, digest: str = 'ab' * 32
) -> pathlib.Path:
  """Puts a file where Gradio puts an upload."""
  folder = root / digest
  folder.mkdir(exist_ok=True)
  path = folder / name
  path.write_bytes(content)
  return path


def encode(pixels: np.ndarray, kind: str = 'PNG', **options: object) -> bytes:
  buffer = io.BytesIO()
  PIL.Image.fromarray(pixels).save(buffer, kind, **options)
  return buffer.getvalue()


def noise(height: int, width: int) -> np.ndarray:
  rng = np.random.default_rng(0)
  return rng.integers(256, size=(height, width, 3), dtype=np.uint8)


def bomb(side: int = 60_000) -> bytes:
  """A PNG file of a few bytes that says it has side x side pixels."""
  size = side.to_bytes(4, 'big')
  png = b'\x89PNG\r\n\x1a\n'
  chunks = [(b'IHDR', size + size + bytes((8, 2, 0, 0, 0)))]
  chunks += [(b'IDAT', zlib.compress(b'\0' * 1000)), (b'IEND', b'')]
  for name, content in chunks:
    check = zlib.crc32(name + content).to_bytes(4, 'big')
    png += len(content).to_bytes(4, 'big') + name + content + check
  return png
