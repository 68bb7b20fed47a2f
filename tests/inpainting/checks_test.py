"""checks.py: which masks are taken, and which are refused."""

import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from inpaint_jax.inpainting import checks
from inpaint_jax.system import errors

HOLE = np.eye(8, 9, dtype=bool)
WHITE = np.uint8(HOLE) * 255


@pytest.mark.parametrize(
  'mask',
  [
    HOLE,
    np.where(HOLE, 128, 127).astype(np.uint8),
    HOLE[..., None],
    HOLE * 1.0,
    HOLE.astype(np.float16) / 2,
    jnp.array(HOLE),
    jnp.array(HOLE, jnp.float32),
    HOLE.tolist(),
    Image.fromarray(WHITE),
    Image.fromarray(WHITE).convert('1'),
    Image.fromarray(WHITE).convert('P'),
    Image.fromarray(WHITE).convert('RGB'),
    Image.fromarray(np.stack([WHITE] * 4, axis=2)),
  ],
)
def test_what_is_a_mask(mask):
  found = checks.to_hole(mask, 8, 9)
  assert found.dtype == bool
  np.testing.assert_array_equal(found, HOLE)


@pytest.mark.parametrize(
  ('mask', 'message'),
  [
    (HOLE * 255.0, r'float64 with values outside of \[0, 1\]; give a bool'),
    (HOLE * np.nan, 'outside of'),
    (HOLE * 1, 'wanted bool, uint8 or float'),
    (np.uint8(HOLE), '1 as its largest value; give mask > 0'),
    (np.stack([WHITE] * 3, axis=2), r'\[8, 9, 3\]; .* mask\[\.\.\., 0\] > 0'),
    ('mask.png', 'the mask is a str; wanted bool, uint8 or float'),
    (None, 'the mask is a NoneType; wanted bool, uint8 or float'),
    ([[1], [1, 2]], 'cannot be read as an array'),
    (HOLE[:, :8], 'image is 9x8 pixels, the mask 8x8'),
    (HOLE & False, 'has no hole'),
    (np.full((8, 9), 127, np.uint8), 'no hole: its largest value is 127 of 25'),
    (HOLE | True, 'marks the whole image as the hole'),
  ],
)
def test_what_is_no_mask(mask, message):
  with pytest.raises(errors.UserError, match=message) as caught:
    checks.to_hole(mask, 8, 9)
  assert '\n' not in str(caught.value)
