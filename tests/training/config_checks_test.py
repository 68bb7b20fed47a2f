"""Numbers of a config that no run can have."""

import pytest

from configs import default
from inpaint_jax.system import errors
from inpaint_jax.training import config_checks


def test_the_defaults_pass():
  for preset in ('', 'landscapes'):
    config_checks.check_numbers(default.get_config(preset))


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('num_epochs', 0),
    ('seed', -1),
    ('eval_seed', 2**31),
    ('batch_size', 0),
    ('data.num_threads', -1),
    ('log_every_steps', 0),
    ('early_stopping_patience', -1),
    ('checkpoint_every_steps', -5),
    ('num_samples', -1),
    ('hole_weight', 0.0),
    ('hole_weight', float('inf')),
    ('ema_decay', 1.0),
    ('ema_decay', float('nan')),
  ],
)
def test_a_wrong_number_is_named(field, value):
  config = default.get_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(errors.UserError, match=f'--config.{field}={value} must'):
    config_checks.check_numbers(config)
