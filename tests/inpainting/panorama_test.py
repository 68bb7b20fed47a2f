"""panorama.py: the left border meets the right one."""

import numpy as np
import pytest

from inpaint_jax import inference
from inpaint_jax.inpainting import photo_filling
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

WIDTH, HEIGHT = 256, 128


@pytest.fixture(scope='module')
def inpainter():
  return inference.Inpainter()


def scene(width=WIDTH, dtype=np.uint8):
  """Returns an image whose right border meets its left one smoothly."""
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


@pytest.mark.parametrize('name', HOLES)
@pytest.mark.parametrize('texture', [False, True])
@pytest.mark.parametrize('feather', [0, 5])
def test_no_seam_at_the_border(inpainter, name, texture, feather):
  image, hole = scene(), HOLES[name]
  marred = np.where(hole[..., None], 255, image).astype(np.uint8)
  result = inpainter(marred, hole, texture=texture, wrap=True, feather=feather)
  if not feather:
    np.testing.assert_array_equal(result[~hole], image[~hole])
  result = result.astype(int)
  step = np.abs(result[:, 0] - result[:, -1])[hole[:, 0] | hole[:, -1]]
  usual = np.abs(np.diff(result, axis=1)).max()
  assert step.size == 0 or step.max() <= max(8, usual)


@pytest.mark.parametrize('name', HOLES)
def test_origins_are_known_allowed_pixels(inpainter, name):
  """This holds for copies across the border, too."""
  image, hole = scene(), HOLES[name]
  image[:, ::2] ^= 16
  avoid = np.zeros_like(hole)
  avoid[:, 200:230] = True
  found = inpainter.explain(image, hole, avoid=avoid & ~hole, wrap=True)
  assert (found.origins[~hole] == -1).all()
  rows, columns = np.moveaxis(found.origins[hole], -1, 0)
  assert rows.min() >= 0
  assert not hole[rows, columns].any()
  assert not avoid[rows, columns].any()


def test_a_texture_goes_on_across_the_border(inpainter):
  """Origins say where each copy is from, and nearly all copies are exact."""
  tile = np.random.RandomState(0).randint(0, 256, (8, 8, 3), np.uint8)
  image, hole = np.tile(tile, (16, 32, 1)), HOLES['over the border']
  found = inpainter.explain(image, hole, wrap=True)
  rows, columns = np.moveaxis(found.origins[hole], -1, 0)
  is_exact = (image[rows, columns] == image[hole]).all(axis=1)
  assert is_exact.mean() > 0.9


def test_it_does_not_matter_where_the_border_is(inpainter):
  image, hole = scene(), HOLES['over the border']
  result = inpainter(image, hole, texture=False, wrap=True).astype(int)
  turned = inpainter(
    np.roll(image, 77, axis=1), np.roll(hole, 77, axis=1), texture=False, wrap=1
  )
  np.testing.assert_array_equal(np.roll(turned, -77, axis=1), result)
  plain = inpainter(image, hole, texture=False).astype(int)
  steps = [np.abs(x[40:90, 0] - x[40:90, -1]).max() for x in (result, plain)]
  assert steps[0] < steps[1] / 2


def test_what_the_hole_holds_does_not_matter(inpainter):
  image, hole = scene(), HOLES['both']
  other = np.where(hole[..., None], 255 - image, image)
  ours, theirs = (inpainter(x, hole, wrap=True) for x in (image, other))
  np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('width', [1, 2, 7, 9])
def test_narrow_images(inpainter, width):
  image = scene(width)
  hole = np.zeros(image.shape[:2], bool)
  hole[40:60] = True
  result = inpainter(image, hole, wrap=True)
  np.testing.assert_array_equal(result[~hole], image[~hole])


def test_a_panorama_expanded_at_its_bottom(inpainter):
  picture, hole = photo_filling.prepare(
    Picture(scene()), expand={'bottom': 30}, wrap=True
  )
  result = inpainter(picture.pixels, hole, wrap=True, texture=False)
  step = np.diff(result[:, [0, -1]].astype(int), axis=1)
  assert np.abs(step).max() <= 8
  with pytest.raises(errors.UserError, match='top and bottom only'):
    photo_filling.prepare(Picture(scene()), expand={'left': 30}, wrap=True)
