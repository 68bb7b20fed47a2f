"""copying.py: copies without a seam."""

import numpy as np
import pytest

from inpaint_jax.inpainting import copying


def _box(shape, rows, columns):
  hole = np.zeros(shape, bool)
  hole[slice(*rows), slice(*columns)] = True
  return hole


def _plane(height, width, dtype):
  y, x = np.mgrid[:height, :width]
  colours = [2 * y + x, y + 50, 250 - x - y]
  return (np.stack(colours, 2) * (np.iinfo(dtype).max // 255 // 2)).astype(
    dtype
  )


def _shifted(hole, rows, columns):
  """Returns origins that are so many rows and columns away."""
  origins = np.full((*hole.shape, 2), -1, np.int32)
  y, x = np.nonzero(hole)
  origins[y, x] = np.stack([y + rows, x + columns], axis=1)
  return origins


HOLES = {
  'in the middle': _box((60, 70), (20, 35), (30, 50)),
  'in a corner': _box((60, 70), (0, 15), (0, 20)),
  'at the right': _box((60, 70), (20, 40), (55, 70)),
}


def _origins(hole):
  y, x = np.nonzero(hole)
  return _shifted(
    hole, 30 if y.min() < 20 else -18, 25 if x.min() < 20 else -25
  )


def _copy(image, hole, allowed, origins, guess=None, scale=1):
  """Copies with a guess, which is the image itself if none is given."""
  if guess is None:
    guess = image if image.dtype == np.uint8 else image // 257
  guess = guess.astype(np.uint8)
  return copying.copy(image, hole, allowed, origins, guess, scale)


@pytest.mark.parametrize('name', HOLES)
def test_a_gradient_goes_on_without_a_step(name):
  """Copies are from other levels; 16 bits get no steps of 8 bits."""
  image, hole = _plane(60, 70, np.uint16), HOLES[name]
  if name != 'in the middle':
    # In borders, only light and dark go on.
    image[:] = image[..., :1]
  marred = np.where(hole[..., None], 9, image).astype(np.uint16)
  result = _copy(marred, hole, ~hole, _origins(hole), image // 257)
  assert result.dtype == np.uint16
  np.testing.assert_array_equal(result[~hole], image[~hole])
  # The solver's error is below half a level of 8 bits.
  assert np.abs(result.astype(int) - image).max() < 128
  for axis in (0, 1):
    steps, usual = (np.diff(x.astype(int), axis=axis) for x in (result, image))
    assert np.abs(steps - usual).max() < 64


@pytest.mark.parametrize('name', HOLES)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_nothing_in_the_hole_is_read(name, dtype):
  """Some origins lie next to the hole, others at the image's edges."""
  random, hole = np.random.RandomState(0), HOLES[name]
  most = np.iinfo(dtype).max
  image = random.randint(0, most + 1, (60, 70, 3)).astype(dtype)
  y, x = np.nonzero(~hole)
  origins = np.full((60, 70, 2), -1, np.int32)
  places = random.randint(0, len(y), np.count_nonzero(hole))
  origins[hole] = np.stack([y[places], x[places]], axis=1)
  other = np.where(hole[..., None], most - image, image).astype(dtype)
  ours, theirs = (
    _copy(one, hole, ~hole, origins, image.view(np.uint8)[..., :3])
    for one in (image, other)
  )
  np.testing.assert_array_equal(ours, theirs)
  np.testing.assert_array_equal(ours[~hole], image[~hole])


def test_copies_of_one_place_that_fit_stay_as_they_are():
  tile = np.random.RandomState(0).randint(0, 256, (10, 10, 3), np.uint8)
  image, hole = np.tile(tile, (6, 7, 1)), HOLES['in the middle']
  marred = np.where(hole[..., None], 0, image).astype(np.uint8)
  for guess in (marred, image):
    result = _copy(marred, hole, ~hole, _shifted(hole, -20, 20), guess)
    np.testing.assert_array_equal(result, image)


def _bright_copies(noise):
  """Returns a grey image with brighter parts, a hole, and origins in these."""
  random, hole = np.random.RandomState(0), HOLES['in the middle']
  image = np.full((60, 70, 3), 100, np.uint8)
  y, x = np.mgrid[:15, :20]
  bump = np.rint(60 * np.sin(np.pi * y / 14) * np.sin(np.pi * x / 19))
  image[:20, :25] = 140
  image[:15, :20] += bump[..., None].astype(np.uint8)
  image[:15, :20] += random.randint(0, noise + 1, (15, 20, 3)).astype(np.uint8)
  return image, hole, _shifted(hole, -20, -30)


@pytest.mark.parametrize('scale', [1, 4])
def test_light_and_dark_come_nearer_to_the_guess(scale):
  """They move by less than the texture varies, and the texture stays."""
  image, hole, origins = _bright_copies(noise=20)
  inner = np.s_[24:31, 36:44]
  results = [
    _copy(
      image,
      hole,
      ~hole,
      origins,
      np.full((-(-60 // scale), -(-70 // scale), 3), level),
      scale,
    ).astype(int)
    for level in (40, 174, 255)
  ]
  dark, middle, bright = (x[inner].mean() for x in results)
  assert dark + 2 < middle < bright - 2
  assert bright - dark < 20
  steps = [np.abs(np.diff(x[inner], axis=1)).mean() for x in results]
  assert max(steps) < 1.1 * min(steps)


def test_an_even_slope_does_not_follow_the_guess():
  """It moves by no more than neighbours differ, which is little."""
  image, hole, origins = _bright_copies(noise=0)
  image = image // 8
  dark, bright = (
    _copy(image, hole, ~hole, origins, np.full(image.shape, level))
    for level in (0, 255)
  )
  assert np.abs(bright.astype(int) - dark).max() <= 2


def test_texture_is_kept():
  image = np.random.RandomState(0).randint(90, 160, (60, 70, 3), np.uint8)
  hole = HOLES['in the middle']
  result = _copy(image, hole, ~hole, _shifted(hole, -20, 20))
  assert result[hole].std() > 0.9 * image[~hole].std()


def test_differences_to_what_may_not_be_copied_are_not_taken():
  """The origins lie along something red that may not be copied."""
  image = np.full((60, 70, 3), 100, np.uint8)
  image[:, :10] = 255, 0, 0
  hole = HOLES['in the middle']
  allowed = ~hole
  allowed[:, :10] = False
  origins = np.full((60, 70, 2), -1, np.int32)
  rows, columns = np.nonzero(hole)
  origins[hole] = np.stack([rows, np.full_like(columns, 10)], axis=1)
  result = _copy(image, hole, allowed, origins)
  np.testing.assert_array_equal(result, image)


def test_results_are_cut_off_at_the_range():
  image = np.full((40, 40, 3), 250, np.uint8)
  image[:, :20] = 0
  image[::2, :20] = 255
  hole = _box((40, 40), (10, 30), (25, 38))
  result = _copy(image, hole, ~hole, _shifted(hole, 0, -22))
  assert result[hole].max() == 255


def test_no_new_colours():
  """Without a boundary on one side, corrections of copies go on and on."""
  grass, stone, mud = (60, 150, 40), (110, 110, 105), (110, 100, 90)
  image = np.zeros((80, 60, 3), np.uint8)
  image[:20], image[20:40], image[40:50] = grass, stone, mud
  hole = _box((80, 60), (50, 80), (0, 60))
  # The part next to the mud copies grass, the part below it stone.
  origins = np.full((80, 60, 2), -1, np.int32)
  origins[50:60] = np.stack(np.mgrid[5:15, :60], -1)
  origins[60:] = np.stack(np.mgrid[20:40, :60], -1)
  result = _copy(image, hole, ~hole, origins, image[:1, :1], 80)
  # The filling begins with the mud's colour, and does not become purple.
  assert np.abs(result[50].astype(int) - mud).max() <= 1
  red, green, blue = np.moveaxis(result[70:].astype(int), -1, 0)
  assert (green - red).min() > -25
  assert (green - blue).min() > -20


def test_a_slope_of_hue_ends_in_a_missing_border():
  """A grey sky that turns blue upwards does not turn bluer and bluer."""
  y = np.mgrid[:96, :60][0]
  image = np.stack([100 + y // 2, 100 + y // 2, 124 + y // 4], 2)
  image = image.astype(np.uint8)
  hole = _box((96, 60), (0, 40), (0, 60))
  result = _copy(image, hole, ~hole, _shifted(hole, 44, 0)).astype(int)
  blue = result[..., 2] - result[..., 0]
  assert np.abs(blue[39] - blue[40]).max() <= 1
  assert blue[40].min() == 14
  assert blue[:40].max() <= 15
