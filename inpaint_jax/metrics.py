"""Metrics of how good filled images are, one number per image.

Images are float32 [B, H, W, 3] in [0, 1], masks float32 [B, H, W, 1] with
1 = hole. Every metric returns [B], so that padding can be left out of means.

To add a metric, write one function and add it to one of the dicts.
OUTPUT_METRICS measure the model's whole image, as in the reference study.
COMPOSITE_METRICS measure what a user sees, see `composite`. TEST_METRICS do
so, too, but are only computed in the test, not in validation.

Attributes:
  OUTPUT_METRICS: name to metric of (the model's image, true image, mask).
  COMPOSITE_METRICS: name to metric of (composite, true image, mask).
  TEST_METRICS: name to metric of (composite, true image, mask).
"""

from collections.abc import Callable, Mapping
import itertools
from typing import Any

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax.system import errors

# (output or composite, image, mask) -> [B].
Metric = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

# A perfect image would have an infinite PSNR, and make every mean infinite.
# One value of a 256x256 image that is wrong by one level of 255 gives 101 dB.
MAX_PSNR = 100.0

# Bounds of the buckets of `by_hole_area`, as fractions of the image.
AREA_BUCKETS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)

# Metrics for which larger is better, and those that are best at one value; for
# all others smaller is better. lpips.py and detectability.py compute some.
_MORE = ('cosine', 'hole_psnr', 'psnr', 'ssim')
_BEST = {
  'seam_ratio': 1.0,
  'texture_ratio': 1.0,
  'detectability': 0.5,
  'fooled': 0.5,
}

_LEVELS = 255
_BINOMIAL = (1, 4, 6, 4, 1)
_PIXEL_AXES = (1, 2, 3)


