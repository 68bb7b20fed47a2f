r"""The study: optimizers, losses and models, one factor at a time.

  python scripts/benchmark.py --config=configs/study.py:small \
    --config.data.source=DIR --workdir=runs/study

trains everything and writes the report; without a source the images are
synthetic. Presets:
  rates: for each optimizer, loss and model a few learning rates, with one seed
    and a quarter of the steps of medium;
  medium: 2,000 steps of 16 images of 64x64, each cell at the rate that was best
    in rates, with three seeds;
  small: 500 steps of 8 images of 32x32, sized for two CPU cores;
  full: the reference recipe, for a GPU;
  smoke: what the tests run.

The base has all fields of configs/default.py, and each cell changes a few of
them. To add a cell, add one line to `_cells` or `_medium_cells`.
"""

from typing import Any

import ml_collections

from configs import default

# Best in the validation of the preset rates after 500 steps (docs/study/rates);
# those of the optimizers after 500 steps at 32x32 (docs/study/small), since
# their sweeps in rates were not finished.
_RATES = {
  'adam': 0.001,
  'sgd': 1.0,
  'sgd_momentum': 0.1,
  'rmsprop': 3e-4,
  'adagrad': 3e-3,
  'l1': 0.001,
  'poisson_nll': 0.0003,
  'kl_div': 0.001,
  'cross_entropy': 0.001,
  'encoder_decoder': 0.0003,
  'attention_unet': 0.001,
  'unet_harmonic': 0.0003,
}
# Chosen by hand: their sweep in rates was not finished.
_WEIGHTS = {
  'perceptual': 0.03,
  'style': 0.3,
  'adversarial': 0.001,
  'feature_matching': 0.1,
}


def get_config(preset: str = 'small') -> ml_collections.ConfigDict:
  """Returns the base, with the cells in the section `study`.

  Args:
    preset: rates, medium, small, full or smoke.
  """
  presets = {
    'rates': _rates,
    'medium': _medium,
    'small': _small,
    'full': _full,
    'smoke': _smoke,
  }
  if preset not in presets:
    known = ', '.join(presets)
    raise ValueError(f'preset {preset!r} is unknown; choose: {known}')
  return presets[preset]()


def _cells() -> dict[str, dict[str, Any]]:
  """Returns {factor/name: the fields that differ from the base}.

  A tuple of learning rates is a sweep, with a cell for each rate. Cells that
  equal the base are trained once.
  """
  return {
    'optimizer/adam': _optimizer('adam', 3e-4, 1e-3, 3e-3),
    'optimizer/sgd': _optimizer('sgd', 1e-3, 1e-1, 3e-1, 1.0),
    'optimizer/sgd_momentum': _optimizer(
      'sgd', 1e-3, 1e-2, 3e-2, 1e-1, momentum=0.9
    ),
    'optimizer/rmsprop': _optimizer('rmsprop', 1e-4, 3e-4, 1e-3),
    'optimizer/adagrad': _optimizer('adagrad', 1e-3, 3e-3, 1e-2),
    'loss/mse': {'loss': 'mse'},
    'loss/l1': {'loss': 'l1'},
    'loss/poisson_nll': {'loss': 'poisson_nll'},
    'loss/kl_div': {'loss': 'kl_div'},
    'loss/cross_entropy': {'loss': 'cross_entropy'},
    'model/unet': {'model': {'name': 'unet'}},
    'model/encoder_decoder': {'model': {'name': 'encoder_decoder'}},
  }


def _rate_cells() -> dict[str, dict[str, Any]]:
  """Returns the cells of rates: a sweep for each optimizer, loss and model."""
  adam = _optimizer('adam', 3e-4, 1e-3, 3e-3)
  losses = ('l1', 'poisson_nll', 'kl_div', 'cross_entropy')
  return {
    'optimizer/adam': _optimizer('adam', 1e-4, 3e-4, 1e-3, 3e-3),
    'optimizer/sgd': _optimizer('sgd', 1e-1, 3e-1, 1.0, 3.0),
    'optimizer/sgd_momentum': _optimizer('sgd', 3e-2, 1e-1, 3e-1, momentum=0.9),
    'optimizer/rmsprop': _optimizer('rmsprop', 1e-4, 3e-4, 1e-3),
    'optimizer/adagrad': _optimizer('adagrad', 1e-3, 3e-3, 1e-2, 3e-2),
    **{f'loss/{name}': {'loss': name, **adam} for name in losses},
    'model/encoder_decoder': {'model': {'name': 'encoder_decoder'}, **adam},
    'model/attention_unet': {'model': {'name': 'attention_unet'}, **adam},
    'model/unet_harmonic': {'model': {'base': 'harmonic'}, **adam},
    'objective/perceptual_3e-3': _objectives(perceptual=0.003),
    'objective/perceptual_3e-2': _objectives(perceptual=0.03),
    'objective/style_3e-2': _objectives(style=0.03),
    'objective/style_3e-1': _objectives(style=0.3),
    'objective/adversarial_1e-3': _objectives(adversarial=0.001),
    'objective/adversarial_1e-2': _objectives(adversarial=0.01),
    'objective/feature_matching_1e-2': _objectives(
      adversarial=0.001, feature_matching=0.01
    ),
    'objective/feature_matching_1e-1': _objectives(
      adversarial=0.001, feature_matching=0.1
    ),
  }


