"""What a config stands for, checked and built."""

import jax
import numpy as np
import pytest

from inpaint_jax.system import errors, sharding
from inpaint_jax.training import input_pipeline, run as runs, train


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


def test_the_length_of_a_run(config, tmp_path):
  """20 pictures in batches of 4, twice."""
  run = runs.create_run(config, tmp_path)
  assert (run.steps_per_epoch, run.num_steps) == (5, 10)
  assert {name: len(x) for name, x in run.splits.items()} == {
    'train': 20,
    'val': 6,
    'test': 7,
  }


def test_a_schedule_ends_with_the_run(config, tmp_path):
  config.optimizer.schedule = 'cosine'
  schedule = runs.create_run(config, tmp_path).schedule
  assert float(schedule(0)) == pytest.approx(1e-3)
  assert float(schedule(10)) == pytest.approx(0, abs=1e-9)


def test_the_state_is_donated(config, tmp_path):
  """The old state's memory is given away, not kept beside the new one."""
  run = runs.create_run(config, tmp_path)
  state = jax.jit(run.create_state)()
  batches = input_pipeline.train_batches(
    run.splits['train'], config.data, seed=0, batch_size=4
  )
  run.train_step(state, sharding.put_batch(next(batches), run.mesh))
  assert all(x.is_deleted() for x in jax.tree.leaves(state.params))


def test_an_evaluation_step_changes_nothing(config, tmp_path):
  """Batch statistics, above all: the same pictures give the same numbers."""
  config.model.name = 'encoder_decoder'
  run = runs.create_run(config, tmp_path)
  variables = jax.jit(run.create_state)().variables()
  batch = next(
    input_pipeline.eval_batches(run.splits['val'], config.data, batch_size=4)
  )
  first, _ = run.eval_step(variables, batch)
  second, _ = run.eval_step(variables, batch)
  np.testing.assert_array_equal(first['loss'], second['loss'])
