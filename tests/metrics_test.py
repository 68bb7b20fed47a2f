"""metrics.py against closed forms, PyTorch's numbers and dm_pix."""

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax import metrics
from inpaint_jax.system import errors


def random_batch(size=32, count=3, seed=0):
  """Returns output, image and mask, with images of 8-bit values."""
  rng = np.random.default_rng(seed)
  image = rng.integers(0, 256, (count, size, size, 3)) / np.float32(255)
  output = image + rng.normal(0, 0.2, image.shape)
  mask = rng.random((count, size, size, 1)) < 0.3
  return (jnp.asarray(x, jnp.float32) for x in (output, image, mask))


def constant(value, size=4):
  return jnp.full((1, size, size, 3), value, jnp.float32)


def square_hole(size=4):
  """Returns a mask with a hole of 2 x 2 pixels at (1, 1)."""
  return jnp.zeros((1, size, size, 1)).at[:, 1:3, 1:3].set(1)


# PyTorch 2.13.0: with `output` and `image` of the test below as tensors
# [2, 3, 4, 4], and for each picture k,
#   F.cosine_similarity(output[k:k+1], image[k:k+1]).mean()
#   F.poisson_nll_loss(output[k], image[k])
#   F.l1_loss(output[k], image[k]), F.mse_loss(output[k], image[k])
@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('cosine', [0.5431506633758545, 0.5614913105964661]),
    ('poisson_nll', [1.6668601036071777, 1.6903266906738281]),
    ('l1', [0.5446701645851135, 0.5099045634269714]),
    ('l2', [0.3927040100097656, 0.3913165330886841]),
  ],
)
def test_output_metrics_equal_pytorch(name, expected):
  n = np.arange(2 * 4 * 4 * 3)
  output = (n * 37 % 101) / 50 - 0.5
  image = (n * 53 % 97) / 96
  output, image = (
    x.astype(np.float32).reshape(2, 4, 4, 3) for x in (output, image)
  )
  # Black and nearly black pixels, where the cosine's epsilon matters.
  output[1, 2, 3] = 0
  image[0, 0, 0] = 0
  image[1, 0, 1] = 1e-9
  value = metrics.OUTPUT_METRICS[name](output, image, jnp.ones((2, 4, 4, 1)))
  np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_composite_keeps_known_pixels_bit_for_bit():
  output, image, mask = random_batch()
  # Values that are no multiple of 1 / 255 must be kept, too.
  image = image * 0.987654321
  seen = metrics.composite(output, image, mask)
  known = np.broadcast_to(np.asarray(mask) == 0, image.shape)
  np.testing.assert_array_equal(
    np.asarray(seen)[known], np.asarray(image)[known]
  )
  hole = np.asarray(seen)[~known]
  levels = np.clip(np.asarray(output)[~known], 0, 1) * 255
  np.testing.assert_allclose(hole * 255, np.round(levels), atol=1e-4)
  assert hole.min() == 0
  assert hole.max() == 1


def test_hole_metrics_by_hand():
  # Wrong by 0.25 in the hole and by 0.5 elsewhere, which does not count.
  image, mask = constant(0.5), square_hole()
  seen = jnp.where(mask > 0, 0.75, 0.0) + jnp.zeros_like(image)
  np.testing.assert_allclose(metrics.hole_l1(seen, image, mask), [0.25])
  np.testing.assert_allclose(
    metrics.hole_psnr(seen, image, mask), [-20 * np.log10(0.25)], rtol=1e-6
  )
  nothing = jnp.zeros_like(mask)
  np.testing.assert_array_equal(metrics.hole_l1(seen, image, nothing), [0.0])


@pytest.mark.parametrize('name', ['hole_l1', 'hole_psnr'])
def test_hole_metrics_do_not_see_known_pixels(name):
  output, image, mask = random_batch()
  changed = jnp.where(mask > 0, output, output + 0.3)
  metric = metrics.COMPOSITE_METRICS[name]
  np.testing.assert_array_equal(
    metric(changed, image, mask), metric(output, image, mask)
  )
  assert (
    metric(output + 0.3, image, mask) != metric(output, image, mask)
  ).all()


@pytest.mark.slow
def test_psnr_and_ssim_equal_dm_pix():
  output, image, mask = random_batch(count=2)
  psnr = metrics.psnr(output, image, mask)
  ssim = metrics.ssim(output, image, mask)
  for i in range(2):
    np.testing.assert_allclose(
      psnr[i], dm_pix.psnr(output[i], image[i]), rtol=1e-5
    )
    np.testing.assert_allclose(
      ssim[i], dm_pix.ssim(output[i], image[i]), rtol=1e-4
    )


