"""One step of training, as a pure function."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax

from inpaint_jax import losses, masks
from inpaint_jax.system import randomness, sharding
from inpaint_jax.training import images
from inpaint_jax.training.train_state import TrainState

TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
  model: nn.Module,
  tx: optax.GradientTransformation,
  loss: losses.Loss,
  sampler: masks.Sampler,
  config: ml_collections.ConfigDict,
) -> TrainStep:
  """Returns the pure function (state, batch, seed) -> (state, metrics).

  The seed is config.seed unless it is given. If it is given as an array, it is
  an argument of the compiled program: runs that differ in nothing else share
  one program.

  Args:
    model: an entry of models.MODELS.
    tx: the optimizer.
    loss: an entry of losses.LOSSES.
    sampler: draws the masks, see masks.create_sampler.
    config: the run; it reads seed, hole_weight, accumulate_steps and ema_decay.
  """

  def loss_fn(
    params: Any, batch_stats: Any, image: jax.Array, mask: jax.Array
  ) -> tuple[jax.Array, Any]:
    image = images.to_float(image)
    outputs, mutated = model.apply(
      {'params': params, 'batch_stats': batch_stats},
      image * (1 - mask),
      mask,
      train=True,
      mutable=['batch_stats'],
    )
    loss_map = loss.fn(outputs, image)
    value = jnp.mean(losses.mean(loss_map, mask, config.hole_weight))
    return value, mutated.get('batch_stats', {})

  grad_fn = jax.value_and_grad(loss_fn, has_aux=True)

  def train_step(
    state: TrainState,
    batch: Mapping[str, jax.Array],
    seed: jax.typing.ArrayLike = config.seed,
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    image = batch['image']
    batch_size, height, width, _ = image.shape
    step = state.step + 1
    key = jax.random.fold_in(randomness.create_key(seed), step)
    mask = sampler(randomness.split(key, batch_size), height, width)
    value, batch_stats, grads = _accumulate(
      grad_fn, state, (image, mask), config.accumulate_steps
    )
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema_params = state.ema_params
    if ema_params is not None:
      # Shorter at first, so that the drawn weights are soon forgotten.
      count = step.astype(jnp.float32)
      decay = jnp.minimum(config.ema_decay, (1 + count) / (10 + count))
      ema_params = optax.incremental_update(
        {'params': params, 'batch_stats': batch_stats}, ema_params, 1 - decay
      )
    state = TrainState(
      step=step,
      params=params,
      batch_stats=batch_stats,
      opt_state=opt_state,
      ema_params=ema_params,
    )
    return state, {
      'loss': value,
      'grad_norm': optax.tree.norm(grads),
      'param_norm': optax.tree.norm(params),
    }

  return train_step


def jit_train_step(step: TrainStep, mesh: jax.sharding.Mesh) -> TrainStep:
  """Returns a step compiled for all devices of the mesh, which hold the state.

  The state is donated: the new one takes the memory of the old one.
  """
  return jax.jit(
    step, donate_argnums=0, out_shardings=sharding.replicated(mesh)
  )


def _accumulate(
  grad_fn: Callable[..., Any],
  state: TrainState,
  batch: tuple[jax.Array, ...],
  count: int,
) -> tuple[jax.Array, Any, Any]:
  """Returns loss, batch statistics and gradient, as means over the parts.

  Args:
    grad_fn: (params, batch_stats, *part) -> ((loss, batch_stats), gradient).
    state: before the step.
    batch: arrays [B, ...].
    count: parts of the batch, computed one after the other.
  """
  if count == 1:
    (value, stats), grads = grad_fn(state.params, state.batch_stats, *batch)
    return value, stats, grads

  def add_part(carry: Any, part: Any) -> tuple[Any, None]:
    # Starts a part when the one before it is done and its memory free.
    (value, stats, grads), part = jax.lax.optimization_barrier((carry, part))
    (loss, stats), more = grad_fn(state.params, stats, *part)
    add = lambda total, x: total + x / count
    return (add(value, loss), stats, jax.tree.map(add, grads, more)), None

  def split_into_parts(x: jax.Array) -> jax.Array:
    # Every count-th row, so that each part has rows of all devices.
    return x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1)

  zeros = jax.tree.map(jnp.zeros_like, state.params)
  start = jnp.zeros((), jnp.float32), state.batch_stats, zeros
  carry, _ = jax.lax.scan(
    add_part,
    start,
    jax.tree.map(split_into_parts, batch),
    # Convolutions in a loop are many times slower on a CPU, see WORKSPACE.md.
    unroll=count if jax.default_backend() == 'cpu' else 1,
  )
  return carry