def _medium_cells() -> dict[str, dict[str, Any]]:
  """Returns the cells of medium, at what was best in rates."""
  momentum = {'name': 'sgd', 'momentum': 0.9}
  return {
    **{
      f'optimizer/{name}': _at(name, optimizer={'name': name})
      for name in ('adam', 'sgd', 'rmsprop', 'adagrad')
    },
    'optimizer/sgd_momentum': _at('sgd_momentum', optimizer=momentum),
    'loss/mse': _at('adam'),
    **{
      f'loss/{name}': _at(name, loss=name)
      for name in ('l1', 'poisson_nll', 'kl_div', 'cross_entropy')
    },
    'model/unet': _at('adam'),
    'model/unet_harmonic': _at('unet_harmonic', model={'base': 'harmonic'}),
    **{
      f'model/{name}': _at(name, model={'name': name})
      for name in ('encoder_decoder', 'attention_unet')
    },
    'objective/pixel': _at('adam'),
    'objective/perceptual': _weighted('perceptual'),
    'objective/style': _weighted('style'),
    'objective/adversarial': _weighted('adversarial'),
    'objective/feature_matching': _weighted('adversarial', 'feature_matching'),
  }


def _at(
  name: str, optimizer: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
  """Returns the changes of a cell, with the learning rate of a name."""
  rate = {'learning_rate': _RATES[name]}
  return {**changes, 'optimizer': {**(optimizer or {}), **rate}}


def _weighted(*names: str) -> dict[str, Any]:
  weights = {name: _WEIGHTS[name] for name in names}
  return _at('adam', **_objectives(**weights))


def _objectives(**weights: float) -> dict[str, Any]:
  # The smallest pixel loss is not what they are after.
  return {'objectives': weights, 'best_metric': 'val/lpips'}


def _optimizer(
  name: str, *learning_rates: float, momentum: float = 0.0
) -> dict[str, Any]:
  fields = {'name': name, 'learning_rate': learning_rates, 'momentum': momentum}
  return {'optimizer': fields}


def _base(
  preset: str, cells: dict[str, Any], **changes: Any
) -> ml_collections.ConfigDict:
  config = default.get_config(preset)
  # Every cell makes the same number of steps; the best epoch is tested.
  config.early_stopping_patience = 0
  config.num_samples = 0
  config.update(changes)
  # Each cell is trained with each seed: initial weights, order of the images,
  # augmentation and training masks. Test images and their masks stay.
  config.study = {'cells': cells, 'seeds': (0, 1, 2)}
  return config


def _small() -> ml_collections.ConfigDict:
  data = {'num_train': 800, 'num_val': 160, 'num_test': 500}
  data |= {'image_size': 32, 'num_threads': 1}
  # 100 steps each: the one number to change for a longer or shorter study.
  return _base('', _cells(), batch_size=8, num_epochs=5, data=data)


def _photos_64(num_epochs: int, cells: dict[str, Any]) -> Any:
  # 250 steps an epoch.
  data = {'num_train': 4000, 'num_val': 400, 'num_test': 500, 'image_size': 64}
  changes = {'batch_size': 16, 'num_epochs': num_epochs, 'data': data}
  return _base('landscapes', cells, **changes)


def _rates() -> ml_collections.ConfigDict:
  config = _photos_64(2, _rate_cells())
  config.study.seeds = (0,)
  return config


def _medium() -> ml_collections.ConfigDict:
  config = _photos_64(8, _medium_cells())
  config.optimizer.learning_rate = _RATES['adam']
  return config


def _full() -> ml_collections.ConfigDict:
  return _base('landscapes', _cells())


def _smoke() -> ml_collections.ConfigDict:
  cells = {
    'optimizer/adam': _optimizer('adam', 1e-3),
    'optimizer/sgd': _optimizer('sgd', 1e-1),
  }
  data = {'num_train': 16, 'num_val': 6, 'num_test': 7}
  data |= {'image_size': 32, 'num_threads': 1}
  model = {'features': (4, 8, 16)}
  changes = {'batch_size': 4, 'num_epochs': 2, 'log_every_steps': 2}
  config = _base('', cells, data=data, model=model, **changes)
  config.study.seeds = (0, 1)
  return config
