"""The encoder-decoder, 744,387 parameters: faster than the UNet, but blurrier.

The commands in configs/unet.py train it if they name this file instead.
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the encoder-decoder."""
  config = default.get_config(preset)
  config.model.name = 'encoder_decoder'
  return config
