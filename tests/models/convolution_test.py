"""The two ways to convolve: equal results, and where each is used."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax import models
from inpaint_jax.models import convolution


def _convolve(x, kernel):
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


@functools.partial(jax.jit, static_argnums=0)
def _with_gradients(convolve, x, kernel, gradient):
  y, pull = jax.vjp(convolve, x, kernel)
  return y, *pull(gradient)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
  ('shape', 'features'),
  # More input than output channels, and the reverse; rows of one block and of
  # many; enough channels for Winograd's products.
  [
    ((2, 16, 24, 5), 8),
    ((1, 64, 32, 8), 3),
    ((1, 6, 10, 4), 4),
    pytest.param((2, 16, 16, 64), 64, marks=pytest.mark.slow),
  ],
)
def test_results_and_gradients_are_those_of_xla(shape, features, dtype):
  stream = np.random.RandomState(0)
  x, kernel, gradient = (
    jnp.asarray(stream.standard_normal(s), dtype)
    for s in (shape, (3, 3, shape[-1], features), (*shape[:-1], features))
  )
  wanted = _with_gradients(_convolve, x, kernel, gradient)
  found = _with_gradients(convolution.convolve, x, kernel, gradient)
  tolerance = 1e-5 if dtype == jnp.float32 else 1e-2
  for ours, theirs in zip(found, wanted, strict=True):
    assert ours.dtype == theirs.dtype
    ours, theirs = (np.asarray(a, np.float32) for a in (ours, theirs))
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=tolerance)


def _program(conv, features, height):
  """Returns the jaxpr of the gradient of a UNet, as text."""
  model = models.MODELS['unet'](features=features, conv=conv)
  x = jnp.zeros((1, height, 16, 3)), jnp.zeros((1, height, 16, 1))
  variables = jax.eval_shape(
    lambda: model.init(jax.random.key(0), *x, train=False)
  )

  def loss(variables):
    return jnp.sum(model.apply(variables, *x, train=False))

  return str(jax.make_jaxpr(jax.grad(loss))(variables))


def test_a_model_uses_what_its_field_says():
  wide = 64, 64, 64
  # 12 layers, each with one pass forwards and two back, except for the gradient
  # of the input image.
  count = _program('xla', wide, 16).count('conv_general_dilated[')
  assert count == 12 * 3 - 1
  assert _program('winograd', wide, 16).count('conv_general_dilated[') < count


@pytest.mark.slow
def test_small_narrow_layers_are_left_to_xla():
  narrow = 2, 2, 2
  assert _program('winograd', narrow, 16) == _program('xla', narrow, 16)
  assert _program('winograd', narrow, 24) != _program('xla', narrow, 24)
