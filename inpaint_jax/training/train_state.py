"""What training changes, as one pytree."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from inpaint_jax import models


@flax.struct.dataclass
class TrainState:
  """The state between two steps.

  Attributes:
    step: int32 scalar, the updates made so far.
    params: parameters of the model.
    batch_stats: running statistics of the model, {} if it has none.
    opt_state: state of the optimizer.
    ema_params: running mean of the parameters, None if it is off.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  opt_state: optax.OptState
  ema_params: Any

  def variables(self) -> dict[str, Any]:
    """Returns what validation and inference use: the running mean, if any."""
    params = self.params if self.ema_params is None else self.ema_params
    return {'params': params, 'batch_stats': self.batch_stats}

  def with_variables(self, variables: Mapping[str, Any]) -> 'TrainState':
    """Returns this state with other parameters and running statistics."""
    ema_params = self.ema_params
    if ema_params is not None:
      # A copy: the step donates its state, and no buffer can be donated twice.
      ema_params = jax.tree.map(jnp.copy, variables['params'])
    return dataclasses.replace(
      self,
      params=variables['params'],
      batch_stats=variables['batch_stats'],
      ema_params=ema_params,
    )


def create_train_state(
  model: nn.Module,
  tx: optax.GradientTransformation,
  seed: jax.typing.ArrayLike,
  *,
  image_size: int,
  ema_decay: float,
) -> TrainState:
  """Returns the state before the first step.

  Args:
    model: an entry of models.MODELS.
    tx: the optimizer.
    seed: of the initial weights.
    image_size: side of the images in pixels.
    ema_decay: 0 = no running mean of the parameters.
  """
  # Steps count from 1, so key 0 of the seed is free for this.
  key = jax.random.fold_in(jax.random.key(seed), 0)
  variables = models.init_variables(model, key, image_size)
  params = variables['params']
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    batch_stats=variables['batch_stats'],
    opt_state=tx.init(params),
    # A copy: the step donates its state, and no buffer can be donated twice.
    ema_params=jax.tree.map(jnp.copy, params) if ema_decay else None,
  )
