r"""A guide for the photo engine: colours and large structure in large holes.

  python main.py --config=configs/guide.py:landscapes --workdir=runs/guide \
    --config.data.source=DIR

The encoder-decoder changes the harmonic fill. It minimises the mean absolute
error, mostly in the hole, and the distance of AlexNet's features. Crops of 256
pixels are shrunk to 128, so that they show larger structure. This is the first
part of the recipe of encoder-decoder-landscapes; its card has the rest, with
the features of AlexNet and VGG16 together. The UNet, which sees less far,
hardly changed the harmonic fill in 2,451 steps at half the learning rate.
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the guide's fields."""
  config = default.get_config(preset)
  config.model.name = 'encoder_decoder'
  config.model.base = 'harmonic'
  config.loss = 'l1'
  # With model.base = 'harmonic', known pixels are right from the start.
  config.hole_weight = 20.0
  config.masks.kind = 'mixture'
  config.masks.strokes = 'thick'
  config.objectives.perceptual = 0.1
  config.optimizer.learning_rate = 1e-3
  config.optimizer.clip_norm = 1.0
  config.batch_size = 32
  config.early_stopping_patience = 0
  config.best_metric = 'val/lpips'
  config.ema_decay = 0.998
  config.data.rotate = False
  if preset == 'landscapes':
    config.data.image_size = 128
  return config
