"""The columns of metrics.csv."""

import ml_collections

from inpaint_jax import objectives
from inpaint_jax.training import evaluate


def list_columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Returns the columns of a run's metrics.csv, after `step`."""
  active = objectives.active(config.objectives)
  is_judged = objectives.needs(config.objectives, 'discriminator')
  train = ['loss']
  if active:
    train += ['pixel', *active]
  if is_judged:
    r1 = ['r1'] if config.objectives.r1 else []
    train += ['discriminator', *r1, 'hole_accuracy', 'known_accuracy']
  train.append('grad_norm')
  if is_judged:
    train.append('discriminator_grad_norm')
  return (
    *(f'train/{name}' for name in (*train, 'param_norm', 'learning_rate')),
    *(f'val/{name}' for name in evaluate.metric_names()),
    *(['val/lpips'] if config.best_metric == 'val/lpips' else []),
  )
