r"""The study: optimizers, losses and models, one factor at a time.

  python scripts/benchmark.py --config=configs/study.py:small \
    --config.data.source=DIR --workdir=runs/study

trains everything and writes the report; without a source the images are
synthetic. Presets:
  rates: for each optimizer, loss and model a few learning rates, with one seed
    and a quarter of the steps of medium;
  medium: 2,000 steps of 16 images of 64x64, each cell at the rate that was best
    in rates, with three seeds;
  cpu_rates, cpu: rates and medium with the encoder-decoder in place of the
    UNet, for losses, optimizers and bases, sized for two CPU cores;
  cpu_128: some cells of cpu on images of 128x128;
  small: 500 steps of 8 images of 32x32, sized for two CPU cores;
  full: the reference recipe, for a GPU;
  objectives: what each objective adds to the recipe of configs/guide.py, 1,000
    steps of 16 images of 64x64, sized for two CPU cores;
  smoke: what the tests run.

The base has all fields of configs/default.py, and each cell changes a few of
them. To add a cell, add a line to `_CELLS`, and to the rates of presets.
"""

from typing import Any

import ml_collections

from configs import default, gan, guide


def _objectives(**weights: float) -> dict[str, Any]:
  # The smallest pixel loss is not what they are after.
  return {'objectives': weights, 'best_metric': 'val/lpips'}


def _gan() -> dict[str, Any]:
  """Returns what the recipe of configs/gan.py changes of the base."""
  recipe = gan.get_config('landscapes')
  names = 'loss', 'hole_weight', 'best_metric', 'ema_decay'
  changes = {name: recipe[name] for name in names}
  for section in 'objectives', 'discriminator', 'optimizer':
    changes[section] = recipe[section].to_dict()
  return changes | {'model': {'base': recipe.model.base}}


# What each cell changes of the base, beside the learning rate. The weights of
# objectives were chosen by hand: their sweep in rates was not run.
_CELLS: dict[str, dict[str, Any]] = {
  'optimizer/adam': {},
  'optimizer/sgd': {'optimizer': {'name': 'sgd'}},
  'optimizer/sgd_momentum': {'optimizer': {'name': 'sgd', 'momentum': 0.9}},
  'optimizer/rmsprop': {'optimizer': {'name': 'rmsprop'}},
  'optimizer/adagrad': {'optimizer': {'name': 'adagrad'}},
  'loss/mse': {},
  'loss/l1': {'loss': 'l1'},
  'loss/poisson_nll': {'loss': 'poisson_nll'},
  'loss/kl_div': {'loss': 'kl_div'},
  'loss/cross_entropy': {'loss': 'cross_entropy'},
  'model/unet': {},
  'model/encoder_decoder': {'model': {'name': 'encoder_decoder'}},
  'model/attention_unet': {'model': {'name': 'attention_unet'}},
  'model/unet_harmonic': {'model': {'base': 'harmonic'}},
  'model/gan': _gan(),
  'objective/pixel': {},
  'objective/perceptual': _objectives(perceptual=0.03),
  'objective/style': _objectives(style=0.3),
  'objective/adversarial': _objectives(adversarial=0.001),
  'objective/feature_matching': _objectives(
    adversarial=0.001, feature_matching=0.1
  ),
}
# Their learning rates in each preset: a tuple is a sweep, with a cell for each
# rate; None is the base's, of which equal cells are trained once.
_SMALL: dict[str, Any] = {
  'optimizer/adam': (3e-4, 1e-3, 3e-3),
  'optimizer/sgd': (1e-3, 1e-1, 3e-1, 1.0),
  'optimizer/sgd_momentum': (1e-3, 1e-2, 3e-2, 1e-1),
  'optimizer/rmsprop': (1e-4, 3e-4, 1e-3),
  'optimizer/adagrad': (1e-3, 3e-3, 1e-2),
  **{name: None for name in _CELLS if name.startswith('loss/')},
  'model/unet': None,
  'model/encoder_decoder': None,
}
_RATES: dict[str, Any] = {
  'optimizer/adam': (1e-4, 3e-4, 1e-3, 3e-3),
  'optimizer/sgd': (1e-1, 3e-1, 1.0, 3.0),
  'optimizer/sgd_momentum': (3e-2, 1e-1, 3e-1),
  'optimizer/rmsprop': (1e-4, 3e-4, 1e-3),
  'optimizer/adagrad': (1e-3, 3e-3, 1e-2, 3e-2),
  **{
    name: (3e-4, 1e-3, 3e-3)
    for name, changes in _CELLS.items()
    # A recipe has a rate of its own.
    if changes
    and 'optimizer' not in changes
    and name.startswith(('loss/', 'model/'))
  },
}
# Best in the validation of the preset rates after 500 steps
# (docs/study/unet/rates); those of the optimizers after 500 steps at 32x32
# (docs/study/unet/small), since their sweeps in rates were not finished.
_MEDIUM: dict[str, Any] = {
  **dict.fromkeys(_CELLS),
  'optimizer/sgd': 1.0,
  'optimizer/sgd_momentum': 0.1,
  'optimizer/rmsprop': 3e-4,
  'optimizer/adagrad': 3e-3,
  'loss/poisson_nll': 3e-4,
  'model/encoder_decoder': 3e-4,
  'model/unet_harmonic': 3e-4,
}

