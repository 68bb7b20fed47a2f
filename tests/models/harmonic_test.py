"""models/harmonic.py and harmonic_base.py, against the solver for photos."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import default
from inpaint_jax import losses, masks, models
from inpaint_jax.inpainting import harmonic as reference
from inpaint_jax.models import harmonic
from inpaint_jax.system import errors


def _images(size, count=2):
  """Returns smooth images with noise, since both matter to the fill."""
  r = np.random.RandomState(0)
  coarse = r.rand(count, size // 16, size // 16, 3).repeat(16, 1).repeat(16, 2)
  return (0.7 * coarse + 0.3 * r.rand(*coarse.shape)).astype(np.float32)


def _masks(kind, size, count=2):
  config = default.get_config().masks
  config.kind, config.strokes = kind, 'thick'
  sampler = masks.create_sampler(config)
  index = jnp.arange(count)
  return np.asarray(masks.evaluation_masks(sampler, 0, index, size, size))


@pytest.mark.parametrize(
  ('size', 'count'), [(64, 12), pytest.param(256, 3, marks=pytest.mark.slow)]
)
def test_error_is_below_a_level_of_8_bits(size, count):
  image, fill = _images(size, count), jax.jit(harmonic.fill)
  for kind in ('stamps', 'strokes', 'box', 'border'):
    mask = _masks(kind, size, count)
    filled = np.asarray(fill(image * (1 - mask), mask))
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(filled[known], image[known])
    wanted = np.stack(list(map(reference.harmonic_fill, image, known)))
    assert np.abs(filled - wanted).max() < 1 / 255, kind


@pytest.mark.parametrize('colour', [0.0, 0.5])
def test_derivatives_are_those_of_a_linear_map(colour):
  """This holds for a black image, too, in which the solver makes no steps."""
  mask, step = _masks('box', 32), _images(32)
  fill = lambda image: harmonic.fill(image * (1 - mask), mask)
  image = jnp.full_like(step, colour)
  filled, change = jax.jvp(fill, (image,), (step,))
  np.testing.assert_allclose(change, fill(step), atol=1e-5)
  np.testing.assert_allclose(filled, colour, atol=1e-5)
  weights = np.random.RandomState(1).rand(*step.shape).astype(np.float32)
  gradient = jax.grad(lambda image: jnp.sum(weights * fill(image)))(image)
  found, wanted = np.sum(gradient * step), np.sum(weights * change)
  np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_gradient_is_finite_where_nothing_is_known():
  image, hole = _images(32), np.ones((2, 32, 32, 1), np.float32)
  gradient = jax.grad(lambda image: jnp.sum(harmonic.fill(image, hole)))
  assert np.isfinite(gradient(0 * image)).all()


def test_a_gradient_comes_back_to_the_image():
  """It does so through the base of a model that does not change it yet."""
  image, mask = _images(32), _masks('box', 32)
  model, variables = _create('unet', 'l1')
  apply = lambda image: model.apply(
    variables, image * (1 - mask), mask, train=False
  )
  gradient = jax.grad(lambda image: jnp.sum(mask * apply(image)))(image)
  assert np.abs(gradient).max() > 0.1


def test_no_hole_and_nothing_known():
  image, fill = _images(32), jax.jit(harmonic.fill)
  hole = np.ones_like(image[..., :1])
  np.testing.assert_array_equal(fill(image, 0 * hole), image)
  assert not np.any(fill(0 * image, hole))


def _create(name, loss, **fields):
  config = default.get_config().model
  config.name, config.features, config.conv = name, (4, 6, 8), 'xla'
  config.base = 'harmonic'
  model = models.create_model(config, losses.LOSSES[loss].to_outputs)
  init = jax.jit(lambda key: models.init_variables(model, key, 32))
  return model, init(jax.random.key(0))


@pytest.mark.slow
@pytest.mark.parametrize('name', models.MODELS)
def test_a_model_starts_as_the_harmonic_fill(name):
  image, mask = _images(32), _masks('box', 32)
  masked_image = image * (1 - mask)
  model, variables = _create(name, 'l1')
  filled = jax.jit(harmonic.fill)(masked_image, mask)
  apply = jax.jit(lambda *x: model.apply(*x, train=False))
  outputs = apply(variables, masked_image, mask)
  image = losses.LOSSES['l1'].to_image(outputs)
  np.testing.assert_allclose(image, filled, atol=1 / 512)
  for loss in losses.LOSSES.values():
    image = loss.to_image(loss.to_outputs(filled))
    np.testing.assert_allclose(image, filled, atol=1 / 512)


@pytest.mark.slow
@pytest.mark.parametrize('name', models.MODELS)
def test_variables_are_those_of_the_model_itself(name):
  _, variables = _create(name, 'mse')
  plain = models.MODELS[name](features=(4, 6, 8))
  init = jax.jit(lambda key: models.init_variables(plain, key, 32))
  expected = init(jax.random.key(0))
  assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, expected)
  np.testing.assert_array_equal(
    *(jax.tree.leaves(x['params'])[0] for x in (variables, expected))
  )


@pytest.mark.parametrize('train', [False, True])
def test_rounding_at_known_pixels_has_no_slope(train):
  """Of |x| it would have a slope of 1, whatever the size of the error."""
  image, mask = _images(32), _masks('box', 32)
  model, variables = _create('encoder_decoder', 'l1')
  loss = losses.LOSSES['l1']

  @jax.jit
  @jax.grad
  def gradient(variables, weight):
    outputs = model.apply(
      variables, image * (1 - mask), mask, train=train, mutable=['batch_stats']
    )[0]
    return jnp.sum(weight * loss.fn(outputs, image))

  def norm(weight):
    return optax.tree.norm(gradient(variables, weight)['params'])

  assert norm(mask) > 1
  assert (norm(1 - mask) == 0) == train


@pytest.mark.slow
def test_colours_out_of_range_come_back():
  """The loss's gradient leads back, and is as large as within the range."""
  image, mask = _images(32), _masks('box', 32)
  model, variables = _create('unet', 'l1')
  loss, params = losses.LOSSES['l1'], variables['params']

  @jax.jit
  @jax.grad
  def gradient(params):
    outputs = model.apply({'params': params}, 0 * image, mask, train=False)
    return jnp.mean(loss.fn(outputs, jnp.full_like(image, 0.5)))

  drawn = params['decoder3_conv']['bias']
  for colour, sign in ((0, 1), (1.5, -1), (-0.5, 1)):
    params['decoder3_conv']['bias'] = drawn + colour
    bias = gradient(params)['decoder3_conv']['bias']
    np.testing.assert_allclose(bias, -sign / 3, rtol=1e-3)


def test_a_loss_without_to_outputs_is_refused():
  config = default.get_config().model
  config.base = 'harmonic'
  with pytest.raises(errors.UserError, match='needs a loss that has'):
    models.create_model(config)
  config.base = 'mean'
  with pytest.raises(errors.UserError, match='harmonic, none'):
    models.create_model(config)
