r"""A guide for the photo engine: colours and large structure in large holes.

  python main.py --config=configs/guide.py:landscapes --workdir=runs/guide64 \
    --config.data.source=DIR --config.data.image_size=64

and then, from what that gave, at the next size:

  python main.py --config=configs/guide.py:landscapes --workdir=runs/guide128 \
    --config.data.source=DIR --config.init_from=runs/guide64

The UNet changes the harmonic fill, for the mean absolute error in the hole and,
with a small weight, the distance of AlexNet's features. Crops of 256 pixels
are shrunk, so that smaller images show larger structure.
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the guide's fields."""
  config = default.get_config(preset)
  config.loss = 'l1'
  # With this base, known pixels are right from the start.
  config.hole_weight = 20.0
  config.batch_size = 16
  config.early_stopping_patience = 0
  config.ema_decay = 0.998
  config.masks.kind = 'mixture'
  config.masks.strokes = 'thick'
  config.model.base = 'harmonic'
  config.objectives.perceptual = 0.02
  config.optimizer.learning_rate = 5e-4
  config.optimizer.clip_norm = 1.0
  if preset == 'landscapes':
    config.data.image_size = 128
  return config