# Their rates were swept on a GPU for the preset medium, whose runs have as many
# images and steps (docs/study/unet/rates); that of unet on images of 32x32
# (docs/study/unet/small).
_CPU_UNETS: dict[str, dict[str, Any]] = {
  'model/unet': {'model': {'name': 'unet'}},
  'model/unet_harmonic': {'model': {'name': 'unet', 'base': 'harmonic'}},
  'model/attention_unet': {'model': {'name': 'attention_unet'}},
  'model/gan': _gan() | {'model': {'name': 'unet', 'base': 'harmonic'}},
}
# The base of cpu has the encoder-decoder.
_CPU_CELLS: dict[str, dict[str, Any]] = {
  **{
    name: changes
    for name, changes in _CELLS.items()
    if name.startswith(('loss/', 'optimizer/'))
    and name != 'optimizer/sgd_momentum'
  },
  'model/encoder_decoder': {},
  'model/encoder_decoder_harmonic': {'model': {'base': 'harmonic'}},
}
# A sweep whose best rate was at its edge got another rate there.
_CPU_RATES: dict[str, Any] = {
  **dict.fromkeys(_CPU_CELLS, (1e-4, 3e-4, 1e-3)),
  **dict.fromkeys(
    (
      'optimizer/adam',
      'loss/mse',
      'loss/l1',
      'model/encoder_decoder',
      'model/encoder_decoder_harmonic',
    ),
    (3e-5, 1e-4, 3e-4, 1e-3),
  ),
  'optimizer/sgd': (3e-2, 1e-1, 3e-1, 1.0),
  'optimizer/adagrad': (1e-3, 3e-3, 1e-2),
}
# Best in the validation of the preset cpu_rates (docs/study/rates), the base's
# included.
_CPU_RATE = 1e-4
_CPU: dict[str, Any] = {
  **dict.fromkeys(_CPU_CELLS),
  'model/unet': 1e-3,
  'model/unet_harmonic': 3e-4,
  'model/attention_unet': 1e-3,
  'model/gan': None,
  'optimizer/sgd': 1e-1,
  'optimizer/rmsprop': 3e-4,
  'optimizer/adagrad': 3e-3,
  'loss/poisson_nll': 3e-4,
  'loss/kl_div': 3e-4,
  'loss/cross_entropy': 3e-4,
}

# Photos of 64x64: 250 steps an epoch, in batches of 16.
_PHOTOS = {'num_train': 4000, 'num_val': 400, 'num_test': 500, 'image_size': 64}


def get_config(preset: str = 'small') -> ml_collections.ConfigDict:
  """Returns the base, with the cells in the section `study`.

  Args:
    preset: rates, medium, cpu_rates, cpu, cpu_128, small, full, objectives
      or smoke.
  """
  presets = {
    'rates': _rates,
    'medium': _medium,
    'cpu_rates': _cpu_rates,
    'cpu': _cpu,
    'cpu_128': _cpu_128,
    'small': _small,
    'full': _full,
    'objectives': _objectives_of_guide,
    'smoke': _smoke,
  }
  if preset not in presets:
    known = ', '.join(presets)
    raise ValueError(f'preset {preset!r} is unknown; choose: {known}')
  return presets[preset]()


def _cells(
  rates: dict[str, Any], changes: dict[str, Any] = _CELLS
) -> dict[str, dict[str, Any]]:
  """Returns {name: what changes} of cells with their learning rates."""
  cells = {name: dict(changes[name]) for name in rates}
  for name, rate in rates.items():
    if rate is not None:
      optimizer = cells[name].get('optimizer', {})
      cells[name]['optimizer'] = {**optimizer, 'learning_rate': rate}
  return cells


