"""panorama.py: the left border meets the right one."""

import numpy as np
import pytest

from inpaint_jax import inference
from inpaint_jax.inpainting import photo_filling
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

WIDTH, HEIGHT = 256, 128


@pytest.fixture
def quick():
  return inference.Inpainter(lambda x, mask: np.full_like(x, 0.5), 32)


def scene(width=WIDTH, dtype=np.uint8):
  """Goes on smoothly from its right border to its left one."""
  y, x = np.mgrid[:HEIGHT, :width] * 2 * np.pi / width
  waves = [np.sin(x + 1), np.cos(x), np.sin(2 * x + y)]
  top = np.iinfo(dtype).max
  return (top * (0.5 + 0.4 * np.stack(waves, axis=2))).astype(dtype)


def hole_at(columns, rows=slice(40, 90)):
  hole = np.zeros((HEIGHT, WIDTH), bool)
  hole[rows, np.array(columns) % WIDTH] = True
  return hole


HOLES = {
  'over the border': hole_at(range(-20, 30)),
  'at the left': hole_at(range(0, 30)),
  'at the right': hole_at(range(-1, 0)),
  'in the middle': hole_at(range(100, 150)),
  'both': hole_at([*range(-20, 9), *range(100, 140)]),
  'all around': hole_at(range(WIDTH), slice(90, HEIGHT)),
  'nearly all around': hole_at(range(3, WIDTH - 3), slice(90, HEIGHT)),
}


@pytest.mark.parametrize(
  ('name', 'texture'),
  [(name, False) for name in HOLES]
  + [('over the border', True)]
  + [pytest.param('all around', True, marks=pytest.mark.slow)],
)
def test_no_seam_at_the_border(quick, name, texture):
  image, hole = scene(), HOLES[name]
  marred = np.where(hole[..., None], 255, image).astype(np.uint8)
  result = quick(marred, hole, feather=0, texture=texture, wrap=True)
  np.testing.assert_array_equal(result[~hole], image[~hole])
  result = result.astype(int)
  step = np.abs(result[:, 0] - result[:, -1])[hole[:, 0] | hole[:, -1]]
  usual = np.abs(np.diff(result, axis=1)).max()
  assert step.size == 0 or step.max() <= max(6, usual)


def test_it_does_not_matter_where_the_border_is(quick):
  image, hole = scene(), HOLES['over the border']
  result = quick(image, hole, texture=False, wrap=True).astype(int)
  turned = quick(
    np.roll(image, 77, axis=1), np.roll(hole, 77, axis=1), texture=False, wrap=1
  )
  np.testing.assert_array_equal(np.roll(turned, -77, axis=1), result)
  plain = quick(image, hole, texture=False).astype(int)
  steps = [np.abs(x[40:90, 0] - x[40:90, -1]).max() for x in (result, plain)]
  assert steps[0] < steps[1] / 2


@pytest.mark.parametrize('width', [1, 2, 7, 9])
def test_narrow_images(quick, width):
  image = scene(width)
  hole = np.zeros(image.shape[:2], bool)
  hole[40:60] = True
  result = quick(image, hole, feather=0, wrap=True)
  np.testing.assert_array_equal(result[~hole], image[~hole])


def test_a_panorama_expanded_at_its_bottom(quick):
  picture, hole = photo_filling.prepare(
    Picture(scene()), expand={'bottom': 30}, wrap=True
  )
  result = photo_filling.fill_picture(
    quick, picture, hole, wrap=True, texture=False
  )
  step = np.diff(result.pixels[:, [0, -1]].astype(int), axis=1)
  assert np.abs(step).max() <= 8
  with pytest.raises(errors.UserError, match='top and bottom only'):
    photo_filling.prepare(Picture(scene()), expand={'left': 30}, wrap=True)
