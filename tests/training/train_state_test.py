"""What training changes, as one pytree."""

import functools

import jax
import numpy as np

from inpaint_jax import models, optimizers
from inpaint_jax.training import train_state


def _state(config, **kwargs):
  settings = {'seed': 0, 'image_size': 32, 'ema_decay': 0.0, **kwargs}
  create = functools.partial(
    train_state.create_train_state,
    models.create_model(config.model),
    optimizers.create_optimizer(config.optimizer, 10),
    **settings,
  )
  return jax.jit(create)()


def test_the_seed_and_nothing_else_draws_the_weights(tiny):
  ours, same = _state(tiny), _state(tiny, image_size=64)
  jax.tree.map(np.testing.assert_array_equal, ours.params, same.params)
  other = _state(tiny, seed=1)
  kernel = ours.params['Conv_0']['kernel']
  assert (kernel != other.params['Conv_0']['kernel']).any()


def test_parameters_are_counted_from_arrays_and_from_shapes(tiny):
  state = _state(tiny)
  count = sum(x.size for x in jax.tree.leaves(state.params))
  assert models.count_parameters(state.params) == count
  shapes = jax.eval_shape(lambda: state.params)
  assert models.count_parameters(shapes) == count


def test_the_mean_has_buffers_of_its_own(tiny):
  """The step donates its state, and no buffer can be donated twice."""
  state = _state(tiny, ema_decay=0.9)
  plain = {'params': state.params, 'batch_stats': state.batch_stats}
  pairs = zip(
    jax.tree.leaves(plain), jax.tree.leaves(state.ema_params), strict=True
  )
  for x, mean in pairs:
    assert x.unsafe_buffer_pointer() != mean.unsafe_buffer_pointer()
