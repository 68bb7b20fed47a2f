"""The UNet with attention, 2,925,827 parameters, for holes of any size.

  python main.py --config=configs/attention_unet.py --workdir=runs/attention

trains on synthetic landscapes. The reference recipe on photographs:

  python main.py --config=configs/attention_unet.py:landscapes \
    --config.data.source=DIR --workdir=runs/attention_landscapes
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset) with the UNet with attention."""
  config = default.get_config(preset)
  config.model.name = 'attention_unet'
  return config
