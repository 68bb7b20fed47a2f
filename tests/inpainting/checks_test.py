"""checks.py: which images and masks are refused."""

import numpy as np
import pytest

from inpaint_jax.inpainting import checks
from inpaint_jax.system import errors

IMAGE = np.zeros((8, 9, 3), np.uint8)
HOLE = np.eye(8, 9, dtype=bool)


def test_a_mask_is_hole_from_one_half_on():
  grey = np.where(HOLE, 128, 127).astype(np.uint8)
  for mask in (grey, HOLE):
    found = checks.check_image_and_mask(IMAGE, mask)
    np.testing.assert_array_equal(found, HOLE)
    assert not np.shares_memory(found, mask)


@pytest.mark.parametrize(
  ('image', 'mask', 'message'),
  [
    (IMAGE[..., :1], HOLE, r'is uint8 \[8, 9, 1\]; wanted uint8 or uint16'),
    (IMAGE[..., 0], HOLE, 'wanted uint8 or uint16'),
    (IMAGE / 255, HOLE, 'wanted uint8 or uint16'),
    (IMAGE, HOLE * 1.0, 'wanted bool or uint8'),
    (IMAGE, HOLE[..., None], 'wanted bool or uint8'),
    (IMAGE, HOLE[:, :8], 'image is 9x8 pixels, the mask 8x8'),
    (IMAGE, HOLE & False, 'has no hole'),
    (IMAGE, np.full((8, 9), 127, np.uint8), 'has no hole'),
    (IMAGE, HOLE | True, 'nothing but hole'),
    (IMAGE[:1, :1], HOLE[:1, :1], 'nothing but hole'),
  ],
)
def test_what_does_not_fit_is_refused(image, mask, message):
  with pytest.raises(errors.UserError, match=message):
    checks.check_image_and_mask(image, mask)
