"""Training: the step, the loop, and what ends it."""

import csv
import gzip
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import types

import jax
import numpy as np
import pytest

from inpaint_jax import losses, metrics, models, objectives
from inpaint_jax.release import released_file
from inpaint_jax.runs import checkpoints, trained_model
from inpaint_jax.system import errors
from inpaint_jax.training import evaluate, starts, train, train_step

pytestmark = pytest.mark.slow


def _rows(workdir):
  with (workdir / 'metrics.csv').open() as file:
    return list(csv.DictReader(file))


def test_is_time():
  times = [step for step in range(1, 13) if train.is_time(step, 5)]
  assert times == [5, 10]
  assert not any(train.is_time(step, 0) for step in range(1, 13))
  first = [step for step in range(1, 13) if train.is_time(step, 5, first=True)]
  assert first == [1, 5, 10]


def test_progress_counts_epochs_without_a_better_loss():
  progress = starts.Progress()
  assert [progress.add_epoch(x) for x in (3.0, 2.0, 2.5, 2.0, 1.0)] == [
    True,
    True,
    False,
    False,
    True,
  ]
  progress.add_epoch(1.5)
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
  training = ('loss', 'grad_norm', 'param_norm', 'learning_rate')
  assert set(rows[0]) == {
    'step',
    *(f'train/{name}' for name in training),
    *(f'val/{name}' for name in evaluate.metric_names()),
  }
  assert sorted(x.name for x in (trained / 'samples').iterdir()) == [
    'epoch_001.png',
    'epoch_002.png',
  ]
  for kind in ('latest', 'best'):
    with checkpoints.open_manager(trained, kind, create=False) as manager:
      assert manager.all_steps()
  report = json.loads((trained / 'test_metrics.json').read_text())
  assert report['images'] == 7


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_last_step_ends_the_run(
  trained, config, tmp_path, monkeypatch, capsys, number
):
  shutil.copytree(trained, tmp_path / 'run')
  create = train.feed.device_batches

  def create_and_signal(*args, **kwargs):
    os.kill(os.getpid(), number)
    return create(*args, **kwargs)

  monkeypatch.setattr(train.feed, 'device_batches', create_and_signal)
  with pytest.raises(SystemExit) as ended:
    train.train(config, tmp_path / 'run')
  assert ended.value.code == 128 + number
  out = capsys.readouterr().out
  assert f'{number.name}: saved step 10; the same command goes on' in out


@pytest.mark.usefixtures('no_lpips')
def test_a_finished_run_is_not_trained_again(trained, config, tmp_path, capsys):
  run = shutil.copytree(trained, tmp_path / 'run')
  before = (run / 'metrics.csv').read_bytes()
  train.train_and_evaluate(config, run)
  out = capsys.readouterr().out
  assert 'going on from the checkpoint of step 10' in out
  assert 'train/loss' not in out
  assert 'best epoch' in out
  assert (run / 'metrics.csv').read_bytes() == before


def test_training_without_a_test(tiny, tmp_path):
  tiny.profile.num_steps = 2
  result = train.train(tiny, tmp_path)
  assert int(result.state.step) == 10
  assert result.seconds > 0
  assert result.images_per_second > 0
  assert not (tmp_path / 'test_metrics.json').exists()
  # The run ends before its profile begins.
  assert not (tmp_path / 'profile').exists()
  # Started again, it has nothing to train and nothing to time.
  again = train.train(tiny, tmp_path)
  assert again.seconds == result.seconds
  assert again.images_per_second is None


