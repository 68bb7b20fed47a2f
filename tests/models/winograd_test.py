"""Winograd's convolutions against XLA's, and against float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax.models import winograd

pytestmark = pytest.mark.usefixtures('full_compile')


def _draw(shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _convolve(x, kernel):
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _convolve_doubles(x, kernel):
  """Convolves by the definition, in float64."""
  H, W = x.shape[1:3]
  x = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
  return sum(
    x[:, i : i + H, j : j + W] @ kernel[i, j].astype(np.float64)
    for i in range(3)
    for j in range(3)
  )


def _far(a, b):
  """Returns the largest difference, relative to the largest value."""
  return np.abs(np.asarray(a) - b).max() / np.abs(b).max()


SHAPES = {
  'square': (1, 8, 8, 4, 5),
  'wide': (2, 4, 12, 3, 2),
  'high': (3, 10, 2, 1, 6),
  'smallest': (1, 2, 2, 2, 2),
}


@pytest.mark.parametrize('shape', SHAPES.values(), ids=SHAPES)
def test_convolve_is_the_definition(shape):
  B, H, W, C, F = shape
  x, kernel = _draw((B, H, W, C)), _draw((3, 3, C, F), 1)
  wanted = _convolve_doubles(x, kernel)
  np.testing.assert_allclose(
    winograd.convolve(x, kernel), wanted, rtol=0, atol=1e-5
  )


@pytest.mark.parametrize('shape', SHAPES.values(), ids=SHAPES)
def test_kernel_gradient_is_that_of_xla(shape):
  B, H, W, C, F = shape
  x, gradient = _draw((B, H, W, C)), _draw((B, H, W, F), 1)
  zeros = jnp.zeros((3, 3, C, F))
  _, pull = jax.vjp(functools.partial(_convolve, x), zeros)
  np.testing.assert_allclose(
    winograd.kernel_gradient(x, gradient), pull(gradient)[0], atol=2e-5
  )


def test_rounds_as_the_definition_does():
  x, kernel = _draw((1, 32, 32, 128)), _draw((3, 3, 128, 128), 1)
  wanted = _convolve_doubles(x, kernel)
  far = _far(winograd.convolve(x, kernel), wanted)
  assert far < 2e-6
  # Measured: 4.6e-7, and 7.8e-7 with XLA's.
  assert far < 3 * _far(_convolve(x, kernel), wanted)


def test_kernel_gradient_rounds_as_the_definition_does():
  x, gradient = _draw((2, 16, 16, 64)), _draw((2, 16, 16, 64), 1)
  turned = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
  wanted = np.array(
    [
      [
        np.einsum('bhwc,bhwf->cf', turned[:, i : i + 16, j : j + 16], gradient)
        for j in range(3)
      ]
      for i in range(3)
    ]
  )
  assert _far(winograd.kernel_gradient(x, gradient), wanted) < 3e-6


# Values to compute at once. If four of the six images fit, three go at once,
# since four do not divide six.
@pytest.mark.slow
@pytest.mark.parametrize('part', [1, 2 * 8 * 8 * 5, 4 * 8 * 8 * 5])
def test_parts_give_the_same(monkeypatch, part):
  x, kernel = _draw((6, 8, 8, 4)), _draw((3, 3, 4, 5), 1)
  gradient = _draw((6, 8, 8, 5), 2)
  whole = winograd.convolve(x, kernel)
  whole_gradient = winograd.kernel_gradient(x, gradient)
  monkeypatch.setattr(winograd, 'PART_VALUES', part)
  np.testing.assert_allclose(winograd.convolve(x, kernel), whole, atol=1e-5)
  np.testing.assert_allclose(
    winograd.kernel_gradient(x, gradient), whole_gradient, atol=5e-5
  )


def test_suits_wide_layers_of_even_sides():
  def suits(shape, features, dtype=jnp.float32):
    return winograd.suits(jax.ShapeDtypeStruct(shape, dtype), features)

  assert suits((1, 16, 16, 64), 64)
  assert suits((4, 8, 8, 64), 64)
  assert not suits((1, 8, 8, 64), 64)
  assert not suits((1, 16, 17, 64), 64)
  assert not suits((1, 16, 16, 63), 64)
  assert not suits((1, 16, 16, 64), 3)
  assert not suits((1, 16, 16, 64), 64, jnp.bfloat16)