def test_ssim_of_constant_pictures():
  # Wang et al. 2004, equation 13, without any variance.
  a, b, c1 = 0.25, 0.75, 0.01**2
  expected = (2 * a * b + c1) / (a**2 + b**2 + c1)
  value = metrics.ssim(constant(a, 16), constant(b, 16), square_hole(16))
  np.testing.assert_allclose(value, [expected], rtol=1e-3)


@pytest.mark.slow
def test_perfect_pictures():
  _, image, mask = random_batch()
  perfect = metrics.compute(image, image, mask)
  ones = np.ones(3)
  for name, value in {
    'l1': 0, 'l2': 0, 'cosine': 1, 'hole_l1': 0, 'ssim': 1, 'seam_ratio': 1,
    'psnr': metrics.MAX_PSNR, 'hole_psnr': metrics.MAX_PSNR,
  }.items():  # fmt: skip
    np.testing.assert_allclose(perfect[name], value * ones, 1e-5, 1e-6, name)


def test_seam_ratio_by_hand():
  # Eight pairs of neighbours cross the rim; each steps by 0.5 in the composite
  # and by 0.1 in the truth.
  mask = square_hole()
  image = jnp.where(mask > 0, 0.6, 0.5) + constant(0.0)
  seen = jnp.where(mask > 0, 0.0, 0.5) + constant(0.0)
  value = metrics.seam_ratio(seen, image, mask)
  np.testing.assert_allclose(value, [(0.5 + 1 / 255) / (0.1 + 1 / 255)], 1e-5)
  # The four pairs to the left and right alone, then the four above and below.
  for rim in ((slice(1, 3), slice(0, 4, 3)), (slice(0, 4, 3), slice(1, 3))):
    half = seen.at[:, *rim].set(0)
    value = metrics.seam_ratio(half, image, mask)
    expected = (0.25 + 1 / 255) / (0.1 + 1 / 255)
    np.testing.assert_allclose(value, [expected], 1e-5)


def test_seam_ratio_looks_at_the_rim_only():
  _, image, _ = random_batch(8, 1)
  mask = jnp.zeros((1, 8, 8, 1)).at[:, 1:7, 1:7].set(1)
  seen = image.at[:, 3:5, 3:5].set(0)
  np.testing.assert_array_equal(metrics.seam_ratio(seen, image, mask), [1.0])
  # A hole in a corner has a rim on two sides, and not along the border.
  corner = jnp.zeros((1, 8, 8, 1)).at[:, :3, :3].set(1)
  seen = image.at[:, 0:2, 0:2].set(0)
  np.testing.assert_array_equal(metrics.seam_ratio(seen, image, corner), [1.0])


def test_seam_ratio_orders_fills():
  ramp = jnp.linspace(0.3, 0.9, 32)[None, None, :, None] + constant(0.0, 32)
  mask = jnp.zeros((1, 32, 32, 1)).at[:, 8:24, 8:24].set(1)
  black = metrics.seam_ratio(ramp * (1 - mask), ramp, mask)
  mean = metrics.seam_ratio(
    jnp.where(mask > 0, jnp.mean(ramp), ramp), ramp, mask
  )
  assert black > mean > 1
  # A clear sky: no step at all in the truth.
  sky = constant(0.8, 32)
  sky_ratio = metrics.seam_ratio(sky * (1 - mask), sky, mask)
  np.testing.assert_allclose(sky_ratio, [0.8 * 255 + 1], rtol=1e-5)


def noise(seed, scale=0.2, size=48):
  values = np.random.default_rng(seed).normal(0.5, scale, (1, size, size, 3))
  return jnp.asarray(values, jnp.float32)


def test_texture_ratio_of_truth_noise_and_blur():
  image = noise(0)
  mask = jnp.zeros((1, 48, 48, 1)).at[:, 8:40, 8:40].set(1)

  def ratio(filling):
    seen = jnp.where(mask > 0, filling, image)
    return float(metrics.texture_ratio(seen, image, mask)[0])

  assert ratio(image) == 1
  # Other noise of the same strength, and of half of it: a quarter the energy.
  np.testing.assert_allclose(ratio(noise(1)), 1, atol=0.1)
  np.testing.assert_allclose(ratio(0.25 + 0.5 * noise(1)), 0.25, atol=0.1)
  assert ratio(jnp.full_like(image, 0.5)) < 0.15
  # A brighter filling is no texture; only its edge is.
  assert abs(ratio(image + 0.1) - 1) < 0.05


