"""A run that takes seconds and has everything in it, for the tests.

python main.py --config=configs/smoke.py --workdir=runs/smoke
"""

import ml_collections

from configs import default


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns default.get_config(preset), made tiny."""
  config = default.get_config(preset)
  config.batch_size = 4
  config.num_epochs = 2
  config.log_every_steps = 2
  config.num_samples = 4
  config.data.image_size = 32
  config.data.num_train = 20
  config.data.num_val = 6
  config.data.num_test = 7
  config.data.num_threads = 1
  config.model.features = (4, 8, 16)
  return config
