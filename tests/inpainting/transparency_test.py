"""transparency.py: alpha goes on in the hole, and black does not bleed."""

import numpy as np
import pytest

from inpaint_jax import inference
from inpaint_jax.inpainting import transparency
from inpaint_jax.photos.picture import Picture

ORANGE = (255, 140, 0)


def disc(dtype=np.uint8, soft=True):
  """An orange disc on transparent black."""
  opaque = np.iinfo(dtype).max
  y, x = np.mgrid[:120, :120]
  inside = np.clip(40.5 - np.hypot(y - 60, x - 60), 0, 1)
  alpha = inside if soft else np.rint(inside)
  alpha = np.rint(alpha * opaque).astype(dtype)
  colour = np.array(ORANGE) * (opaque // 255)
  pixels = np.where(alpha[..., None] > 0, colour, 0).astype(dtype)
  return pixels, alpha


def keep(image, hole, barred):
  return image, None


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('soft', [False, True])
@pytest.mark.parametrize('texture', [False, True])
def test_a_disc_with_a_mask_over_its_rim_stays_a_disc(dtype, soft, texture):
  pixels, alpha = disc(dtype, soft)
  hole = np.zeros(alpha.shape, bool)
  hole[48:72, 88:112] = True
  picture = Picture(np.where(hole[..., None], 77, pixels).astype(dtype), alpha)
  image = inference.Inpainter()(picture.image, hole, texture=texture)
  result = picture.with_image(image)
  opaque = np.iinfo(dtype).max
  np.testing.assert_array_equal(result.alpha[~hole], alpha[~hole])
  # One or two pixels of the outline may differ in each of 24 rows.
  wrong = np.abs(result.alpha.astype(float) - alpha)[hole].sum() / opaque
  assert wrong < 48
  assert set(np.unique(result.alpha[hole])) >= {0, opaque}
  if not soft:
    assert set(np.unique(result.alpha)) == {0, opaque}
  shown = result.alpha > 0
  expected = np.array(ORANGE) * (opaque // 255)
  error = np.abs(result.pixels[shown].astype(float) - expected)
  assert error.max() <= opaque / 100
  # The colours of transparent known pixels do not change.
  clear = ~hole & (alpha == 0)
  np.testing.assert_array_equal(result.pixels[clear], pixels[clear])


def test_a_fringe_of_what_was_behind_does_not_spread():
  y, x = np.mgrid[:120, :120]
  alpha = np.clip((44 - np.hypot(y - 60, x - 60)) / 8, 0, 1)
  mixed = np.array(ORANGE) * alpha[..., None] + 255 * (1 - alpha[..., None])
  pixels, alpha = mixed.astype(np.uint8), (alpha * 255).astype(np.uint8)
  hole = np.zeros(alpha.shape, bool)
  hole[48:72, 84:112] = True
  picture = Picture(np.where(hole[..., None], 77, pixels), alpha)
  result = picture.with_image(inference.Inpainter()(picture.image, hole))
  inside = hole & (np.hypot(y - 60, x - 60) < 34)
  error = np.abs(result.pixels[inside].astype(int) - ORANGE)
  assert error.max() <= 3
  np.testing.assert_array_equal(result.pixels[~hole], pixels[~hole])


@pytest.mark.parametrize('level', [0, 200, 255])
def test_even_surroundings_go_on(level):
  pixels = np.full((40, 50, 3), 99, np.uint8)
  alpha, hole = np.full((40, 50), level, np.uint8), np.zeros((40, 50), bool)
  hole[10:20, 10:20] = True
  alpha[hole] = 230
  _, filled, _ = transparency.fill_with_alpha(keep, pixels, alpha, hole, hole)
  assert (filled == level).all()


def test_soft_alpha_goes_on_smoothly():
  alpha = np.tile(np.linspace(20, 230, 60).round().astype(np.uint8), (40, 1))
  hole = np.zeros(alpha.shape, bool)
  hole[10:30, 20:40] = True
  _, filled, _ = transparency.fill_with_alpha(
    keep,
    np.zeros((40, 60, 3), np.uint8),
    np.where(hole, 0, alpha).astype(np.uint8),
    hole,
    hole,
  )
  assert np.abs(filled.astype(int) - alpha).max() <= 4


@pytest.mark.parametrize('turned', [False, True])
def test_alpha_goes_on_in_a_line_of_pixels(turned):
  alpha = np.repeat(np.uint8([0, 255]), 20)[:, None]
  hole = np.zeros(alpha.shape, bool)
  hole[10:30] = True
  pixels = np.full((*alpha.shape, 3), 9, np.uint8)
  if turned:
    pixels, alpha, hole = pixels.swapaxes(0, 1), alpha.T, hole.T
  _, filled, _ = transparency.fill_with_alpha(keep, pixels, alpha, hole, hole)
  assert (np.diff(filled.ravel().astype(int)) >= 0).all()
  assert set(np.unique(filled)) >= {0, 255}


def test_nothing_that_is_visible_is_known():
  """All that was visible is hole, so the result is transparent."""
  pixels, alpha = disc()
  result, filled, _ = transparency.fill_with_alpha(
    keep, pixels, alpha, alpha > 0, alpha > 0
  )
  assert (filled == 0).all()
  np.testing.assert_array_equal(result, pixels)


def test_alpha_goes_on_across_the_border():
  alpha = np.full((40, 60), 255, np.uint8)
  alpha[:, 50:] = 0
  hole = np.zeros(alpha.shape, bool)
  hole[10:30, :5] = hole[10:30, 55:] = True
  _, filled, _ = transparency.fill_with_alpha(
    keep,
    np.zeros((40, 60, 3), np.uint8),
    np.where(hole, 0, alpha).astype(np.uint8),
    hole,
    hole,
    wrap=True,
  )
  assert (filled[20, :3] == 255).all()
  assert (filled[20, 56:58] == 0).all()


def test_what_is_transparent_is_not_copied():
  pixels = np.random.RandomState(0).randint(0, 256, (80, 90, 4), np.uint8)
  pixels[..., 3] = 255
  pixels[:, :40, 3] = 0
  hole = np.zeros((80, 90), bool)
  hole[30:50, 60:80] = True
  found = inference.Inpainter().explain(pixels, hole)
  columns = found.origins[hole][:, 1]
  assert columns.min() >= 40
  np.testing.assert_array_equal(found.image[~hole], pixels[~hole])
  assert (found.image[hole, 3] == 255).all()
  assert (found.origins[~hole] == -1).all()
