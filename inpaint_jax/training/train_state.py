"""Everything that a training step changes, as one pytree."""

from collections.abc import Mapping
import dataclasses
from typing import Any, NamedTuple

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from inpaint_jax import models
from inpaint_jax.system import randomness


class Discriminator(NamedTuple):
  """A discriminator and its optimizer."""

  module: nn.Module
  tx: optax.GradientTransformation


@flax.struct.dataclass
class DiscriminatorState:
  """The part of the state that belongs to a discriminator, see TrainState."""

  params: Any
  batch_stats: Any
  opt_state: optax.OptState

  def update(
    self, discriminator: Discriminator, batch_stats: Any, grads: Any
  ) -> 'DiscriminatorState':
    """Returns the state after a step."""
    updates, opt_state = discriminator.tx.update(
      grads, self.opt_state, self.params
    )
    params = optax.apply_updates(self.params, updates)
    return DiscriminatorState(params, batch_stats, opt_state)


@flax.struct.dataclass
class TrainState:
  """The state between two steps.

  Attributes:
    step: number of updates made so far, int32 scalar.
    batch_stats: running statistics of the model, {} if it has none.
    ema_params: running means of the parameters and of the running statistics,
      as variables of the model; None if they are off. The statistics have means
      of their own, since `batch_stats` does not fit the mean parameters.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  opt_state: optax.OptState
  ema_params: Any

  def variables(self) -> dict[str, Any]:
    """Returns the variables for validation and inference: the means, if any."""
    if self.ema_params is not None:
      return self.ema_params
    return {'params': self.params, 'batch_stats': self.batch_stats}

  def with_variables(self, variables: Mapping[str, Any]) -> 'TrainState':
    """Returns this state with the parameters and statistics of `variables`."""
    return dataclasses.replace(
      self,
      params=variables['params'],
      batch_stats=variables['batch_stats'],
      ema_params=None if self.ema_params is None else _copy(variables),
    )


@flax.struct.dataclass
class TwoNetworkState(TrainState):
  """A TrainState with the state of a discriminator."""

  discriminator: DiscriminatorState


def create_train_state(
  model: nn.Module,
  tx: optax.GradientTransformation,
  seed: jax.typing.ArrayLike,
  *,
  image_size: int,
  ema_decay: float,
  discriminator: Discriminator | None = None,
) -> TrainState:
  """Returns the state before the first step."""
  # Steps count from 1, so key 0 of the seed is free for this.
  key = jax.random.fold_in(randomness.create_key(seed), 0)
  variables = models.init_variables(model, key, image_size)
  state = TrainState(
    step=jnp.zeros((), jnp.int32),
    **variables,
    opt_state=tx.init(variables['params']),
    ema_params=_copy(variables) if ema_decay else None,
  )
  if discriminator is None:
    return state
  # A key that the model does not use.
  key = jax.random.fold_in(key, 1)
  variables = models.init_variables(discriminator.module, key, image_size)
  opt_state = discriminator.tx.init(variables['params'])
  judge = DiscriminatorState(**variables, opt_state=opt_state)
  return TwoNetworkState(**vars(state), discriminator=judge)


def _copy(tree: Any) -> Any:
  # The step donates its state, and no buffer can be donated twice.
  return jax.tree.map(jnp.copy, tree)
