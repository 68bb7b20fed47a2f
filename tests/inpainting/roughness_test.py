import numpy as np

from inpaint_jax.inpainting import inpainter, roughness

_NO_HOLE = np.zeros((20, 30), bool)
_NO_HOLE_ODD = np.zeros((21, 30), bool)


def _code(step):
  return np.rint(40 * np.log2(1 + step))


def test_a_flat_image_has_none():
  image = np.full((20, 30, 3), 200, np.uint8)
  assert not roughness.measure(image, _NO_HOLE).any()


def test_steps_across_and_along():
  image = np.zeros((21, 30, 3), np.uint8)
  image[:, ::2] = 6
  rough = roughness.measure(image, _NO_HOLE_ODD)
  assert rough.shape == (11, 15, 2)
  np.testing.assert_array_equal(rough[..., 0], _code(6))
  np.testing.assert_array_equal(rough[..., 1], 0)
  turned = roughness.measure(image.swapaxes(0, 1), _NO_HOLE_ODD.T)
  np.testing.assert_array_equal(turned, rough.swapaxes(0, 1)[..., ::-1])


def test_a_step_is_one_of_three_beside_it():
  image = np.zeros((20, 30, 3), np.uint8)
  image[:, 14:] = 90
  (row,) = np.unique(roughness.measure(image, _NO_HOLE)[..., 0], axis=0)
  # The step lies between two pixels of the half resolution.
  np.testing.assert_array_equal(np.flatnonzero(row), [6, 7])
  np.testing.assert_array_equal(row[6:8], _code(90 / 3))


def test_the_largest_steps_fit():
  image = np.zeros((20, 30, 3), np.uint8)
  image[::2, ::2] = image[1::2, 1::2] = 255
  assert np.all(roughness.measure(image, _NO_HOLE) == 255)


def test_holes_are_not_read():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (150, 30, 3)).astype(np.uint8)
  hole = rng.random((150, 30)) < 0.3
  other = np.where(hole[..., None], 255 - image, image)
  rough = roughness.measure(image, hole)
  np.testing.assert_array_equal(rough, roughness.measure(other, hole))
  assert not roughness.measure(image, np.ones_like(hole)).any()


def test_rough_ground_is_not_filled_with_smooth_ground():
  # Two textures of one colour, which reduced images hardly tell apart.
  rng = np.random.default_rng(1)
  image = np.full((256, 256, 3), 128, np.uint8)
  noise = rng.integers(-60, 61, (256, 128, 1))
  image[:, 128:] = 128 + noise
  hole = np.zeros((256, 256), bool)
  hole[60:200, 150:240] = True
  filled = inpainter.Inpainter().explain(image, hole)
  # Without roughness it is less than half. It is not all, since smooth ground
  # in the same row is nearer than rough ground in another.
  assert np.mean(filled.origins[hole][:, 1] >= 128) > 0.8
