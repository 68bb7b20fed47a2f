"""Reads the chunks of PNG files."""

from collections.abc import Iterator, Sequence
import os
import re
import struct
from typing import IO
import zlib

# Names of the chunks of text.
TEXT = (b'iTXt', b'tEXt', b'zTXt')
# Text of which Pillow takes the key for that of a fact of its own.
_LIKE_FACT = re.compile(rb'[a-z][a-z_]*(\0|\Z)')


def read(
  file: IO[bytes], until: bytes = b'', only: Sequence[bytes] = ()
) -> Iterator[tuple[bytes, bytes]]:
  """Yields names and contents of a PNG file's chunks that precede `until`.

  Args:
    only: names of the chunks to yield; () = all.
  """
  file.seek(8)
  while len(head := file.read(8)) == 8:
    length, name = struct.unpack('>I4s', head)
    if name == until:
      return
    if only and name not in only:
      file.seek(length + 4, os.SEEK_CUR)
      continue
    yield name, file.read(length)
    file.read(4)


def shield_facts(file: IO[bytes]) -> bytes:
  """Returns a PNG file as Pillow reads it right; b'' = as it is.

  Pillow mixes text with its own facts, such as 'transparency', which all have
  names of small letters. Keys like these get a control character in place of
  their first letter, since such characters do not occur in keys.
  """
  file.seek(0)
  if file.read(8) != b'\x89PNG\r\n\x1a\n':
    return b''
  places = [
    (file.tell() - len(content), file.tell())
    for name, content in read(file, only=TEXT)
    if _LIKE_FACT.match(content)
  ]
  if not places:
    return b''
  file.seek(0)
  data = bytearray(file.read())
  for start, end in places:
    data[start] &= 0x1F
    # The checksum covers the name, too.
    data[end : end + 4] = struct.pack('>I', zlib.crc32(data[start - 4 : end]))
  return bytes(data)
