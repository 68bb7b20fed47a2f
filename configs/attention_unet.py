"""The UNet with attention, 2,925,827 parameters, for holes of any size.

The commands in configs/unet.py train it if they name this file instead.
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the UNet with attention."""
  config = default.get_config(preset)
  config.model.name = 'attention_unet'
  return config
