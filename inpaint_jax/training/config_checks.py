"""Numbers of a config that no run can have."""

import functools
import operator

import ml_collections

from inpaint_jax.system import errors

# The least value of each whole number. All are below 2**31.
LEAST = {
  'seed': 0,
  'eval_seed': 0,
  'batch_size': 1,
  'accumulate_steps': 1,
  'num_epochs': 1,
  'early_stopping_patience': 0,
  'log_every_steps': 1,
  'checkpoint_every_steps': 0,
  'num_samples': 0,
  'data.num_threads': 0,
}


def check_numbers(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError on numbers that no run can have."""
  for field, least in LEAST.items():
    value = functools.reduce(operator.getitem, field.split('.'), config)
    if not least <= value < 2**31:
      raise errors.UserError(
        f'{field}={value} must be at least {least} and below 2**31'
      )
  if not 0 < config.hole_weight < float('inf'):
    raise errors.UserError(f'hole_weight={config.hole_weight} must be above 0')
  if not 0 <= config.ema_decay < 1:
    raise errors.UserError(
      f'ema_decay={config.ema_decay} must be at least 0 and below 1'
    )
