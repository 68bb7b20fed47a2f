"""Training: the step, the loop, and what ends it."""

import csv
import itertools
import json
import shutil

import jax
import numpy as np
import pytest

from inpaint_jax import (
  checkpoints,
  errors,
  evaluate,
  losses,
  masks,
  models,
  optimizers,
  run as runs,
  sharding,
  train,
  train_step,
)
from inpaint_jax.train_state import create_train_state

# Loss and norms of the gradient and of the new parameters in the first step of
# configs/smoke.py on the batch below, with jax 0.10.2 on a CPU. Where a change
# is meant to move them, run
#   pytest tests/train_test.py -k golden
# and copy what it prints; say in CHANGELOG.md why they moved.
GOLDEN = {
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


def _first_step(config):
  """Returns the state after one step on _batch(), and its metrics."""
  model = models.create_model(config.model)
  tx = optimizers.create_optimizer(config.optimizer, 10)
  state = create_train_state(
    model,
    tx,
    seed=config.seed,
    image_size=config.data.image_size,
    ema_decay=config.ema_decay,
  )
  step = train_step.make_train_step(
    model,
    tx,
    losses.get_loss(config.loss),
    masks.create_sampler(config.masks),
    config,
  )
  return jax.jit(step)(state, _batch())


def _rows(workdir):
  with (workdir / 'metrics.csv').open() as file:
    return list(csv.DictReader(file))


@pytest.mark.parametrize('name', models.MODELS)
def test_golden_metrics_of_one_step(config, name):
  config.model.name = name
  _, values = _first_step(config)
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


def test_every_choice_of_the_config_reaches_the_step(config):
  """No two losses, optimizers or masks make the same update."""
  updates = {}
  for field, name in _choices():
    changed = config.copy_and_resolve_references()
    changed.update_from_flattened_dict({field: name})
    state, _ = _first_step(changed)
    updates[field, name] = np.concatenate(
      [np.ravel(x) for x in jax.tree.leaves(state.params)]
    )
  for (a, b), (c, d) in itertools.combinations(updates, 2):
    if a == c:
      difference = np.abs(updates[a, b] - updates[c, d]).max()
      assert difference > 1e-6, f'{a}={b} and {a}={d} make the same step'


def test_the_seed_draws_weights_and_masks(config):
  _, ours = _first_step(config)
  config.seed = 1
  _, theirs = _first_step(config)
  assert float(ours['loss']) != float(theirs['loss'])


def test_ema_is_the_running_mean_and_is_what_is_used(config):
  before, _ = _first_step(config)
  assert before.ema_params is None
  config.ema_decay = 0.75
  state, _ = _first_step(config)
  initial = create_train_state(
    models.create_model(config.model),
    optimizers.create_optimizer(config.optimizer, 10),
    seed=config.seed,
    image_size=32,
    ema_decay=0.75,
  )
  wanted = jax.tree.map(
    lambda a, b: 0.75 * a + 0.25 * b, initial.params, state.params
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7),
    state.variables()['params'],
    wanted,
  )


def test_batch_statistics_move_in_training(config):
  config.model.name = 'encoder_decoder'
  state, _ = _first_step(config)
  means = [
    x
    for path, x in jax.tree.leaves_with_path(state.batch_stats)
    if 'mean' in jax.tree_util.keystr(path)
  ]
  assert means
  assert all(np.abs(x).max() > 0 for x in means)


def test_is_time():
  times = [step for step in range(1, 13) if train.is_time(step, 5)]
  assert times == [5, 10]
  assert not any(train.is_time(step, 0) for step in range(1, 13))
  first = [step for step in range(1, 13) if train.is_time(step, 5, first=True)]
  assert first == [1, 5, 10]


def test_progress_counts_epochs_without_a_better_loss():
  progress = train.Progress()
  assert [progress.note(x) for x in (3.0, 2.0, 2.5, 2.0, 1.0)] == [
    True,
    True,
    False,
    False,
    True,
  ]
  progress.note(1.5)
  assert (progress.best_loss, progress.stale_epochs) == (1.0, 1)


def test_a_run_leaves_what_it_promises(trained):
  rows = _rows(trained)
  assert [row['step'] for row in rows] == ['1', '2', '4', '5', '6', '8', '10']
  assert all(float(row['train/loss']) > 0 for row in rows)
  assert [bool(row['val/loss']) for row in rows] == [
    False,
    False,
    False,
    True,
    False,
    False,
    True,
  ]
  assert set(rows[0]) == {'step', *train.COLUMNS}
  assert sorted(x.name for x in (trained / 'samples').iterdir()) == [
    'epoch_001.png',
    'epoch_002.png',
  ]
  for kind in ('latest', 'best'):
    with checkpoints.open_manager(trained, kind, create=False) as manager:
      assert manager.all_steps()
  report = json.loads((trained / 'test_metrics.json').read_text())
  assert report['pictures'] == 7


