"""One step of training, as a pure function."""

import dataclasses
import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_model import Tiny

from inpaint_jax import losses, masks, models, objectives, optimizers
from inpaint_jax.system import errors
from inpaint_jax.training import evaluate, train_step
from inpaint_jax.training.train_state import create_train_state

# Loss and norms of the gradient and of the new parameters in the first step of
# configs/smoke.py on the batch below, with jax 0.10.2 on a CPU. If a change is
# meant to move them, run
#   pytest tests/training/train_step_test.py -k golden
# and copy what it prints; say in the commit why they moved.
GOLDEN = {
  'attention_unet': (
    0.29811784625053406,
    0.6597572565078735,
    7.481967449188232,
  ),
  'encoder_decoder': (
    0.4139213263988495,
    1.3162477016448975,
    7.391883850097656,
  ),
  'unet': (0.2981640696525574, 0.6594868898391724, 5.787256240844727),
}


def _batch():
  images = np.random.RandomState(0).randint(0, 256, (4, 32, 32, 3), np.uint8)
  return {
    'image': images,
    'index': np.arange(4, dtype=np.int32),
    'valid': np.ones(4, np.float32),
  }


def _create_state(config, model):
  create = functools.partial(
    create_train_state,
    model,
    optimizers.create_optimizer(config.optimizer, 10),
    image_size=config.data.image_size,
    ema_decay=config.ema_decay,
  )
  return jax.jit(create)(config.seed)


def _first_step(config, *seed, model=None):
  """Returns the state after one step on _batch(), and its metrics."""
  model = model or Tiny()
  step = _make_step(config, model)
  return jax.jit(step)(_create_state(config, model), _batch(), *seed)


def _make_step(config, model):
  return train_step.make_train_step(
    model,
    optimizers.create_optimizer(config.optimizer, 10),
    losses.get_loss(config.loss),
    masks.create_sampler(config.masks),
    config,
  )


@pytest.mark.slow
@pytest.mark.parametrize('name', models.MODELS)
def test_golden_metrics_of_one_step(config, name):
  config.model.name = name
  model = models.create_model(config.model)
  _, values = _first_step(config, model=model)
  found = tuple(float(values[x]) for x in ('loss', 'grad_norm', 'param_norm'))
  assert name in GOLDEN, f'add to GOLDEN: {name!r}: {found}'
  np.testing.assert_allclose(
    found, GOLDEN[name], rtol=1e-4, err_msg=f'to refresh: {name!r}: {found}'
  )


def _choices():
  for name in losses.LOSSES:
    yield 'loss', name
  for name in optimizers.OPTIMIZERS:
    yield 'optimizer.name', name
  for name in masks.MASKS:
    yield 'masks.kind', name


@pytest.mark.slow
def test_every_choice_of_the_config_reaches_the_step(config):
  """No two losses, optimizers or masks make the same update."""
  configs = {}
  for field, name in _choices():
    configs[field, name] = config.copy_and_resolve_references()
    configs[field, name].update_from_flattened_dict({field: name})

  # One program, in which the common parts are compiled once.
  @jax.jit
  def steps():
    found = []
    for changed in configs.values():
      state, _ = _make_step(changed, Tiny())(
        _create_state(changed, Tiny()), _batch()
      )
      leaves = jax.tree.leaves(state.params)
      found.append(jnp.concatenate([jnp.ravel(x) for x in leaves]))
    return found

  updates = dict(zip(configs, steps(), strict=True))
  for (a, b), (c, d) in itertools.combinations(updates, 2):
    if a == c:
      difference = np.abs(updates[a, b] - updates[c, d]).max()
      assert difference > 1e-6, f'{a}={b} and {a}={d} make the same step'


@pytest.mark.slow
def test_the_weight_of_holes_reaches_the_step(config):
  _, ours = _first_step(config)
  config.hole_weight = 6.0
  _, theirs = _first_step(config)
  assert abs(theirs['loss'] - ours['loss']) > 1e-3


@pytest.mark.slow
def test_the_seed_draws_weights_and_masks(config):
  _, ours = _first_step(config)
  config.seed = 1
  _, theirs = _first_step(config)
  assert float(ours['loss']) != float(theirs['loss'])


@pytest.mark.slow
def test_a_seed_that_is_an_argument_is_as_good_as_the_configs(config):
  seeds = [np.uint32(x) for x in (0, 1)]
  ours, theirs = (_first_step(config, seed)[1] for seed in seeds)
  assert float(_first_step(config)[1]['loss']) == float(ours['loss'])
  # The initial weights are the same, the masks are not.
  assert float(ours['loss']) != float(theirs['loss'])


def test_batch_statistics_move_in_training(config):
  state, _ = _first_step(config)
  means = [
    x
    for path, x in jax.tree.leaves_with_path(state.batch_stats)
    if 'mean' in jax.tree_util.keystr(path)
  ]
  assert means
  assert all(np.abs(x).max() > 0 for x in means)


