"""The columns of metrics.csv."""

import ml_collections

from inpaint_jax import objectives
from inpaint_jax.training import evaluate

# After `step`, in this order where a run has them.
TRAIN_METRICS = (
  'loss',
  'pixel',
  *objectives.OBJECTIVES,
  'discriminator',
  'r1',
  'hole_accuracy',
  'known_accuracy',
  'grad_norm',
  'discriminator_grad_norm',
  'param_norm',
  'learning_rate',
)


def list_columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Returns the columns of a run's metrics.csv, after `step`."""
  active = objectives.active(config.objectives)
  present = {'loss', 'grad_norm', 'param_norm', 'learning_rate', *active}
  if active:
    present.add('pixel')
  if objectives.needs(config.objectives, 'discriminator'):
    present |= {'discriminator', 'discriminator_grad_norm'}
    present |= {'hole_accuracy', 'known_accuracy'}
    present |= {'r1'} if config.objectives.r1 else set()
  return (
    *(f'train/{name}' for name in TRAIN_METRICS if name in present),
    *(f'val/{name}' for name in evaluate.NAMES),
    *(['val/lpips'] if config.best_metric == 'val/lpips' else []),
  )
