"""Winograd's convolutions against XLA's, and against doubles."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax.models import layers, winograd


def _draw(shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _convolve(x, kernel):
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _convolve_doubles(x, kernel):
  """The definition, in float64."""
  H, W = x.shape[1:3]
  x = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
  return sum(
    x[:, i : i + H, j : j + W] @ kernel[i, j].astype(np.float64)
    for i in range(3)
    for j in range(3)
  )


def _far(a, b):
  """The largest difference, as a part of the largest value."""
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
  # Measured: 4.6e-7, and 7.8e-7 of XLA's.
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


@pytest.mark.parametrize('part', [1, 8 * 8 * 5, 3 * 8 * 8 * 5])
def test_parts_give_the_same(monkeypatch, part):
  x, kernel = _draw((6, 8, 8, 4)), _draw((3, 3, 4, 5), 1)
  gradient = _draw((6, 8, 8, 5), 2)
  whole = winograd.convolve(x, kernel)
  whole_gradient = winograd.kernel_gradient(x, gradient)
  monkeypatch.setattr(winograd, '_PART', part)
  np.testing.assert_allclose(winograd.convolve(x, kernel), whole, atol=1e-6)
  np.testing.assert_allclose(
    winograd.kernel_gradient(x, gradient), whole_gradient, atol=2e-5
  )


@pytest.mark.parametrize(
  ('batch', 'part', 'wanted'),
  [(4, 1000, 4), (6, 450, 3), (6, 599, 3), (5, 450, 1), (4, 1, 1)],
)
def test_parts_divide_the_batch(monkeypatch, batch, part, wanted):
  monkeypatch.setattr(winograd, '_PART', part)
  # Pictures of 100 values.
  assert winograd._part_size(batch, 100) == wanted


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


def _jaxpr(function, *args):
  return str(jax.make_jaxpr(function)(*args))


def test_layers_take_it_unless_compilation_is_to_be_quick():
  if jax.device_count() > 1:
    pytest.skip('several devices use convolutions of XLA')
  x, kernel = _draw((1, 16, 16, 64)), _draw((3, 3, 64, 64), 1)

  def convolve(x, kernel):
    return layers._convolve_for_flax(
      x,
      kernel,
      (1, 1),
      'SAME',
      dimension_numbers=jax.lax.ConvDimensionNumbers(
        (0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)
      ),
    )

  def convolve_quick(x, kernel):
    with layers.quick_compilation():
      return convolve(x, kernel)

  assert 'conv_general_dilated' not in _jaxpr(convolve, x, kernel)
  assert 'conv_general_dilated' in _jaxpr(convolve_quick, x, kernel)
  # It ends where the block ends.
  assert 'conv_general_dilated' not in _jaxpr(convolve, x, kernel)
  assert _far(convolve(x, kernel), convolve_quick(x, kernel)) < 3e-6


def test_gradients_of_layers_are_those_of_xla():
  x, kernel = _draw((2, 16, 16, 64)), _draw((3, 3, 64, 64), 1)
  weights = _draw((2, 16, 16, 64), 2)

  def loss(convolve, x, kernel):
    return (convolve(x, kernel) * weights).sum()

  ours = jax.grad(functools.partial(loss, layers.convolve), (0, 1))(x, kernel)
  wanted = jax.grad(functools.partial(loss, _convolve), (0, 1))(x, kernel)
  for a, b in zip(ours, wanted, strict=True):
    assert _far(a, b) < 3e-6
