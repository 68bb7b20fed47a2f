"""A larger canvas, whose new part is hole."""

import numpy as np
import pytest

from inpaint_jax.photos import canvas
from inpaint_jax.system import errors


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', [(), (3,), (4,)])
def test_the_picture_lies_where_it_should(dtype, channels):
  image = np.random.RandomState(0).randint(1, 200, (5, 7, *channels))
  image = image.astype(dtype)
  result, mask = canvas.expand(image, left=1, top=2, right=3, bottom=4)
  assert result.shape == (2 + 5 + 4, 1 + 7 + 3, *channels)
  assert result.dtype == dtype
  np.testing.assert_array_equal(result[2:7, 1:8], image)
  assert mask.dtype == bool
  assert not mask[2:7, 1:8].any()
  assert mask.sum() == mask.size - 35
  assert not result[mask].any()


@pytest.mark.parametrize('dtype', [np.uint8, bool])
def test_a_mask_comes_along(dtype):
  image = np.zeros((4, 4, 3), np.uint8)
  mask = np.zeros((4, 4), dtype)
  mask[1, 2] = 128 if dtype == np.uint8 else True
  mask[3, 3] = 127 if dtype == np.uint8 else False
  _, hole = canvas.expand(image, mask, top=2)
  expected = np.zeros((6, 4), bool)
  expected[:2] = True
  expected[3, 2] = True
  np.testing.assert_array_equal(hole, expected)


def test_nothing_added_changes_nothing():
  image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
  result, mask = canvas.expand(image)
  np.testing.assert_array_equal(result, image)
  assert not mask.any()


@pytest.mark.parametrize(
  ('image', 'mask', 'amounts', 'message'),
  [
    (np.zeros((4, 4, 3)), None, {'left': -1}, 'left=-1 cannot be added'),
    (np.zeros((4, 4, 3)), None, {'top': 1.5}, 'top=1.5 cannot be added'),
    (np.zeros((4, 4, 3)), None, {'left': 10**9}, 'at most 150 megapixels'),
    (np.zeros(4), None, {'left': 1}, r'the shape \[4\]'),
    (np.zeros((4, 4, 3)), np.zeros((4, 5), bool), {}, r'bool \[4, 5\]; wanted'),
    (np.zeros((4, 4, 3)), np.zeros((4, 4)), {}, 'the mask is float64'),
  ],
)
def test_what_does_not_fit_is_refused(image, mask, amounts, message):
  with pytest.raises(errors.UserError, match=message):
    canvas.expand(image, mask, **amounts)
