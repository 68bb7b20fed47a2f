"""The encoder-decoder, 744,387 parameters: faster than the UNet, but blurrier.

  python main.py --config=configs/encoder_decoder.py --workdir=runs/encoder

trains on synthetic landscapes. The reference recipe on photographs:

  python main.py --config=configs/encoder_decoder.py:landscapes \
    --config.data.source=DIR --workdir=runs/encoder_landscapes
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the encoder-decoder."""
  config = default.get_config(preset)
  config.model.name = 'encoder_decoder'
  return config
