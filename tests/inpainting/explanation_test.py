"""The picture of where each part of a hole was copied from."""

import numpy as np
import PIL.Image
import pytest

from inpaint_jax.inpainting import explanation
from inpaint_jax.system import errors


def no_origins(height=60, width=80):
  return np.full((height, width, 2), -1, np.int32)


def copy_box(origins, rows, columns, shift):
  """Sets the origins of a box to one that lies `shift` away."""
  y, x = np.mgrid[rows, columns]
  origins[rows, columns] = np.stack([y + shift[0], x + shift[1]], axis=-1)


def hue_of(pixel):
  """Returns the channels of a pixel in order of their brightness."""
  return tuple(np.argsort(pixel.astype(int), kind='stable'))


def test_a_part_and_its_place_have_one_colour_and_the_rest_is_grey():
  image = np.full((60, 80, 3), 128, np.uint8)
  origins = no_origins()
  copy_box(origins, slice(10, 30), slice(10, 30), (0, 40))
  copy_box(origins, slice(10, 30), slice(30, 40), (25, 0))
  drawn = explanation.draw_origins(image, origins)
  assert drawn.shape == image.shape
  assert drawn.dtype == np.uint8
  assert hue_of(drawn[27, 12]) == hue_of(drawn[27, 67])
  assert hue_of(drawn[27, 37]) == hue_of(drawn[52, 37])
  assert hue_of(drawn[27, 12]) != hue_of(drawn[27, 37])
  assert np.ptp(drawn[50, 5]) == 0
  assert drawn[50, 5, 0] < 128


def test_specks_are_coloured_as_the_part_beside_them():
  image = np.full((60, 80, 3), 128, np.uint8)
  origins = no_origins()
  copy_box(origins, slice(10, 30), slice(10, 30), (0, 40))
  whole = explanation.draw_origins(image, origins)
  copy_box(origins, slice(26, 28), slice(12, 14), (25, 0))
  drawn = explanation.draw_origins(image, origins)
  np.testing.assert_array_equal(drawn[24:30, 10:16], whole[24:30, 10:16])
  assert np.ptp(drawn[51:53, 12:14], axis=-1).max() == 0


def test_what_has_only_specks_shows_the_largest():
  rng = np.random.default_rng(0)
  origins = no_origins(100, 100)
  origins[40:60, 40:60] = rng.integers(0, 40, (20, 20, 2))
  image = np.full((100, 100, 3), 128, np.uint8)
  drawn = explanation.draw_origins(image, origins)
  assert np.ptp(drawn[58, 42]) > 0


def test_two_parts_of_one_place():
  image = np.full((60, 80, 3), 128, np.uint8)
  origins = no_origins()
  copy_box(origins, slice(10, 20), slice(0, 20), (0, 50))
  copy_box(origins, slice(40, 50), slice(0, 20), (-30, 50))
  drawn = explanation.draw_origins(image, origins)
  assert hue_of(drawn[18, 2]) != hue_of(drawn[48, 2])


def test_nothing_was_copied():
  image = np.full((6, 8, 3), 128, np.uint8)
  drawn = explanation.draw_origins(image, no_origins(6, 8))
  assert (drawn == drawn[0, 0, 0]).all()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_large_image_is_drawn_small(dtype):
  image = np.full((90, 5000, 3), np.iinfo(dtype).max, dtype)
  origins = no_origins(90, 5000)
  copy_box(origins, slice(0, 90), slice(1500, 2000), (0, 900))
  drawn = explanation.draw_origins(image, origins)
  assert drawn.shape == (30, 1667, 3)
  assert hue_of(drawn[28, 660]) == hue_of(drawn[28, 960])
  assert np.ptp(drawn[28, 400]) == 0


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGBA', 'I;16'])
def test_any_kind_of_image_is_drawn(mode):
  origins = no_origins()
  copy_box(origins, slice(10, 30), slice(10, 30), (0, 40))
  rgb = PIL.Image.fromarray(np.full((60, 80, 3), 128, np.uint8))
  drawn = explanation.draw_origins(rgb, origins)
  image = rgb.convert('L').convert(mode)
  if mode == 'I;16':
    image = PIL.Image.fromarray(np.full((60, 80), 128 * 256, np.uint16))
  for one in (image, np.asarray(image)):
    np.testing.assert_array_equal(explanation.draw_origins(one, origins), drawn)


@pytest.mark.parametrize(
  ('image', 'origins', 'message'),
  [
    (np.zeros((60, 80, 3)), no_origins(), r'image is float64 \[60, 80, 3\]'),
    (np.zeros(60, np.uint8), no_origins(), r'image is uint8 \[60\]; wanted'),
    (
      np.zeros((80, 60, 3), np.uint8),
      no_origins(),
      r'origins are int32 \[60, 80, 2\]; wanted int32 \[80, 60, 2\]',
    ),
    (
      np.zeros((60, 80), np.uint8),
      no_origins() * 1.0,
      'the origins are float64',
    ),
  ],
)
def test_what_is_no_filling_is_refused(image, origins, message):
  with pytest.raises(errors.UserError, match=message) as caught:
    explanation.draw_origins(image, origins)
  assert '\n' not in str(caught.value)


def test_the_drawing_can_be_drawn_on():
  image = np.zeros((60, 80, 3), np.uint8)
  assert explanation.draw_origins(image, no_origins()).flags.writeable
