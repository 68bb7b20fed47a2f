"""Tests of optimizers.py; golden/optimizers.npz tells how it was made."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import default
from inpaint_jax import optimizers
from inpaint_jax.system import errors

GOLDEN = np.load(pathlib.Path(__file__).parent / 'golden/optimizers.npz')
CASES = {
  'plain': {},
  'weight_decay': {'weight_decay': 0.01},
  'clip': {'clip_norm': 2.2},
  'momentum': {'momentum': 0.9},
}
WITH_MOMENTUM = ('sgd', 'rmsprop')


def _config(**fields):
  config = default.get_config().optimizer
  config.update(fields)
  return config


def _fields(name, case):
  if case != 'all':
    return CASES[case]
  fields = {k: v for options in CASES.values() for k, v in options.items()}
  if name not in WITH_MOMENTUM:
    del fields['momentum']
  return fields


def _train(tx, grads, params):
  """Returns the parameters after each update, trained as two leaves."""

  def split(x):
    return {'a': x[:4].reshape(2, 2), 'b': x[4:]}

  params = split(jnp.asarray(params))
  state = tx.init(params)
  update = jax.jit(tx.update)
  after = []
  for grad in grads:
    updates, state = update(split(jnp.asarray(grad)), state, params)
    params = optax.apply_updates(params, updates)
    after.append(np.concatenate([params['a'].ravel(), params['b']]))
  return np.stack(after)


@pytest.mark.parametrize(
  ('name', 'case'),
  [
    (name, case)
    for name in optimizers.OPTIMIZERS
    for case in [*CASES, 'all']
    if case != 'momentum' or name in WITH_MOMENTUM
  ],
)
def test_equals_torch(name, case):
  config = _config(name=name, learning_rate=0.1, **_fields(name, case))
  tx = optimizers.create_optimizer(config, num_steps=20)
  found = _train(tx, GOLDEN['grads'], GOLDEN['start'])
  wanted = GOLDEN[f'{name}/{case}']
  assert wanted.shape == (20, 10)
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_golden_gradients_are_hard():
  grads = GOLDEN['grads']
  assert np.any(np.all(grads == 0, axis=0))
  assert np.any(np.all((grads != 0) & (np.abs(grads) < 3e-9), axis=0))
  norms = np.linalg.norm(grads, axis=1)
  assert norms.min() < 2.1 < 2.3 < norms.max()  # Some are clipped, some not.
  assert '2.13' in str(GOLDEN['torch_version'])


@pytest.mark.parametrize('name', optimizers.OPTIMIZERS)
def test_schedule_acts_on_the_whole_step(name):
  """As in torch, a rate of 0 changes nothing, whatever the momentum."""
  momentum = 0.9 if name in WITH_MOMENTUM else 0.0
  config = _config(name=name, momentum=momentum)
  schedule = optax.piecewise_constant_schedule(0.1, {10: 0.0})
  tx = optimizers.OPTIMIZERS[name](schedule, config)
  after = _train(tx, GOLDEN['grads'], GOLDEN['start'])
  assert np.any(after[10] != after[0])
  np.testing.assert_array_equal(after[10:], np.tile(after[10], (10, 1)))


def test_constant_schedule():
  schedule = optimizers.create_schedule(_config(learning_rate=0.5), 10)
  assert [float(schedule(count)) for count in (0, 5, 10)] == [0.5] * 3


def test_cosine_schedule():
  config = _config(learning_rate=0.5, schedule='cosine')
  schedule = optimizers.create_schedule(config, 10)
  wanted = 0.25 * (1 + np.cos(np.pi * np.arange(11) / 10))
  found = [float(schedule(count)) for count in range(11)]
  np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_cosine_schedule_with_warmup():
  config = _config(learning_rate=0.5, schedule='cosine', warmup_steps=5)
  schedule = optimizers.create_schedule(config, 15)
  rise = np.arange(5) / 10
  fall = 0.25 * (1 + np.cos(np.pi * np.arange(11) / 10))
  found = [float(schedule(count)) for count in range(16)]
  np.testing.assert_allclose(found, [*rise, *fall], atol=1e-7)


def test_optimizer_follows_the_schedule():
  config = _config(
    name='sgd', learning_rate=0.5, schedule='cosine', warmup_steps=2
  )
  tx = optimizers.create_optimizer(config, 4)
  after = _train(tx, np.ones((4, 5), np.float32), np.zeros(5, np.float32))
  # Rates 0, 0.25, 0.5 and 0.25.
  np.testing.assert_allclose(after[:, 0], [0, -0.25, -0.75, -1], atol=1e-6)


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'name': 'adamw'}, r'name=.adamw.*adagrad, adam, rmsprop, sgd'),
    ({'schedule': 'linear'}, r'schedule=.linear.*constant, cosine'),
    ({'learning_rate': -0.1}, r'learning_rate=-0\.1 .*positive'),
    ({'learning_rate': 0.0}, r'learning_rate=0\.0 .*positive'),
    ({'learning_rate': float('nan')}, r'learning_rate=nan .*positive'),
    ({'momentum': 0.9}, r'momentum=0\.9 .*adam; .*rmsprop or sgd'),
    (
      {'momentum': 0.9, 'name': 'adagrad'},
      r'momentum=0\.9 .*adagrad; .*rmsprop or sgd',
    ),
    ({'momentum': 1.0, 'name': 'sgd'}, r'momentum=1\.0 .*less than 1'),
    ({'momentum': -0.5, 'name': 'sgd'}, r'momentum=-0\.5 .*at least 0'),
    ({'warmup_steps': 3}, r'warmup_steps=3 .*schedule=constant'),
    (
      {'warmup_steps': 10, 'schedule': 'cosine'},
      r'warmup_steps=10 .*less than the 10 steps',
    ),
    ({'warmup_steps': -1, 'schedule': 'cosine'}, r'warmup_steps=-1 '),
    ({'clip_norm': -1.0}, r'clip_norm=-1\.0 .*0 \(off\)'),
    ({'weight_decay': -1.0}, r'weight_decay=-1\.0 .*0 \(off\)'),
  ],
)
def test_a_wrong_field_is_one_line(fields, message):
  for section in ('optimizer', 'discriminator.optimizer'):
    with pytest.raises(errors.UserError, match=message) as error:
      optimizers.create_optimizer(_config(**fields), 10, section)
    line = str(error.value)
    assert '\n' not in line
    assert line.startswith(f'{section}.')
    assert line.count('optimizer.') == line.count(f'{section}.')
