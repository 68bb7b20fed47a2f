"""XMP fits the result."""

import pytest

from inpaint_jax.photos import xmp


def panorama_xmp(width, height, left, top, full_width, full_height):
  """Numbers as attributes and as elements."""
  return (
    f"<d GPano:CroppedAreaImageWidthPixels='{width}' "
    f'GPano:CroppedAreaImageHeightPixels="{height}" '
    f'GPano:CroppedAreaLeftPixels="{left}"> '
    f'<GPano:CroppedAreaTopPixels>{top}</GPano:CroppedAreaTopPixels> '
    f'<GPano:FullPanoWidthPixels> {full_width}</GPano:FullPanoWidthPixels> '
    f'<GPano:FullPanoHeightPixels>{full_height}</GPano:FullPanoHeightPixels>'
  ).encode()


@pytest.mark.parametrize(
  ('margins', 'numbers'),
  [
    ([(0, 0), (0, 0)], (600, 200, 0, 50, 600, 300)),
    ([(30, 20), (0, 0)], (600, 250, 0, 20, 600, 300)),
    # More than the sphere has.
    ([(60, 70), (5, 6)], (611, 330, 0, 0, 611, 330)),
  ],
)
def test_a_panorama_keeps_its_place(margins, numbers):
  before = panorama_xmp(600, 200, 0, 50, 600, 300)
  made = xmp.expand_panorama(before, margins, (200, 600))
  assert made == panorama_xmp(*numbers)
  for other in (b'', b'<a GPano:CroppedAreaTopPixels="5"/>'):
    assert xmp.expand_panorama(other, margins, (200, 600)) == other


def test_a_panorama_that_was_resized_keeps_its_place():
  before = panorama_xmp(600, 200, 0, 50, 600, 300)
  made = xmp.expand_panorama(before, [(15, 10), (0, 0)], (100, 300))
  assert made == panorama_xmp(600, 250, 0, 20, 600, 300)
