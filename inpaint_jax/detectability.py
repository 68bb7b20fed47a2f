"""Detectability: how well a classifier tells filled images from true ones.

A linear classifier on deep features of the hole and its boundary is trained on
half of the images and tested on the other half. The share of its errors, 1 -
accuracy, is U-IDS and the share of fillings that fool it is P-IDS of CoModGAN
(Zhao et al., Large Scale Image Completion via Co-Modulated Generative
Adversarial Networks, ICLR 2021, arXiv 2103.10428), with VGG16's features of the
filled region instead of Inception's of the whole image, and ridge regression
instead of a support vector machine.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import lpips

# Width of the strip around the hole that belongs to the region, in pixels.
MARGIN = 6
# Fewer images are too few to train on half of them.
LEAST = 4
# Number of random splits into halves; each half is trained on once.
_SPLITS = 10
# Weight of the ridge term, as a share of the features' mean energy.
_RIDGE = 0.1


class Detectability(NamedTuple):
  """How the classifier judges images that it was not trained on.

  Attributes:
    accuracy: the share that it classifies correctly; 0.5 = it cannot tell.
    fooled: the share of fillings that it finds more real than their true image;
      0.5 = it cannot tell.
  """

  accuracy: float
  fooled: float


def dilate(mask: jax.Array) -> jax.Array:
  """Returns masks [B, H, W, 1] grown by MARGIN pixels on all sides."""
  size = 2 * MARGIN + 1
  return nn.max_pool(mask, (size, size), padding='SAME')


def pool(maps: lpips.Maps, weight: jax.Array) -> jax.Array:
  """Averages features times a weight, such as the mask of a region.

  Args:
    maps: features of VGG16, see lpips.Net.
    weight: [B, H, W, 1], the region, as from `dilate`; H and W are multiples of
      16.

  Returns:
    [B, D]: for each channel of each layer, the mean over the image of feature
    times weight. Divided by the mean weight it is a mean over the region. It is
    not divided here, so that callers can first add parts of an image.
  """
  sums = []
  for features in maps:
    batch, height, width, _ = features.shape
    stride = weight.shape[1] // height
    coarse = jnp.reshape(weight, (batch, height, stride, width, stride))
    coarse = jnp.mean(coarse, axis=(2, 4))[..., None]
    sums.append(jnp.mean(features * coarse, axis=(1, 2)))
  return jnp.concatenate(sums, axis=-1)


def tell_apart(real: np.ndarray, filled: np.ndarray) -> Detectability:
  """Returns how well a linear classifier tells fillings from their truths.

  Args:
    real: [N, D], features of the true images.
    filled: [N, D], features of the same images with filled holes.

  Returns:
    NaN for fewer images than LEAST. Ties count half.
  """
  count = len(real)
  if count < LEAST:
    return Detectability(float('nan'), float('nan'))
  right, fooled = [], []
  for seed in range(_SPLITS):
    order = np.random.default_rng(seed).permutation(count)
    halves = order[: count // 2], order[count // 2 :]
    for train, test in (halves, halves[::-1]):
      scores = _classify(real[train], filled[train], real[test], filled[test])
      # Scores above 0 mean that an image is judged to be real.
      of_real, of_filled = scores
      right += [*_share(of_real), *_share(-of_filled)]
      fooled += [*_share(of_filled - of_real)]
  return Detectability(float(np.mean(right)), float(np.mean(fooled)))


def _share(score: np.ndarray) -> np.ndarray:
  """Returns 1 where a score is positive, 0 where negative, 1/2 for 0."""
  return np.heaviside(np.round(score, 9), 0.5)


def _classify(
  real: np.ndarray,
  filled: np.ndarray,
  test_real: np.ndarray,
  test_filled: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Trains on the first two, and scores the last two; above 0 = real."""
  samples = np.concatenate([real, filled]).astype(np.float64)
  mean, deviation = samples.mean(0), samples.std(0)
  deviation = np.where(deviation > 0, deviation, 1)
  count = samples.shape[1]

  def normed(x: np.ndarray) -> np.ndarray:
    return (x - mean) / deviation / np.sqrt(count)

  samples = normed(samples)
  wanted = np.repeat([1.0, -1.0], [len(real), len(filled)])
  # Both give the same weights; the smaller system is solved.
  if len(samples) > count:
    energy = samples.T @ samples + _RIDGE * np.eye(count)
    weights = np.linalg.solve(energy, samples.T @ wanted)
  else:
    kernel = samples @ samples.T + _RIDGE * np.eye(len(samples))
    weights = samples.T @ np.linalg.solve(kernel, wanted)
  return normed(test_real) @ weights, normed(test_filled) @ weights