def _weights() -> dict[str, dict[str, Any]]:
  """Returns cells with weights of objectives to choose from."""
  weights: dict[str, dict[str, float]] = {
    f'{name}_{weight:.0e}': {name: weight}
    for name, numbers in {
      'perceptual': (0.01, 0.03, 0.1),
      'style': (0.1, 0.3, 1.0),
      'adversarial': (1e-3, 3e-3, 1e-2),
    }.items()
    for weight in numbers
  }
  for weight in 0.03, 0.1, 0.3:
    both = {'adversarial': 3e-3, 'feature_matching': weight}
    weights[f'feature_matching_{weight:.0e}'] = both
  return {f'objective/{k}': _objectives(**x) for k, x in weights.items()}


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
  # `more_seeds`, {cell: seeds}, trains some cells with further seeds.
  config.study = {'cells': cells, 'seeds': (0, 1, 2)}
  return config


def _small() -> ml_collections.ConfigDict:
  data = {'num_train': 800, 'num_val': 160, 'num_test': 500}
  data |= {'image_size': 32, 'num_threads': 1}
  # 100 steps each: the one number to change for a longer or shorter study.
  return _base('', _cells(_SMALL), batch_size=8, num_epochs=5, data=data)


def _photos(
  num_epochs: int, cells: dict[str, Any]
) -> ml_collections.ConfigDict:
  return _base(
    'landscapes', cells, batch_size=16, num_epochs=num_epochs, data=_PHOTOS
  )


def _rates() -> ml_collections.ConfigDict:
  config = _photos(2, _cells(_RATES) | _weights())
  config.study.seeds = (0,)
  return config


def _medium() -> ml_collections.ConfigDict:
  return _photos(8, _cells(_MEDIUM))


def _cpu_rates() -> ml_collections.ConfigDict:
  config = _photos(2, _cells(_CPU_RATES, _CPU_CELLS))
  config.model.name = 'encoder_decoder'
  config.study.seeds = (0,)
  return config


def _cpu() -> ml_collections.ConfigDict:
  config = _photos(8, _cells(_CPU, _CPU_CELLS | _CPU_UNETS))
  config.model.name = 'encoder_decoder'
  config.optimizer.learning_rate = _CPU_RATE
  # Those that three seeds do not tell apart.
  config.study.more_seeds = dict.fromkeys(
    (
      'loss/mse',
      'loss/poisson_nll',
      'loss/kl_div',
      'loss/cross_entropy',
      'optimizer/rmsprop',
    ),
    (3, 4),
  )
  return config


def _cpu_128() -> ml_collections.ConfigDict:
  losses = 'mse', 'kl_div'
  models = 'encoder_decoder', 'encoder_decoder_harmonic'
  names = [f'loss/{x}' for x in losses] + [f'model/{x}' for x in models]
  config = _cpu()
  config.data.image_size = 128
  config.study.cells = {name: config.study.cells[name] for name in names}
  config.study.more_seeds = {}
  return config


def _full() -> ml_collections.ConfigDict:
  return _base('landscapes', _cells(_SMALL))


def _objectives_of_guide() -> ml_collections.ConfigDict:
  # The weights of configs/guide.py and gan.py; that of style by hand.
  weights: dict[str, dict[str, float]] = {
    'pixel': {},
    'perceptual': {'perceptual': 0.1},
    'style': {'style': 1.0},
    'adversarial': {'adversarial': 0.01},
    'feature_matching': {'adversarial': 0.01, 'feature_matching': 0.1},
  }
  cells = {f'objective/{k}': {'objectives': x} for k, x in weights.items()}
  config = guide.get_config('landscapes')
  config.batch_size, config.num_epochs, config.num_samples = 16, 4, 0
  config.objectives.perceptual = 0.0
  config.data.update(_PHOTOS)
  config.study = {'cells': cells, 'seeds': (0, 1, 2)}
  return config


def _smoke() -> ml_collections.ConfigDict:
  cells = _cells({'optimizer/adam': (1e-3,), 'optimizer/sgd': (1e-1,)})
  data = {'num_train': 16, 'num_val': 6, 'num_test': 7}
  data |= {'image_size': 32, 'num_threads': 1}
  model = {'features': (4, 8, 16)}
  changes = {'batch_size': 4, 'num_epochs': 2, 'log_every_steps': 2}
  config = _base('', cells, data=data, model=model, **changes)
  config.study.seeds = (0, 1)
  return config