def test_waiting_for_input_is_logged(tiny, tmp_path, monkeypatch):
  """Steps 1, 2, 4, 5, 6, 8 and 10 log the seconds since the row before."""
  waits, names = [], []
  log_train, scalars = train.console.Console.log_train, train.Writer.scalars

  def record_wait(self, step, row, waited):
    waits.append(waited)
    return log_train(self, step, row, waited)

  def record_names(self, step, values):
    names.extend(values)
    scalars(self, step, values)

  monkeypatch.setattr(train.console.Console, 'log_train', record_wait)
  monkeypatch.setattr(train.Writer, 'scalars', record_names)
  # Only the feed reads this clock, twice per batch.
  clock = itertools.count()
  fake = types.SimpleNamespace(monotonic=lambda: float(next(clock)))
  monkeypatch.setattr(train.feed, 'time', fake)
  train.train(tiny, tmp_path)
  assert waits == [1, 1, 2, 1, 1, 2, 2]
  assert names.count('train/input_wait') == 7
  assert 'input_wait' not in (tmp_path / 'metrics.csv').read_text()


def test_the_state_is_donated(tiny, tmp_path, monkeypatch):
  """The memory of the old state is reused, not kept next to the new one."""
  states = []
  real = train.create_step

  def recording(*args):
    create_state, step_fn = real(*args)

    def step(state, *args):
      states.append(state)
      return step_fn(state, *args)

    return create_state, step

  monkeypatch.setattr(train, 'create_step', recording)
  result = train.train(tiny, tmp_path)
  assert len(states) == 10
  for state in states:
    assert all(x.is_deleted() for x in jax.tree.leaves(state.params))
  assert not any(x.is_deleted() for x in jax.tree.leaves(result.state))


def test_some_steps_are_profiled(tiny, tmp_path):
  tiny.num_epochs = 1
  tiny.num_samples = 0
  tiny.profile.skip_steps = 2
  tiny.profile.num_steps = 2
  train.train(tiny, tmp_path)
  (trace,) = (tmp_path / 'profile').rglob('perfetto_trace.json.gz')
  text = gzip.decompress(trace.read_bytes()).decode()
  assert 'PjitFunction(train_step)' in text


def test_a_loss_that_is_not_finite_stops_the_run(tiny, tmp_path):
  tiny.optimizer.name = 'sgd'
  tiny.optimizer.learning_rate = 1e30
  with pytest.raises(train.DivergedError, match=r'is (nan|inf) at step [12]; '):
    train.train(tiny, tmp_path)
  with checkpoints.open_manager(tmp_path, 'latest', create=False) as manager:
    assert not manager.all_steps()


def test_a_metric_that_is_not_finite_may_be_at_fault(
  tiny, tmp_path, monkeypatch
):
  nan = lambda composite, image, mask: jax.numpy.full(len(image), jax.numpy.nan)
  monkeypatch.setitem(metrics.COMPOSITE_METRICS, 'wrong', nan)
  tiny.best_metric = 'val/wrong'
  message = r'val/wrong is nan at step 5; .*, or choose another best_metric'
  with pytest.raises(train.DivergedError, match=message):
    train.train(tiny, tmp_path)


def test_the_checkpoint_before_a_loss_that_is_not_finite_stays(
  tiny, tmp_path, monkeypatch
):
  real = train_step.make_train_step

  def poisoned(*args):
    step_fn = real(*args)

    def step(state, *args):
      state, values = step_fn(state, *args)
      loss = jax.numpy.where(state.step == 8, jax.numpy.nan, values['loss'])
      return state, {**values, 'loss': loss}

    return step

  monkeypatch.setattr(train_step, 'make_train_step', poisoned)
  with pytest.raises(
    errors.UserError, match=r'loss is nan at step 8.*checkpoint of step 5 is g'
  ):
    train.train(tiny, tmp_path)
  with checkpoints.open_manager(tmp_path, 'latest', create=False) as manager:
    assert manager.latest_step() == 5