def composite(
  output: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """Returns what a user sees: the filled hole, and known pixels as they were.

  Args:
    output: [B, H, W, 3], the model's image; need not be within [0, 1].
    image: [B, H, W, 3] in [0, 1].
    mask: [B, H, W, 1], 1 = hole.

  Returns:
    [B, H, W, 3]: in the hole, `output` clipped to [0, 1] and rounded to the 256
    levels of an 8-bit file; elsewhere `image`, bit for bit.
  """
  seen = jnp.round(jnp.clip(output, 0, 1) * _LEVELS) / _LEVELS
  return jnp.where(mask > 0, seen, image)


def l1(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
  """Mean absolute error over the whole image, [B]."""
  del mask
  return jnp.mean(jnp.abs(output - image), axis=_PIXEL_AXES)


def l2(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
  """Mean squared error over the whole image, [B]."""
  del mask
  return jnp.mean((output - image) ** 2, axis=_PIXEL_AXES)


def cosine(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
  """Mean over the pixels of the cosine between their colours, [B] in [-1, 1].

  torch.nn.functional.cosine_similarity over the channels, with norms of at
  least 1e-8: a pixel that is black in either image counts as 0.
  """
  del mask
  dot = jnp.sum(output * image, axis=-1)
  norms = [
    jnp.maximum(jnp.linalg.norm(x, axis=-1), 1e-8) for x in (output, image)
  ]
  return jnp.mean(dot / (norms[0] * norms[1]), axis=(1, 2))


def poisson_nll(
  output: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """Mean of exp(output) - image * output over the whole image, [B].

  torch.nn.functional.poisson_nll_loss with its default log_input=True, applied
  to the image itself, as the reference study reports it. The image is not the
  logarithm of a rate, so this is not a likelihood, and not smallest where the
  image is right.
  """
  del mask
  return jnp.mean(jnp.exp(output) - image * output, axis=_PIXEL_AXES)


def hole_l1(
  composite: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """Mean absolute error over the pixels of the hole, [B]; 0 without a hole."""
  return _hole_mean(jnp.abs(composite - image), mask)


def psnr(composite: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
  """Peak signal-to-noise ratio over the whole image, [B], at most MAX_PSNR.

  10 log10(1 / MSE) in dB, for a peak of 1.
  """
  return _decibels(l2(composite, image, mask))


def hole_psnr(
  composite: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """As `psnr`, with the MSE over the pixels of the hole only, [B]."""
  return _decibels(_hole_mean((composite - image) ** 2, mask))


def ssim(composite: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
  """Structural similarity over the whole image, [B], 1 = the same.

  Wang et al., Image quality assessment: from error visibility to structural
  similarity, IEEE Transactions on Image Processing 13(4), 2004: a Gaussian
  window of 11 pixels and deviation 1.5, k1 = 0.01, k2 = 0.03; the mean over the
  windows wholly inside the image and over the three colours. Images must be at
  least 11 pixels a side.
  """
  del mask
  return dm_pix.ssim(composite, image)


def seam_ratio(
  composite: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """How much the boundary of the hole shows, [B]: 1 = as in the true image.

  The mean absolute step of colour from a pixel of the hole to a known neighbour
  (of four), divided by the mean step of the true image at the same places. One
  level of 255 is added to both, so that a clear sky, where the true image has
  no steps, gives a finite ratio. Above 1 the boundary is visible; below 1 it is
  smoother than the image was. 1 without a hole.
  """
  steps = true_steps = count = jnp.zeros(image.shape[:1], jnp.float32)
  for axis in (1, 2):
    boundary = jnp.abs(jnp.diff(mask, axis=axis))
    step = jnp.abs(jnp.diff(composite, axis=axis))
    true_step = jnp.abs(jnp.diff(image, axis=axis))
    steps += jnp.sum(boundary * step, _PIXEL_AXES)
    true_steps += jnp.sum(boundary * true_step, _PIXEL_AXES)
    count += image.shape[-1] * jnp.sum(boundary, _PIXEL_AXES)
  floor = jnp.maximum(count, 1) / _LEVELS
  return (steps + floor) / (true_steps + floor)


def texture_ratio(
  composite: jax.Array, image: jax.Array, mask: jax.Array
) -> jax.Array:
  """How much fine texture the hole has, [B]: 1 = as much as the true image.

  The energy of a high-pass filter over the pixels of the hole, divided by that
  of the true image at the same places. The filter subtracts from an image its
  blur with the binomial kernel (1, 4, 6, 4, 1) / 16 along both axes, where edge
  pixels are repeated beyond the borders. The energy of one level of 255 is
  added to both, so that a clear sky gives a finite ratio. Below 1 the filling
  is blurred; above 1 it has noise, edges or a visible boundary that the true
  image does not have. 1 without a hole.
  """
  energy, true_energy = (
    _hole_mean(high_pass(x) ** 2, mask) for x in (composite, image)
  )
  floor = 1 / _LEVELS**2
  return (energy + floor) / (true_energy + floor)


def high_pass(x: jax.Array) -> jax.Array:
  """Returns images [B, H, W, C] without their blur; see `texture_ratio`."""
  height, width = x.shape[1:3]
  blur = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode='edge')
  rows = [w / 16 * blur[:, i : i + height] for i, w in enumerate(_BINOMIAL)]
  blur = jnp.sum(jnp.stack(rows), axis=0)
  columns = [
    w / 16 * blur[:, :, i : i + width] for i, w in enumerate(_BINOMIAL)
  ]
  return x - jnp.sum(jnp.stack(columns), axis=0)


OUTPUT_METRICS: dict[str, Metric] = {
  'l1': l1,
  'l2': l2,
  'cosine': cosine,
  'poisson_nll': poisson_nll,
}

COMPOSITE_METRICS: dict[str, Metric] = {
  'hole_l1': hole_l1,
  'psnr': psnr,
  'hole_psnr': hole_psnr,
  'ssim': ssim,
  'seam_ratio': seam_ratio,
}

TEST_METRICS: dict[str, Metric] = {
  'texture_ratio': texture_ratio,
}


def compute(
  output: jax.Array, image: jax.Array, mask: jax.Array
) -> dict[str, jax.Array]:
  """Computes every metric of every image.

  Args:
    output: [B, H, W, 3], the model's image, not yet a composite.
    image: [B, H, W, 3] in [0, 1], the true image.
    mask: [B, H, W, 1], 1 = hole.

  Returns:
    A dict from the names of OUTPUT_METRICS and COMPOSITE_METRICS to [B].

  Raises:
    errors.UserError: a metric does not return [B].
  """
  seen = composite(output, image, mask)
  return {
    **_compute(OUTPUT_METRICS, output, image, mask),
    **_compute(COMPOSITE_METRICS, seen, image, mask),
  }


def compute_test(
  composite: jax.Array, image: jax.Array, mask: jax.Array
) -> dict[str, jax.Array]:
  """Computes TEST_METRICS of every image; returns a dict from names to [B]."""
  return _compute(TEST_METRICS, composite, image, mask)


def _compute(
  metrics: Mapping[str, Metric], *images: jax.Array
) -> dict[str, jax.Array]:
  values = {name: fn(*images) for name, fn in metrics.items()}
  for name, value in values.items():
    errors.check_shape(value, (len(images[0]),), f'the metric {name}')
  return values


def hole_area(mask: jax.Array) -> jax.Array:
  """Returns the hole's fraction of each image: [B, H, W, 1] -> [B]."""
  return jnp.mean(mask, axis=_PIXEL_AXES)


def by_hole_area(
  per_image: Mapping[str, np.ndarray], area: np.ndarray
) -> list[dict[str, Any]]:
  """Averages metrics within buckets of the hole's area, AREA_BUCKETS.

  Args:
    per_image: a dict of [N], without padding.
    area: [N], as from `hole_area`. An area equal to a bound belongs to the
      bucket below it.

  Returns:
    For each bucket that has images, smallest first: its `low` and `high` area,
    the `count` of its images and their `means`, a dict of floats.
  """
  area = np.asarray(area)
  # In the precision of the areas, since 0.1 in float32 is more than in float64.
  edges = np.asarray(AREA_BUCKETS, area.dtype)
  bucket = np.digitize(area, edges[1:-1], right=True)
  rows = []
  for i, (low, high) in enumerate(itertools.pairwise(AREA_BUCKETS)):
    inside = bucket == i
    if inside.any():
      means = {k: float(np.mean(v[inside])) for k, v in per_image.items()}
      rows.append(
        {'low': low, 'high': high, 'count': int(inside.sum()), 'means': means}
      )
  return rows


def badness(metric: str, value: float) -> float:
  """Returns a number that is smaller for better values of a metric.

  Args:
    metric: name of a metric of this module, LPIPS or detectability.py, with or
      without the name of a split, as in 'val/ssim'.
    value: a value of the metric, such as a mean.
  """
  name = metric.rpartition('/')[2]
  if name in _BEST:
    return abs(value - _BEST[name])
  return -value if name in _MORE else value


def _hole_mean(error: jax.Array, mask: jax.Array) -> jax.Array:
  total = jnp.sum(error * mask, axis=_PIXEL_AXES)
  count = error.shape[-1] * jnp.sum(mask, axis=_PIXEL_AXES)
  return total / jnp.maximum(count, 1)


def _decibels(mse: jax.Array) -> jax.Array:
  return -10 * jnp.log10(jnp.maximum(mse, 10 ** (-MAX_PSNR / 10)))
