"""One training step, as a pure function."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax

from inpaint_jax import losses, masks, objectives
from inpaint_jax.system import errors, randomness
from inpaint_jax.training import images
from inpaint_jax.training.train_state import (
  Discriminator,
  TrainState,
  TwoNetworkState,
)

# Folded into a step's key for dropout; masks use the numbers below batch_size.
_DROPOUT = 2**32 - 1

# Keys of the two networks in the parameters, statistics and gradients.
MODEL, DISCRIMINATOR = 'model', 'discriminator'

TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
  model: nn.Module,
  tx: optax.GradientTransformation,
  loss: losses.Loss,
  sampler: masks.Sampler,
  config: ml_collections.ConfigDict,
  discriminator: Discriminator | None = None,
) -> TrainStep:
  """Returns the pure function (state, batch, seed) -> (state, metrics).

  The seed defaults to config.seed. If it is given as an array, it is an
  argument of the compiled program: runs that differ in nothing else share one
  program.

  Args:
    config: the run's config; the fields seed, hole_weight, boundary_weight,
      objectives, accumulate_steps and ema_decay are read.
    discriminator: the discriminator, if objectives need one; the state must
      then be a TwoNetworkState.
  """
  grad_fn = jax.value_and_grad(
    _make_loss(model, loss, config, discriminator), has_aux=True
  )

  def train_step(
    state: TrainState,
    batch: Mapping[str, jax.Array],
    seed: jax.typing.ArrayLike = config.seed,
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    image = batch['image']
    batch_size, height, width, _ = image.shape
    key = jax.random.fold_in(randomness.create_key(seed), state.step + 1)
    mask = sampler(randomness.split(key, batch_size), height, width)
    params, stats = {MODEL: state.params}, {MODEL: state.batch_stats}
    if isinstance(state, TwoNetworkState):
      params[DISCRIMINATOR] = state.discriminator.params
      stats[DISCRIMINATOR] = state.discriminator.batch_stats
    count = config.accumulate_steps
    keys = randomness.split(jax.random.fold_in(key, _DROPOUT), count)
    values, stats, grads = _accumulate(
      grad_fn, params, stats, (image, mask, keys), count
    )
    state = _update(state, tx, stats[MODEL], grads[MODEL], config.ema_decay)
    values['grad_norm'] = optax.tree.norm(grads[MODEL])
    values['param_norm'] = optax.tree.norm(state.params)
    if discriminator and isinstance(state, TwoNetworkState):
      judge = state.discriminator.update(
        discriminator, stats[DISCRIMINATOR], grads[DISCRIMINATOR]
      )
      state = dataclasses.replace(state, discriminator=judge)
      norm = optax.tree.norm(grads[DISCRIMINATOR])
      values['discriminator_grad_norm'] = norm
    return state, values

  return train_step


def _make_loss(
  model: nn.Module,
  loss: losses.Loss,
  config: ml_collections.ConfigDict,
  discriminator: Discriminator | None,
) -> Callable[..., tuple[jax.Array, tuple[Any, dict[str, jax.Array]]]]:
  """Returns the function that a step differentiates.

  Its arguments are parameters and statistics, each {MODEL: ..., DISCRIMINATOR:
  ...}, images as uint8, masks, and an array of one key. It returns the sum of
  the losses of both networks, the new statistics and the metrics. The gradient
  of each loss only reaches the parameters of its own network.
  """
  weights = objectives.active(config.objectives)

  def loss_fn(
    params: Any, stats: Any, image: jax.Array, mask: jax.Array, keys: jax.Array
  ) -> tuple[jax.Array, tuple[Any, dict[str, jax.Array]]]:
    image, stats = images.to_float(image), dict(stats)
    outputs, mutated = model.apply(
      {'params': params[MODEL], 'batch_stats': stats[MODEL]},
      image * (1 - mask),
      mask,
      train=True,
      mutable=['batch_stats'],
      rngs={'dropout': keys[0]},
    )
    maker = f'the model {type(model).__name__}'
    errors.check_shape(outputs, image.shape, maker)
    stats[MODEL] = mutated.get('batch_stats', {})
    loss_map = loss.fn(outputs, image)
    value = jnp.mean(
      losses.mean(loss_map, mask, config.hole_weight, config.boundary_weight)
    )
    if not weights:
      return value, (stats, {'loss': value})

    values = {'pixel': value}
    output = losses.image_of(loss, outputs)
    inputs = objectives.create_inputs(config.objectives, output, image, mask)
    discriminator_loss = jnp.zeros((), jnp.float32)
    if discriminator:
      inputs, discriminator_loss, stats[DISCRIMINATOR], judged = _judge(
        discriminator,
        inputs,
        params[DISCRIMINATOR],
        stats[DISCRIMINATOR],
        config.objectives.r1,
      )
      values |= judged
    for name, x in objectives.compute(config.objectives, inputs).items():
      values[name] = jnp.mean(x)
      value += weights[name] * values[name]
    return value + discriminator_loss, (stats, {'loss': value, **values})

  return loss_fn


def _update(
  state: TrainState,
  tx: optax.GradientTransformation,
  batch_stats: Any,
  grads: Any,
  ema_decay: float,
) -> TrainState:
  """Returns the state with the model and its running means updated."""
  step = state.step + 1
  updates, opt_state = tx.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  ema_params = state.ema_params
  if ema_params is not None:
    # A smaller decay at first, so that the initial weights are soon forgotten.
    count = step.astype(jnp.float32)
    decay = jnp.minimum(ema_decay, (1 + count) / (10 + count))
    ema_params = optax.incremental_update(
      {'params': params, 'batch_stats': batch_stats}, ema_params, 1 - decay
    )
  return dataclasses.replace(
    state,
    step=step,
    params=params,
    batch_stats=batch_stats,
    opt_state=opt_state,
    ema_params=ema_params,
  )


def _judge(
  discriminator: Discriminator,
  inputs: objectives.Inputs,
  params: Any,
  stats: Any,
  r1: float,
) -> tuple[objectives.Inputs, jax.Array, Any, dict[str, jax.Array]]:
  """Applies the discriminator to the model's images and to the true images.

  Args:
    params, stats: the discriminator's parameters and statistics.
    r1: weight of the gradient penalty in the discriminator's loss; 0 = off.

  Returns:
    `inputs` with the judgements, through which gradients only reach the model;
    the discriminator's loss, whose gradient only reaches `params`; its new
    statistics; and its metrics.
  """

  def judge(
    params: Any, image: jax.Array, train: bool = False
  ) -> tuple[objectives.Judgement, Any]:
    judgement, mutated = discriminator.module.apply(
      {'params': params, 'batch_stats': stats},
      image,
      inputs.mask,
      train=train,
      mutable=['batch_stats'],
    )
    return judgement, mutated.get('batch_stats', {})

  real, new_stats = judge(params, inputs.truth, train=True)
  filled, _ = judge(params, jax.lax.stop_gradient(inputs.image))
  loss = jnp.mean(
    objectives.discriminator_loss(real, filled, inputs.adversarial_loss)
  )
  values = {'discriminator': loss, **objectives.accuracies(real, filled)}
  if r1:
    penalty = objectives.r1(lambda x: judge(params, x)[0].scores, inputs.truth)
    values['r1'] = jnp.mean(penalty)
    loss += r1 * values['r1']
  filled_for_model, _ = judge(jax.lax.stop_gradient(params), inputs.image)
  inputs = inputs._replace(judgement=filled_for_model, true_judgement=real)
  return inputs, loss, new_stats, values


def _accumulate(
  grad_fn: Callable[..., Any],
  params: Any,
  stats: Any,
  batch: tuple[jax.Array, ...],
  count: int,
) -> tuple[dict[str, jax.Array], Any, Any]:
  """Returns mean losses over the parts, new statistics and the mean gradient.

  Args:
    grad_fn: (params, stats, *part) -> ((_, (stats, losses)), gradient).
    params, stats: values before the step; each part updates the statistics.
    batch: arrays [B, ...], and a key for each part.
    count: number of parts of the batch, computed one after the other.
  """

  def compute(stats: Any, part: Sequence[jax.Array]) -> tuple[Any, Any, Any]:
    (_, (stats, values)), grads = grad_fn(params, stats, *part)
    return values, stats, grads

  if count == 1:
    return compute(stats, batch)

  def add_part(carry: Any, part: Any) -> tuple[Any, None]:
    # Starts a part only when the one before it has freed its memory.
    (values, stats, grads), part = jax.lax.optimization_barrier((carry, part))
    more_values, stats, more = compute(stats, part)
    add = lambda total, x: total + x / count
    values = jax.tree.map(add, values, more_values)
    return (values, stats, jax.tree.map(add, grads, more)), None

  def split_into_parts(x: jax.Array) -> jax.Array:
    # A part has every count-th row, so that it has rows of all devices.
    return x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1)

  parts = jax.tree.map(split_into_parts, batch)
  first = jax.tree.map(lambda x: x[0], parts)
  values, _, grads = jax.eval_shape(compute, stats, first)
  zeros = lambda tree: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)
  carry, _ = jax.lax.scan(
    add_part,
    (zeros(values), stats, zeros(grads)),
    parts,
    # Convolutions in a loop are many times slower on a CPU, see WORKSPACE.md.
    unroll=count if jax.default_backend() == 'cpu' else 1,
  )
  return carry
