"""What a test measures of composites."""

import jax.numpy as jnp
import pytest

from inpaint_jax import metrics
from inpaint_jax.training import composite_metrics


@pytest.mark.usefixtures('no_lpips')
def test_a_metric_that_is_registered_later_is_computed(monkeypatch):
  image = jnp.full((2, 16, 16, 3), 0.5)
  composites, mask = {'x': image}, image[..., :1].round()

  def measure():
    compute = composite_metrics.CompositeMetrics().compute
    return compute(composites, image, mask)['x']

  assert measure().keys() == metrics.TEST_METRICS.keys()
  monkeypatch.setitem(metrics.TEST_METRICS, 'later', metrics.l1)
  assert 'later' in measure()