@pytest.mark.slow
def test_bfloat16_trains_close_to_float32(config):
  _, ours = _first_step(config)
  state, theirs = _first_step(config, model=Tiny(dtype=jnp.bfloat16))
  assert ours['loss'] != theirs['loss']
  np.testing.assert_allclose(ours['loss'], theirs['loss'], rtol=0.02)
  assert all(x.dtype == np.float32 for x in jax.tree.leaves(state.params))


@pytest.mark.slow
def test_ema_is_the_running_mean_and_is_what_is_used(config):
  before, _ = _first_step(config)
  assert before.ema_params is None
  config.ema_decay = 0.75
  state, _ = _first_step(config)
  initial = _create_state(config, Tiny())
  # The first step's decay is (1 + 1) / (10 + 1). The statistics belong to the
  # parameters: both are averaged.
  for part in ('params', 'batch_stats'):
    jax.tree.map(
      lambda mean, a, b: np.testing.assert_allclose(
        mean, 2 / 11 * a + 9 / 11 * b, atol=1e-6
      ),
      state.variables()[part],
      getattr(initial, part),
      getattr(state, part),
    )


def test_ema_decays_as_told_after_the_first_steps(config):
  config.ema_decay = 0.25
  state = _create_state(config, Tiny())
  step = _make_step(config, Tiny())
  for _ in range(2):
    before = state
    state, _ = jax.jit(step)(state, _batch())
  jax.tree.map(
    lambda mean, a, b: np.testing.assert_allclose(
      mean, 0.25 * a + 0.75 * b, atol=1e-6
    ),
    state.variables()['batch_stats'],
    before.variables()['batch_stats'],
    state.batch_stats,
  )


@pytest.mark.slow
@pytest.mark.parametrize('unrolled', [True, False])
def test_accumulated_parts_make_the_step_of_the_whole(
  config, monkeypatch, unrolled
):
  """This holds unrolled, and in a loop, which accelerators get."""
  # Parts have other batch statistics than the whole, so the model has none.
  model = Tiny(norm=False)
  config.optimizer.name = 'sgd'
  state, whole = _first_step(config, model=model)
  if not unrolled:
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  config.accumulate_steps = 2
  parts_state, parts = _first_step(config, model=model)
  for name in whole:
    np.testing.assert_allclose(parts[name], whole[name], rtol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
    parts_state.params,
    state.params,
  )


@pytest.mark.slow
def test_accumulated_parts_move_batch_statistics_one_by_one(config):
  state, _ = _first_step(config)
  config.accumulate_steps = 4
  parts_state, _ = _first_step(config)
  ours, theirs = (
    jax.tree.leaves(x.batch_stats)[0] for x in (parts_state, state)
  )
  # Four updates of 0.1 come nearer to the batch's statistics than one.
  assert np.abs(ours).sum() > 2 * np.abs(theirs).sum()


class _Dropped(nn.Module):
  """Outputs are 0 or 2, equal in all images that are computed together."""

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    ones = jnp.ones(masked_image.shape) + nn.Dense(3)(0 * masked_image)
    return nn.Dropout(0.5, broadcast_dims=(0,), deterministic=not train)(ones)


@pytest.mark.parametrize('backend', ['cpu', 'gpu'])
def test_dropout_is_drawn_anew_in_each_step_and_part(
  config, monkeypatch, backend
):
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  batch = {'image': np.zeros((4, 32, 32, 3), np.uint8)}
  state = _create_state(config, _Dropped())
  found = []
  for count in (1, 2):
    config.accumulate_steps = count
    step = jax.jit(_make_step(config, _Dropped()))
    for seed in (0, 0, 1):
      found.append(float(step(state, batch, np.uint32(seed))[1]['loss']))
    later = dataclasses.replace(state, step=state.step + 1)
    found.append(float(step(later, batch, np.uint32(0))[1]['loss']))
  assert found[0] == found[1]
  assert found[4] == found[5]
  assert len(set(found)) == 6


class _Grey(nn.Module):
  """A model of one channel."""

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    del mask, train
    return nn.Dense(1)(masked_image)


def test_a_model_of_other_outputs_is_one_line(config):
  with pytest.raises(
    errors.UserError,
    match=r'_Grey returns the shape \[4, 32, 32, 1\]; .* \[4, 32, 32, 3\]',
  ):
    _first_step(config, model=_Grey())


def test_a_loss_of_other_images_is_one_line(config, monkeypatch):
  grey = losses.LOSSES['mse']._replace(to_image=lambda x: x[..., :1])
  monkeypatch.setitem(losses.LOSSES, 'own', grey)
  config.loss = 'own'
  # An objective compares images, as validation does.
  first = objectives.Objective(lambda inputs: inputs.image[:, 0, 0, 0])
  monkeypatch.setitem(objectives.OBJECTIVES, 'style', first)
  config.objectives.style = 1.0
  state = _create_state(config, Tiny())
  sampler = masks.create_sampler(config.masks)
  message = r'to_image of the loss returns the shape \[4, 32, 32, 1\]'
  with pytest.raises(errors.UserError, match=message):
    _first_step(config)
  step = evaluate.make_eval_step(Tiny(), grey, sampler, config)
  with pytest.raises(errors.UserError, match=message):
    step(state.variables(), _batch())
