r"""The study: optimizers, losses and models, one factor at a time.

  python scripts/benchmark.py --config=configs/study.py:small \
    --config.data.source=DIR --workdir=runs/study

trains everything and writes the report; without a source the images are
synthetic. Presets: small is sized for two CPU cores, full is the reference
recipe, for a GPU, smoke is what the tests run.

The base has all fields of configs/default.py, and each cell changes a few of
them. To add a cell, add one line to `_cells`.
"""

from typing import Any

import ml_collections

from configs import default


def get_config(preset: str = 'small') -> ml_collections.ConfigDict:
  """Returns the base, with the cells in the section `study`.

  Args:
    preset: small, full or smoke.
  """
  presets = {'small': _small, 'full': _full, 'smoke': _smoke}
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
