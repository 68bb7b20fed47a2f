"""What a config stands for: nets, data, functions, checked and built."""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib

import jax
import ml_collections
import optax

from inpaint_jax import losses, masks, models, optimizers
from inpaint_jax.system import distributed, sharding
from inpaint_jax.training import (
  config_checks,
  evaluate,
  feed,
  input_pipeline,
  train_step,
)
from inpaint_jax.training.train_state import create_train_state, TrainState


@dataclasses.dataclass(frozen=True)
class Run:
  """What stays the same from the first step of a run to the last.

  Attributes:
    config: the fields of configs/default.py.
    workdir: the folder of the run.
    mesh: the devices.
    splits: train, val and test pictures.
    cache: where training pictures are kept, see feed.choose.
    steps_per_epoch: whole batches in the training split.
    num_steps: steps of the whole training.
    schedule: learning rate as a function of the updates made so far.
    create_state: makes the state before the first step; takes the seed where
      it is to be an argument, see train_step.make_train_step.
    train_step: jitted, donates its state.
    eval_step: jitted, see evaluate.make_eval_step.
  """

  config: ml_collections.ConfigDict
  workdir: pathlib.Path
  mesh: jax.sharding.Mesh
  splits: Mapping[str, input_pipeline.Source]
  cache: str
  steps_per_epoch: int
  num_steps: int
  schedule: optax.Schedule
  create_state: Callable[..., TrainState]
  train_step: train_step.TrainStep
  eval_step: evaluate.EvalStep


def create_run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> Run:
  """Builds all that a config names, and the dataset if it is not there.

  Args:
    config: the fields of configs/default.py, which passed `check`.
    workdir: the folder of the run.

  Raises:
    errors.UserError: the dataset cannot be had, or has too few pictures.
  """
  mesh = sharding.create_mesh()
  loss = losses.get_loss(config.loss)
  sampler = masks.create_sampler(config.masks)
  model = models.create_model(config.model)
  with distributed.first_before_others('dataset'):
    dataset = input_pipeline.load(config.data, workdir / 'dataset.json')
  splits = dict(dataset.splits)
  steps = input_pipeline.steps_per_epoch(splits['train'], config.batch_size)
  count = len(splits['train']) + len(splits['val'])
  cache = feed.choose(config.data, count, mesh)
  # What is on the devices is read from disk once; the test is in any case.
  for name in ('train', 'val') if cache == 'host' else ('val',):
    splits[name] = feed.keep(splits[name], config.data, cache)
  num_steps = steps * config.num_epochs
  tx = optimizers.create_optimizer(config.optimizer, num_steps)

  def create_state(seed: jax.typing.ArrayLike = config.seed) -> TrainState:
    return create_train_state(
      model,
      tx,
      seed=seed,
      image_size=config.data.image_size,
      ema_decay=config.ema_decay,
    )

  return Run(
    config=config,
    workdir=workdir,
    mesh=mesh,
    splits=splits,
    cache=cache,
    steps_per_epoch=steps,
    num_steps=num_steps,
    schedule=optimizers.create_schedule(config.optimizer, num_steps),
    create_state=create_state,
    # Donated: the memory of the old state becomes that of the new one.
    train_step=jax.jit(
      train_step.make_train_step(model, tx, loss, sampler, config),
      donate_argnums=0,
      out_shardings=sharding.replicated(mesh),
    ),
    eval_step=evaluate.make_eval_step(model, loss, sampler, config),
  )


def check(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError on what no run can have; writes and builds nothing."""
  config_checks.check_numbers(config)
  sharding.check_batch_size(
    config.batch_size, sharding.create_mesh(), config.accumulate_steps
  )
  feed.check(config.data)
  losses.get_loss(config.loss)
  masks.create_sampler(config.masks)
  models.create_model(config.model)
  # The number of steps is not known before the dataset is there.
  optimizers.create_optimizer(config.optimizer, num_steps=2**31 - 1)
