"""The columns of metrics.csv."""

import ml_collections

from inpaint_jax import objectives
from inpaint_jax.training import evaluate


def list_columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Returns the columns of a run's metrics.csv, after `step`."""
  active = objectives.active(config.objectives)
  is_judged = objectives.needs(config.objectives, 'discriminator')
  train = ['loss', *(['pixel', *active] if active else [])]
  if is_judged:
    train += ['discriminator', *(['r1'] if config.objectives.r1 else [])]
    train += ['hole_accuracy', 'known_accuracy']
  train += ['grad_norm', *['discriminator_grad_norm'] * is_judged]
  return (
    *(f'train/{name}' for name in (*train, 'param_norm', 'learning_rate')),
    *(f'val/{name}' for name in evaluate.metric_names()),
    *(['val/lpips'] if config.best_metric == 'val/lpips' else []),
  )