def test_a_finished_run_is_not_trained_again(trained, config, capsys):
  before = (trained / 'metrics.csv').read_bytes()
  train.train_and_evaluate(config, trained)
  out = capsys.readouterr().out
  assert 'going on from the checkpoint of step 10' in out
  assert 'train/loss' not in out
  assert 'best epoch' in out
  assert (trained / 'metrics.csv').read_bytes() == before


def test_a_loss_that_is_not_finite_stops_the_run(config, tmp_path):
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 1e30
  with pytest.raises(errors.UserError, match=r'is (nan|inf) at step [12]; '):
    train.train_and_evaluate(config, tmp_path)
  with checkpoints.open_manager(tmp_path, 'latest', create=False) as manager:
    assert not manager.all_steps()


def test_the_checkpoint_before_a_loss_that_is_not_finite_stays(
  config, tmp_path, monkeypatch
):
  real = train_step.make_train_step

  def poisoned(*args):
    step_fn = real(*args)

    def step(state, batch):
      state, values = step_fn(state, batch)
      loss = jax.numpy.where(state.step == 8, jax.numpy.nan, values['loss'])
      return state, {**values, 'loss': loss}

    return step

  monkeypatch.setattr(train_step, 'make_train_step', poisoned)
  with pytest.raises(
    errors.UserError, match=r'loss is nan at step 8.*checkpoint of step 5 is g'
  ):
    train.train_and_evaluate(config, tmp_path)
  with checkpoints.open_manager(tmp_path, 'latest', create=False) as manager:
    assert manager.latest_step() == 5


def test_a_best_epoch_of_a_lost_future_is_deleted(config, tmp_path):
  """The latest checkpoint is of step 5, as after damage; best is of 10."""
  train.train_and_evaluate(config, tmp_path)
  shutil.rmtree(tmp_path / 'checkpoints' / 'latest' / '10')
  (tmp_path / 'checkpoints' / 'best' / '10').rename(
    tmp_path / 'checkpoints' / 'best' / '9'
  )
  train.train_and_evaluate(config, tmp_path)
  with checkpoints.open_manager(tmp_path, 'best', create=False) as manager:
    assert 9 not in manager.all_steps()
    assert manager.latest_step() == 10


def test_early_stop_and_best_checkpoint(config, tmp_path, monkeypatch):
  """Of val/loss 3, 2, 4, 5 the second is kept, and the fifth never comes."""
  scripted = iter([3.0, 2.0, 4.0, 5.0])
  real = evaluate.evaluate_split

  def evaluate_split(*args):
    measured = real(*args)
    return {**measured, 'loss': np.array([next(scripted)])}

  monkeypatch.setattr(evaluate, 'evaluate_split', evaluate_split)
  config.num_epochs = 9
  config.num_samples = 0
  config.early_stopping_patience = 2
  state = train.train_and_evaluate(config, tmp_path)
  assert int(state.step) == 20
  report = json.loads((tmp_path / 'test_metrics.json').read_text())
  assert (report['epoch'], report['step']) == (2, 10)
  # Started again, it knows that it is over.
  assert int(train.train_and_evaluate(config, tmp_path).step) == 20


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('num_epochs', 0),
    ('seed', -1),
    ('eval_seed', 2**31),
    ('data.num_threads', -1),
    ('log_every_steps', 0),
    ('early_stopping_patience', -1),
    ('checkpoint_every_steps', -5),
    ('num_samples', -1),
    ('ema_decay', 1.0),
  ],
)
def test_numbers_that_no_run_can_have(config, tmp_path, field, value):
  config.update_from_flattened_dict({field: value})
  with pytest.raises(errors.UserError, match=f'--config.{field}={value} '):
    train.train_and_evaluate(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  'field', ['loss', 'model.name', 'optimizer.name', 'masks.kind', 'model.dtype']
)
def test_an_unknown_name_stops_before_anything_is_written(
  config, tmp_path, field
):
  config.update_from_flattened_dict({field: 'nonsense'})
  with pytest.raises(errors.UserError, match=f"{field}='?nonsense"):
    train.train_and_evaluate(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_bfloat16_trains_close_to_float32(config):
  _, ours = _first_step(config)
  config.model.dtype = 'bfloat16'
  state, theirs = _first_step(config)
  np.testing.assert_allclose(ours['loss'], theirs['loss'], rtol=0.02)
  assert all(x.dtype == np.float32 for x in jax.tree.leaves(state.params))


def test_the_state_is_donated(config, tmp_path):
  """The old state's memory is given away, not kept beside the new one."""
  run = runs.create_run(config, tmp_path)
  state = jax.jit(run.create_state)()
  batch = sharding.put_batch(_batch(), run.mesh)
  run.train_step(state, batch)
  assert all(x.is_deleted() for x in jax.tree.leaves(state.params))
