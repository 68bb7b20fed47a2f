"""A UNet and a global and a local discriminator (5,516,162 parameters).

  python main.py --config=configs/gan.py --workdir=runs/gan

trains on synthetic landscapes, and on photographs:

  python main.py --config=configs/gan.py:landscapes \
    --config.data.source=DIR --workdir=runs/gan_landscapes

For patches that have the hole as their target, as LaMa has them, add

  --config.discriminator.name=patch --config.objectives.r1=0.001 \
    --config.objectives.adversarial_loss=nonsaturating
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with two networks."""
  config = default.get_config(preset)
  config.loss = 'l1'
  config.hole_weight = 6.0
  config.model.base = 'harmonic'
  config.objectives.adversarial = 0.01
  config.objectives.feature_matching = 0.1
  config.discriminator.name = 'global_local'
  config.optimizer.learning_rate = 1e-4
  # The smallest pixel loss is not what a GAN is after.
  config.early_stopping_patience = 0
  config.ema_decay = 0.999
  return config
