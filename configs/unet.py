"""The UNet, 2,662,659 parameters.

  python main.py --config=configs/unet.py --workdir=runs/unet

trains on synthetic landscapes. The reference recipe on photographs:

  python main.py --config=configs/unet.py:landscapes \
    --config.data.source=DIR --workdir=runs/unet_landscapes
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the UNet."""
  config = default.get_config(preset)
  config.model.name = 'unet'
  return config