def test_a_best_epoch_of_a_lost_future_is_deleted(tiny, tmp_path):
  """As after damage, the latest checkpoint is older than the best one."""
  train.train(tiny, tmp_path)
  shutil.rmtree(tmp_path / 'checkpoints' / 'latest' / '10')
  (tmp_path / 'checkpoints' / 'best' / '10').rename(
    tmp_path / 'checkpoints' / 'best' / '9'
  )
  train.train(tiny, tmp_path)
  with checkpoints.open_manager(tmp_path, 'best', create=False) as manager:
    assert 9 not in manager.all_steps()
    assert manager.latest_step() == 10


def test_a_lost_best_epoch_is_replaced_by_the_latest(tiny, tmp_path, capsys):
  tiny.checkpoint_every_steps = 4
  train.train(tiny, tmp_path)
  shutil.rmtree(tmp_path / 'checkpoints' / 'best')
  before = _rows(tmp_path)
  train.train(tiny, tmp_path)
  assert 'has no checkpoint any more' in capsys.readouterr().out
  found = trained_model.load_run(tmp_path)
  assert (found.step, found.info['epoch']) == (10, 2)
  assert found.info['val/loss'] == pytest.approx(float(before[-1]['val/loss']))
  assert _rows(tmp_path) == before
  # In the middle of an epoch it is not replaced yet, at its end it is.
  shutil.rmtree(tmp_path / 'checkpoints' / 'best')
  shutil.rmtree(tmp_path / 'checkpoints' / 'latest' / '10')
  assert int(train.train(tiny, tmp_path).state.step) == 10
  assert 'going on from the checkpoint of step 8' in capsys.readouterr().out
  found = trained_model.load_run(tmp_path)
  assert (found.step, found.info['epoch']) == (10, 2)


def test_the_best_epoch_is_not_deleted_where_the_latest_is_lost(
  trained, config, tmp_path
):
  run = shutil.copytree(trained, tmp_path / 'run')
  shutil.rmtree(run / 'checkpoints' / 'latest')
  step = trained_model.load_run(run).step
  assert step == 10
  with pytest.raises(errors.UserError, match=r'checkpoints/latest, .* is gone'):
    train.train(config, run)
  assert trained_model.load_run(run).step == step


def test_a_finished_run_goes_on_for_more_epochs(tiny, tmp_path):
  """It ends like a run that had all epochs from the start."""
  tiny.num_epochs = 1
  train.train(tiny, tmp_path / 'longer')
  tiny.num_epochs = 2
  ours = train.train(tiny, tmp_path / 'longer').state
  theirs = train.train(tiny, tmp_path / 'at once').state
  jax.tree.map(np.testing.assert_array_equal, ours, theirs)
  assert _rows(tmp_path / 'longer') == _rows(tmp_path / 'at once')


def test_a_run_goes_on_whatever_more_was_remembered(tiny, tmp_path):
  tiny.num_epochs = 1
  state = train.train(tiny, tmp_path).state
  with checkpoints.open_manager(tmp_path, 'latest') as manager:
    manager.delete(5)
    checkpoints.save(manager, 5, state, {'best_loss': 0.0, 'novel': 1})
  tiny.num_epochs = 2
  assert int(train.train(tiny, tmp_path).state.step) == 10


@pytest.mark.usefixtures('no_lpips')
def test_early_stop_and_best_checkpoint(tiny, tmp_path, monkeypatch):
  """With val/loss 3, 2, 4, 5, epoch 2 is kept, and epoch 5 never comes."""
  scripted = iter([3.0, 2.0, 4.0, 5.0])
  real = evaluate.evaluate_split

  def evaluate_split(*args):
    measured, samples = real(*args)
    return {**measured, 'loss': np.array([next(scripted)])}, samples

  monkeypatch.setattr(evaluate, 'evaluate_split', evaluate_split)
  tiny.num_epochs = 9
  tiny.num_samples = 0
  tiny.early_stopping_patience = 2
  state = train.train_and_evaluate(tiny, tmp_path)
  assert int(state.step) == 20
  report = json.loads((tmp_path / 'test_metrics.json').read_text())
  assert (report['epoch'], report['step']) == (2, 10)
  # Started again, the run knows that it has ended.
  assert int(train.train_and_evaluate(tiny, tmp_path).step) == 20


