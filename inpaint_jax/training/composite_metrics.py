"""Metrics of composites that a test computes and a validation does not."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import detectability, lpips, metrics

# The key, next to the metrics, of features of truth and filling, [N, 2, D].
_FEATURES = 'features'


class CompositeMetrics:
  """metrics.TEST_METRICS, and LPIPS and features if its nets are installed.

  Attributes:
    has_nets: whether the nets of LPIPS are installed.
  """

  def __init__(self, sharding: jax.sharding.Sharding | None = None):
    """Loads the nets; `sharding` says where their weights go."""
    self._alex = lpips.load(sharding)
    self._vgg = lpips.load(sharding, 'vgg16')
    self.has_nets = bool(self._alex and self._vgg)
    # A new function, since jit would reuse what it traced of compute_test
    # before a metric was added.
    self._compute_test = jax.jit(lambda *args: metrics.compute_test(*args))

  def compute(
    self, composites: Mapping[str, jax.Array], image: jax.Array, mask: jax.Array
  ) -> dict[str, dict[str, jax.Array]]:
    """Returns {name: {metric: [B]}} of composites of the same images."""
    truth = self._vgg.maps(image) if self._vgg else []
    found: dict[str, dict[str, jax.Array]] = {}
    for name, seen in composites.items():
      values = found[name] = {}
      if self._alex and self._vgg:
        maps = self._vgg.maps(seen)
        values['lpips'] = self._alex.between(seen, image)
        values['lpips_vgg'] = self._vgg.distance(maps, truth)
        values[_FEATURES] = _region_features(truth, maps, mask)
      values |= self._compute_test(seen, image, mask)
    return found


@jax.jit
def _region_features(
  truth: lpips.Maps, filled: lpips.Maps, mask: jax.Array
) -> jax.Array:
  """Returns means of features in and near the holes, [B, 2, D]."""
  region = detectability.dilate(mask)
  sums = [detectability.pool(maps, region) for maps in (truth, filled)]
  # Without a hole both sums and the area are 0.
  area = jnp.maximum(jnp.mean(region, axis=(1, 2, 3)), 1e-9)
  return jnp.stack(sums, axis=1) / area[:, None, None]


def take_detectability(values: dict[str, np.ndarray]) -> dict[str, float]:
  """Removes the features of a split from its values; returns detectability.

  Returns {} if there are no features, or too few.
  """
  features = values.pop(_FEATURES, None)
  if features is None or len(features) < detectability.LEAST:
    return {}
  told = detectability.tell_apart(features[:, 0], features[:, 1])
  return {'detectability': told.accuracy, 'fooled': told.fooled}
