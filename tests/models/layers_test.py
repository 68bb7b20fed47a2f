"""Pooling and upsampling against the slower ones of Flax and JAX."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax.models import layers


def _value_and_grad(fn, x):
  """Returns fn(x) and the gradient of a sum with random weights."""
  y, vjp = jax.vjp(fn, x)
  return y, vjp(jax.random.normal(jax.random.key(7), y.shape))[0]


def _resize(x, method):
  B, H, W, C = x.shape
  return jax.image.resize(x, (B, 2 * H, 2 * W, C), method)


LAYERS = {
  'max_pool': (
    layers.max_pool,
    lambda x: nn.max_pool(x, (2, 2), strides=(2, 2)),
  ),
  'nearest': (layers.upsample_nearest, lambda x: _resize(x, 'nearest')),
  'bilinear': (layers.upsample_bilinear, lambda x: _resize(x, 'bilinear')),
}


@pytest.mark.parametrize('name', LAYERS)
@pytest.mark.parametrize('shape', [(2, 6, 4, 3), (1, 2, 8, 2)])
def test_layers_equal_the_slow_ones(name, shape):
  fast, slow = LAYERS[name]
  x = jax.random.normal(jax.random.key(0), shape)
  for found, wanted in zip(
    _value_and_grad(fast, x), _value_and_grad(slow, x), strict=True
  ):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_upsampling_one_pixel():
  x = jnp.full((1, 1, 1, 2), 0.7)
  for upsample in (layers.upsample_nearest, layers.upsample_bilinear):
    np.testing.assert_allclose(upsample(x), np.full((1, 2, 2, 2), 0.7))


def test_max_pool_at_ties():
  """Equal largest values share the gradient, whose sum stays the same."""
  grad = jax.grad(lambda x: jnp.sum(layers.max_pool(x)))(jnp.ones((1, 2, 2, 1)))
  np.testing.assert_allclose(grad, np.full((1, 2, 2, 1), 0.25))


def test_max_pool_refuses_odd_sizes():
  with pytest.raises(ValueError, match='not 3x4'):
    layers.max_pool(jnp.zeros((1, 3, 4, 1)))


@pytest.mark.parametrize('name', LAYERS)
def test_layers_keep_bfloat16(name):
  x = jnp.ones((1, 2, 2, 1), jnp.bfloat16)
  assert LAYERS[name][0](x).dtype == jnp.bfloat16
