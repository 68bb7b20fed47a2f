"""What a config stands for: nets, data, functions, checked and built."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import operator
import os
import pathlib

import jax
import ml_collections
import optax

from inpaint_jax import (
  data,
  errors,
  evaluate,
  losses,
  masks,
  models,
  optimizers,
  sharding,
  train_step,
  workdir as workdirs,
)
from inpaint_jax.train_state import create_train_state, TrainState


@dataclasses.dataclass(frozen=True)
class Run:
  """What stays the same from the first step of a run to the last.

  Attributes:
    config: the fields of configs/default.py.
    workdir: the folder of the run.
    mesh: the devices.
    splits: train, val and test pictures.
    steps_per_epoch: whole batches in the training split.
    num_steps: steps of the whole training.
    schedule: learning rate as a function of the updates made so far.
    create_state: makes the state before the first step.
    train_step: jitted, donates its state.
    eval_step: jitted, see evaluate.make_eval_step.
  """

  config: ml_collections.ConfigDict
  workdir: pathlib.Path
  mesh: jax.sharding.Mesh
  splits: Mapping[str, data.Source]
  steps_per_epoch: int
  num_steps: int
  schedule: optax.Schedule
  create_state: Callable[[], TrainState]
  train_step: train_step.TrainStep
  eval_step: evaluate.EvalStep


def create_run(
  config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]
) -> Run:
  """Checks a config and builds all it names, the dataset last.

  Raises:
    errors.UserError: a field has a value it cannot have, or the folder or the
      dataset cannot be used.
  """
  check_numbers(config)
  mesh = sharding.create_mesh()
  sharding.check_batch_size(config.batch_size, mesh)
  loss = losses.get_loss(config.loss)
  sampler = masks.create_sampler(config.masks)
  model = models.create_model(config.model)
  # Before the dataset is built, which takes time; after, with its length.
  optimizers.create_optimizer(config.optimizer, num_steps=2**31 - 1)

  workdir = workdirs.prepare(workdir, config)
  dataset = data.load(config.data, workdir / 'dataset.json')
  steps = data.steps_per_epoch(dataset.splits['train'], config.batch_size)
  num_steps = steps * config.num_epochs
  tx = optimizers.create_optimizer(config.optimizer, num_steps)

  def create_state() -> TrainState:
    return create_train_state(
      model,
      tx,
      seed=config.seed,
      image_size=config.data.image_size,
      ema_decay=config.ema_decay,
    )

  return Run(
    config=config,
    workdir=workdir,
    mesh=mesh,
    splits=dataset.splits,
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
    eval_step=evaluate.make_eval_step(model, loss, sampler, config.eval_seed),
  )


def check_numbers(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError on numbers that no run can have."""
  for field, least in (
    ('seed', 0),
    ('eval_seed', 0),
    ('num_epochs', 1),
    ('early_stopping_patience', 0),
    ('log_every_steps', 1),
    ('checkpoint_every_steps', 0),
    ('num_samples', 0),
    ('data.num_threads', 0),
  ):
    value = functools.reduce(operator.getitem, field.split('.'), config)
    if not least <= value < 2**31:
      raise errors.UserError(
        f'--config.{field}={value} must be at least {least} and below 2**31'
      )
  if not 0 <= config.ema_decay < 1:
    raise errors.UserError(
      f'--config.ema_decay={config.ema_decay} must be at least 0 and below 1'
    )