@pytest.mark.parametrize('kind', ['a workdir', 'a released file'])
def test_training_goes_on_from_another(trained, config, tmp_path, capsys, kind):
  """With a learning rate of nearly 0, the model stays what it was."""
  source, rtol = trained, 0
  if kind == 'a released file':
    source, rtol = tmp_path / 'net.safetensors', 2**-11
    released_file.write(source, trained_model.load_run(trained), {})
  config.init_from = str(source)
  config.optimizer.learning_rate = 1e-12
  config.num_epochs = 1
  state = train.train(config, tmp_path / 'run').state
  assert f'starting from the parameters of {source}' in capsys.readouterr().out
  wanted = trained_model.load_run(trained).variables['params']
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6),
    state.params,
    wanted,
  )


def test_an_attention_unet_goes_on_from_a_unet(
  trained, config, tmp_path, capsys
):
  """The UNet's parameters are taken over, those of attention are new."""
  wanted = trained_model.load_run(trained).variables['params']
  config.init_from = str(trained)
  config.model.name = 'attention_unet'
  config.optimizer.learning_rate = 1e-12
  config.num_epochs = 1
  params = train.train(config, tmp_path / 'run').state.params
  assert 'drawn from the seed' in capsys.readouterr().out
  assert params.keys() - wanted.keys() == {
    f'attention_{x}' for x in ('query', 'key', 'value', 'found')
  }
  for name, x in wanted.items():
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6),
      params[name],
      x,
    )


def test_another_link_of_the_loss_is_told(trained, config, capsys):
  config.init_from = str(trained)
  for loss, is_told in (('kl_div', True), ('l1', False)):
    config.loss = loss
    starts.take_over(trained_model.load_run(trained), config, {})
    assert ('outputs of loss=mse' in capsys.readouterr().out) == is_told


@pytest.mark.parametrize(
  ('number', 'column'),
  [(0, 'val/loss'), (1, 'val/max_error'), (2, 'val/loss')],
)
def test_the_lines_in_docs(data_dir, tmp_path, monkeypatch, number, column):
  docs = pathlib.Path(__file__).parents[2] / 'docs'
  text = (docs / 'extending.md').read_text()
  blocks = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  block = [x for x in blocks if 'train_and_evaluate' in x][number]
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('INPAINT_JAX_DATA', str(data_dir))
  for module, name in (
    (losses, 'LOSSES'),
    (objectives, 'OBJECTIVES'),
    (metrics, 'COMPOSITE_METRICS'),
    (models, 'MODELS'),
  ):
    monkeypatch.setattr(module, name, {**getattr(module, name)})
  exec(block, {})
  [run] = (tmp_path / 'runs').iterdir()
  rows = _rows(run)
  assert all(float(rows[i][column]) > 0 for i in (3, 6))
  train_column = f'train/{run.name}'
  assert all(float(row.get(train_column, 1)) > 0 for row in rows)
  assert (train_column in rows[0]) == (number == 1)


def test_training_goes_on_from_nothing(tiny, tmp_path):
  tiny.init_from = 'nothing'
  # Not even what comes first is built.
  tiny.data.data_dir = str(tmp_path / 'data')
  with pytest.raises(
    errors.UserError, match=r"'nothing' holds no run .*choose"
  ):
    train.train(tiny, tmp_path / 'run')
  assert not (tmp_path / 'data').exists()


@pytest.mark.parametrize('field', ['features', 'depth'])
def test_training_goes_on_from_the_same_model_only(trained, config, field):
  config.init_from = str(trained)
  with config.unlocked():
    config.model[field] = (4, 4, 8)
  with pytest.raises(
    errors.UserError, match=rf'init_from=.* has model\.{field}'
  ):
    starts.take_over(trained_model.load_run(trained), config, {})
