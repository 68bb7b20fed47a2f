"""One step of training, as a pure function."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax

from inpaint_jax import images, losses, masks
from inpaint_jax.train_state import TrainState

TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
  model: nn.Module,
  tx: optax.GradientTransformation,
  loss: losses.Loss,
  sampler: masks.Sampler,
  config: ml_collections.ConfigDict,
) -> TrainStep:
  """Returns the pure function (state, batch, seed) -> (state, metrics).

  The seed is the run's unless it is given. Given as an array it is no part of
  the compiled program, and runs that differ in nothing else share one.

  Args:
    model: a net of models.MODELS.
    tx: the optimizer.
    loss: an entry of losses.LOSSES.
    sampler: draws the masks, see masks.create_sampler.
    config: the run; here seed, hole_weight and ema_decay are read.
  """

  def train_step(state, batch, seed=config.seed):
    image = images.to_float(batch['image'])
    batch_size, height, width, _ = image.shape
    step = state.step + 1
    key = jax.random.fold_in(jax.random.key(seed), step)
    mask = sampler(jax.random.split(key, batch_size), height, width)

    def loss_fn(params):
      outputs, mutated = model.apply(
        {'params': params, 'batch_stats': state.batch_stats},
        image * (1 - mask),
        mask,
        train=True,
        mutable=['batch_stats'],
      )
      loss_map = loss.fn(outputs, image)
      return jnp.mean(losses.mean(loss_map, mask, config.hole_weight)), mutated

    grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
    (value, mutated), grads = grad_fn(state.params)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema_params = state.ema_params
    if ema_params is not None:
      ema_params = optax.incremental_update(
        params, ema_params, 1 - config.ema_decay
      )
    state = TrainState(
      step=step,
      params=params,
      batch_stats=mutated.get('batch_stats', {}),
      opt_state=opt_state,
      ema_params=ema_params,
    )
    return state, {
      'loss': value,
      'grad_norm': optax.tree.norm(grads),
      'param_norm': optax.tree.norm(params),
    }

  return train_step
