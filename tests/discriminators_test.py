"""discriminators.py: what is scored, and what the hole's target is."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import default
from inpaint_jax import discriminators, models, objectives
from inpaint_jax.system import errors

# Trainable parameters of the modules without arguments.
GOLDEN_COUNTS = {
  'global_local': 5_516_162,
  'patch': 2_761_153,
  'projected': 98_690,
}


@functools.cache
def _create(name):
  module = discriminators.DISCRIMINATORS[name](features=(4, 6, 8))
  init = jax.jit(lambda key: models.init_variables(module, key, 32))
  return module, init(jax.random.key(0))


def _judge(name, image, mask):
  module, variables = _create(name)
  return jax.jit(lambda v, *x: module.apply(v, *x, train=False))(
    variables, image, mask
  )


@pytest.mark.parametrize('name', discriminators.DISCRIMINATORS)
def test_x64_changes_no_type(name):
  with jax.enable_x64(True):
    module = discriminators.DISCRIMINATORS[name](features=(2,))
    init = functools.partial(models.init_variables, module, image_size=32)
    shapes = jax.eval_shape(init, jax.random.key(0))
  assert {x.dtype for x in jax.tree.leaves(shapes)} == {jnp.dtype('float32')}


@pytest.mark.parametrize('name', discriminators.DISCRIMINATORS)
def test_parameter_count(name):
  assert set(GOLDEN_COUNTS) == set(discriminators.DISCRIMINATORS)
  module = discriminators.DISCRIMINATORS[name]()
  shapes = jax.eval_shape(
    lambda key: models.init_variables(module, key, 64), jax.random.key(0)
  )
  assert models.count_parameters(shapes['params']) == GOLDEN_COUNTS[name]


@pytest.mark.slow
def test_patches_have_the_hole_as_their_target():
  image = jnp.ones((1, 32, 48, 3))
  mask = jnp.zeros((1, 32, 48, 1)).at[0, 7, 8].set(1)
  judged = _judge('patch', image, mask)
  holes = np.zeros((4, 6))
  holes[0, 1] = 1
  np.testing.assert_array_equal(judged.holes[0].reshape(4, 6), holes)
  assert judged.scores.shape == judged.holes.shape
  assert [x.shape[1] for x in judged.maps] == [16, 8, 4]


@pytest.mark.slow
def test_a_patch_score_changes_with_its_own_patch():
  r = np.random.RandomState(0)
  image = r.rand(1, 64, 64, 3).astype(np.float32)
  mask = np.zeros_like(image[..., :1])
  changed = image.copy()
  changed[0, :8, :8] = 0
  before, after = (_judge('patch', x, mask).scores for x in (image, changed))
  difference = np.abs(before - after).reshape(8, 8)
  assert difference[0, 0] > 1e-6
  assert difference[4:, 4:].max() == 0


@pytest.mark.slow
def test_the_local_square_follows_the_hole():
  """A change far from the hole changes the global score alone."""
  r = np.random.RandomState(0)
  image = r.rand(1, 64, 64, 3).astype(np.float32)
  mask = np.zeros_like(image[..., :1])
  mask[0, 48:60, 48:60] = 1
  changed = image.copy()
  changed[0, :16, :16] = 0
  judged, other = (_judge('global_local', x, mask) for x in (image, changed))
  assert judged.scores.shape == judged.holes.shape == (1, 2)
  assert np.all(judged.holes == 1)
  assert abs(judged.scores - other.scores)[0, 0] > 1e-6
  assert judged.scores[0, 1] == other.scores[0, 1]


@pytest.mark.slow
@pytest.mark.parametrize('name', discriminators.DISCRIMINATORS)
def test_kernels_are_divided_by_their_largest_singular_value(name):
  module, variables = _create(name)
  image, mask = jnp.ones((1, 32, 32, 3)), jnp.ones((1, 32, 32, 1))

  @jax.jit
  def update(variables):
    _, mutated = module.apply(
      variables, image, mask, train=True, mutable=['batch_stats']
    )
    return {**variables, **mutated}

  for _ in range(40):
    variables = update(variables)
  layers = [x for x in variables['params'] if 'layers' in x]
  for layer in layers:
    kernel = variables['params'][layer]['conv2']['kernel']
    stats = variables['batch_stats'][layer]['norm2']
    (sigma,) = [x for k, x in stats.items() if k.endswith('sigma')]
    values = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]))[1]
    np.testing.assert_allclose(sigma, values[0], rtol=0.02)


@pytest.mark.slow
def test_projected_scores_have_the_hole_as_their_target():
  image = jnp.full((1, 32, 48, 3), 0.5)
  mask = jnp.zeros((1, 32, 48, 1)).at[0, 7, 8].set(1)
  judged = _judge('projected', image, mask)
  first, second, third = np.split(judged.holes[0], [16 * 24, 16 * 24 + 8 * 12])
  for holes, shape in (first, (16, 24)), (second, (8, 12)), (third, (4, 6)):
    near = np.argwhere(holes.reshape(shape)) * (32 / shape[0])
    # The hole, and at most one more score on each side of it.
    assert 1 <= len(near) <= 4
    assert np.abs(near - [7, 8]).max() <= 2 * 32 / shape[0]
  assert judged.scores.shape == judged.holes.shape
  assert len(judged.maps) == 6


@pytest.mark.slow
def test_a_projected_discriminator_learns_what_is_blurred_in_few_steps():
  r = np.random.RandomState(0)
  sharp = r.rand(8, 32, 32, 3).astype(np.float32)
  blurred = np.repeat(np.repeat(sharp[:, ::4, ::4], 4, 1), 4, 2)
  mask = np.ones_like(sharp[..., :1])
  module = discriminators.DISCRIMINATORS['projected'](features=(8,))
  variables = models.init_variables(module, jax.random.key(0), 32)
  tx = optax.adam(1e-2)

  def compute(params, stats):
    def judge(image):
      return module.apply(
        {'params': params, 'batch_stats': stats},
        image,
        mask,
        train=True,
        mutable=['batch_stats'],
      )

    (real, stats), (filled, _) = judge(sharp), judge(blurred)
    loss = objectives.ADVERSARIAL_LOSSES['hinge']
    value = jnp.mean(objectives.discriminator_loss(real, filled, loss))
    return value, (stats['batch_stats'], objectives.accuracies(real, filled))

  @jax.jit
  def step(params, stats, state):
    grads, (stats, judged) = jax.grad(compute, has_aux=True)(params, stats)
    updates, state = tx.update(grads, state)
    return optax.apply_updates(params, updates), stats, state, judged

  params, stats = variables['params'], variables['batch_stats']
  state = tx.init(params)
  for _ in range(30):
    params, stats, state, judged = step(params, stats, state)
  assert all(np.mean(x) > 0.9 for x in judged.values())


@pytest.mark.usefixtures('no_lpips')
def test_a_projected_discriminator_without_lpips_is_one_line():
  module = discriminators.DISCRIMINATORS['projected']()
  with pytest.raises(errors.UserError, match='projected needs the package lpi'):
    models.init_variables(module, jax.random.key(0), 32)


def test_a_discriminator_without_features_is_one_line(monkeypatch):
  monkeypatch.setitem(discriminators.DISCRIMINATORS, 'patch', nn.Module)
  with pytest.raises(errors.UserError, match='needs the field features'):
    discriminators.create_discriminator(default.get_config().discriminator)


def test_wrong_fields_are_named():
  config = default.get_config().discriminator
  config.name = 'x'
  with pytest.raises(errors.UserError, match='choose one of: global_local'):
    discriminators.create_discriminator(config)
  config.name, config.features = 'patch', (0,)
  with pytest.raises(errors.UserError, match='must be positive integers'):
    discriminators.create_discriminator(config)