def test_texture_ratio_of_a_clear_sky_and_without_a_hole():
  sky, mask = constant(0.8, 16), square_hole(16)
  grey = jnp.where(mask > 0, 0.79, sky)
  clear = metrics.texture_ratio(sky, sky, mask)
  np.testing.assert_array_equal(clear, [1.0])
  assert 1 < float(metrics.texture_ratio(grey, sky, mask)[0]) < 10
  nothing = jnp.zeros_like(mask)
  np.testing.assert_array_equal(
    metrics.texture_ratio(grey, sky, nothing), [1.0]
  )


def test_texture_ratio_sees_the_hole_only_and_a_border_goes_on():
  image = noise(0, size=16)
  mask = jnp.zeros((1, 16, 16, 1)).at[:, :3, :3].set(1)
  far = image.at[:, 8:, 8:].set(0)
  value = metrics.texture_ratio(far, image, mask)
  np.testing.assert_array_equal(value, [1.0])
  ramp = jnp.broadcast_to(
    jnp.linspace(0, 1, 16)[None, None, :, None], (1, 16, 16, 3)
  )
  flat = metrics.texture_ratio(ramp, constant(0.5, 16), mask)
  assert float(flat[0]) < 100


@pytest.mark.slow
def test_compute_is_one_number_a_picture_for_every_metric():
  output, image, mask = random_batch()
  values = jax.jit(metrics.compute)(output, image, mask)
  assert set(values) == {*metrics.OUTPUT_METRICS, *metrics.COMPOSITE_METRICS}
  seen = metrics.composite(output, image, mask)
  for name, value in values.items():
    assert value.shape == (3,)
    assert np.isfinite(value).all()
    picture = output if name in metrics.OUTPUT_METRICS else seen
    metric = {**metrics.OUTPUT_METRICS, **metrics.COMPOSITE_METRICS}[name]
    np.testing.assert_allclose(
      value[1:2],
      metric(picture[1:2], image[1:2], mask[1:2]),
      1e-4,
      err_msg=name,
    )


def test_hole_area():
  np.testing.assert_allclose(metrics.hole_area(square_hole()), [0.25])


def test_by_hole_area():
  area = np.array([0.05, 0.1, 0.11, 0.45, 0.9, 1.0], np.float32)
  values = {'l1': np.array([1, 3, 5, 7, 9, 13.0]), 'psnr': np.arange(6.0)}
  rows = metrics.by_hole_area(values, area)
  edges = [(row['low'], row['high'], row['count']) for row in rows]
  assert edges == [(0, 0.1, 2), (0.1, 0.2, 1), (0.4, 0.5, 1), (0.5, 1, 2)]
  assert [row['means']['l1'] for row in rows] == [2, 5, 7, 11]
  assert [row['means']['psnr'] for row in rows] == [0.5, 2, 3, 4.5]


def test_what_is_better():
  badness = metrics.badness
  assert badness('test/hole_psnr', 20) < badness('test/hole_psnr', 19)
  assert badness('test/lpips', 0.1) < badness('test/lpips', 0.2)
  assert badness('val/loss', 0.5) == 0.5
  assert badness('seam_ratio', 0.9) < badness('seam_ratio', 1.2)
  assert badness('seam_ratio', 1.1) < badness('seam_ratio', 0.8)
  assert badness('detectability', 0.6) < badness('detectability', 0.9)


@pytest.mark.parametrize('kind', ['OUTPUT', 'COMPOSITE', 'TEST'])
def test_a_metric_that_is_no_number_an_image_is_one_line(monkeypatch, kind):
  """If it were a map, the wrong images would be left out of its mean."""
  registry = getattr(metrics, f'{kind}_METRICS')
  map_of = lambda output, image, mask: jnp.mean(output, axis=-1)
  monkeypatch.setitem(registry, 'map', map_of)
  compute = metrics.compute_test if kind == 'TEST' else metrics.compute
  image = jnp.zeros((2, 16, 16, 3))
  with pytest.raises(
    errors.UserError, match=r'metric map returns the shape .*; .* \[2\]'
  ):
    compute(image, image, image[..., :1])
