"""blend.py: filled images meet the known pixels."""

import numpy as np
import pytest

from inpaint_jax.inpainting import blend


def _disk(height, width, radius):
  y, x = np.mgrid[:height, :width]
  return (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2


def test_harmonic_blend_removes_a_wrong_colour_and_keeps_shapes():
  y, x = np.mgrid[:64, :64] / 64
  truth = np.stack([y, x, 0.3 + 0.1 * np.sin(9 * x)], -1).astype(np.float32)
  mask = _disk(64, 64, 16)[..., None].astype(np.float32)
  painted = truth + np.array([0.3, -0.2, 0.1], np.float32)
  result = blend.harmonic_blend(painted, truth * (1 - mask), mask)
  np.testing.assert_allclose(result, truth, atol=0.03)
  np.testing.assert_array_equal(
    result[mask[..., 0] == 0], truth[mask[..., 0] == 0]
  )


def test_harmonic_blend_ignores_what_is_painted_over_known_pixels():
  random = np.random.RandomState(1).rand(32, 32, 3).astype(np.float32)
  mask = _disk(32, 32, 9)[..., None].astype(np.float32)
  image = random * (1 - mask)
  other = random * mask + 5 * (1 - mask)
  np.testing.assert_array_equal(
    blend.harmonic_blend(random, image, mask),
    blend.harmonic_blend(other, image, mask),
  )


@pytest.mark.parametrize('radius', [3, 12, 22])
def test_a_shifted_hole_lies_on_known_pixels(radius):
  mask = _disk(64, 64, radius)[..., None].astype(np.float32)
  shifted = blend.shifted_hole(mask)
  assert not (shifted * mask).any()
  assert shifted.sum() > mask.sum() / 3


def test_without_known_pixels_there_is_no_shifted_hole():
  assert not blend.shifted_hole(np.ones((16, 16, 1), np.float32)).any()


def test_boundary_weight_falls_from_one_to_zero():
  mask = _disk(80, 80, 35)[..., None].astype(np.float32)
  near = blend.boundary_weight(mask, 8, 16)[..., 0]
  assert (near[mask[..., 0] == 0] == 1).all()
  assert near[40, 40 + 30] == 1
  assert 0 < near[40, 40 + 23] < 1
  assert near[40, 40] == 0
  assert not blend.boundary_weight(np.ones((9, 9, 1), np.float32), 2, 4).any()


@pytest.mark.parametrize('width', [0, 1, 4])
def test_a_feather_has_the_given_width(width):
  hole = np.zeros((40, 40), bool)
  hole[15:25, 15:25] = True
  weight = blend.feather_weight(hole, width)
  assert (weight[hole] == 1).all()
  line = weight[20, 25:]
  assert (line[:width] > 0).all()
  assert not line[width:].any()
  assert (np.diff(line) <= 0).all()
