"""The columns of metrics.csv."""

from inpaint_jax import metrics, objectives
from inpaint_jax.training import columns, evaluate


def test_a_run_has_the_columns_of_its_objectives(config):
  train = ['loss', 'grad_norm', 'param_norm', 'learning_rate']
  val = [f'val/{name}' for name in evaluate.metric_names()]
  expected = [f'train/{name}' for name in train] + val
  assert list(columns.list_columns(config)) == expected
  config.objectives.adversarial = config.objectives.r1 = 1.0
  config.best_metric = 'val/lpips'
  train = ['loss', 'pixel', 'adversarial', 'discriminator', 'r1']
  train += ['hole_accuracy', 'known_accuracy', 'grad_norm']
  train += ['discriminator_grad_norm', 'param_norm', 'learning_rate']
  expected = [f'train/{name}' for name in train] + val + ['val/lpips']
  assert list(columns.list_columns(config)) == expected


def test_what_is_registered_at_run_time_has_a_column(config, monkeypatch):
  monkeypatch.setitem(objectives.OBJECTIVES, 'tv', objectives.Objective(len))
  monkeypatch.setitem(metrics.COMPOSITE_METRICS, 'max_error', len)
  # An objective without a weight is off.
  assert 'train/tv' not in columns.list_columns(config)
  config.unlock().objectives.tv = 0.1
  found = columns.list_columns(config)
  assert {'train/pixel', 'train/tv', 'val/max_error'} <= set(found)
