"""Changes what XMP says of a photo, so that it fits the result."""

from collections.abc import Sequence
import re


def upright(xmp: bytes) -> bytes:
  """Returns XMP with orientation 1 if it names an orientation."""
  pattern = rb'(tiff:Orientation=["\']|<tiff:Orientation>\s*)\d'
  return re.sub(pattern, rb'\g<1>1', xmp)


def expand_panorama(
  xmp: bytes, margins: Sequence[tuple[int, int]], shape: tuple[int, int]
) -> bytes:
  """Returns XMP whose numbers on a panorama fit pixels added around it.

  Viewers place a panorama on its sphere by them.

  Source: Google's Photo Sphere XMP.

  Args:
    margins: pixels added before and behind, of rows and of columns.
    shape: rows and columns before. The numbers of a photo that was resized are
      those of its former size.
  """
  sides = ((b'Height', b'Top'), (b'Width', b'Left'))
  for added, (side, start), length in zip(margins, sides, shape, strict=True):
    patterns = [
      rb'(GPano:%bPixels(?:=["\']|>)\s*)(\d+)' % name
      for name in (
        b'CroppedAreaImage' + side,
        b'CroppedArea' + start,
        b'FullPano' + side,
      )
    ]
    found = [re.findall(pattern, xmp) for pattern in patterns]
    if not all(found):
      continue
    size, first, full = (int(pairs[0][1]) for pairs in found)
    before, behind = (round(count * size / length) for count in added)
    size, first = size + before + behind, max(first - before, 0)
    numbers = size, first, max(full, first + size)
    for pattern, number in zip(patterns, numbers, strict=True):
      xmp = re.sub(pattern, rb'\g<1>%d' % number, xmp)
  return xmp
