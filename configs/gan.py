"""A UNet with a global and a local discriminator (5,516,162 parameters).

  python main.py --config=configs/gan.py --workdir=runs/gan

trains on synthetic landscapes, and on photographs, with LPIPS in the loss:

  python main.py --config=configs/gan.py:landscapes \
    --config.data.source=DIR --workdir=runs/gan_landscapes

With data.image_size=128 unet-landscapes began with this recipe, see its card.
For a discriminator of patches that learns to find the hole, as in LaMa, add

  --config.discriminator.name=patch --config.objectives.r1=0.001 \
    --config.objectives.adversarial_loss=nonsaturating

For one that learns within a hundred steps, on fixed features of VGG16 (pip
install -e '.[metrics]'):

  --config.discriminator.name=projected \
    --config.discriminator.features='(64,64)' \
    --config.objectives.feature_matching=0 --config.objectives.adversarial=0.05

The card of gan-landscapes has all of such a recipe.
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with a discriminator."""
  config = default.get_config(preset)
  config.loss = 'l1'
  # With model.base = 'harmonic', known pixels are right from the start.
  config.hole_weight = 20.0
  config.model.base = 'harmonic'
  config.objectives.adversarial = 0.01
  config.objectives.feature_matching = 0.1
  config.discriminator.name = 'global_local'
  config.optimizer.learning_rate = 3e-4
  config.optimizer.clip_norm = 1.0
  config.early_stopping_patience = 0
  config.ema_decay = 0.999
  if preset == 'landscapes':
    config.objectives.perceptual = 0.1
    # A GAN does not aim at the smallest pixel loss.
    config.best_metric = 'val/lpips'
    # Landscapes stay upright.
    config.data.rotate = False
  return config
