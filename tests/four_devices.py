"""Trains on all devices; used by the tests of several devices.

  python tests/four_devices.py DATA_DIR WORKDIR OTHER

trains into WORKDIR as `train_all`, then tests the plain run of OTHER, also as
the study does.
"""

import pathlib
import sys

import tiny_model

from configs import smoke
from inpaint_jax import models
from inpaint_jax.study import testing
from inpaint_jax.training import evaluate, train

# The model has batch statistics, the only thing that mixes images. Unoptimised
# programs round differently on each number of devices, hence SGD.
PLAIN = {'model.name': 'tiny'} | tiny_model.SGD
GAN = PLAIN | tiny_model.GAN


def train_all(data_dir, workdir):
  """Trains runs with and without a discriminator, workdir/gan and /plain."""
  for name, fields in (('plain', PLAIN), ('gan', GAN)):
    config = smoke.get_config()
    config.data.data_dir = str(data_dir)
    config.update_from_flattened_dict(fields)
    train.train(config, pathlib.Path(workdir) / name)


def test(workdir):
  """Returns the metrics of the plain run, in one batch."""
  run = pathlib.Path(workdir) / 'plain'
  return evaluate.evaluate(run, {'batch_size': 8})['metrics']['tiny']


if __name__ == '__main__':
  models.MODELS['tiny'] = tiny_model.Tiny
  train_all(*sys.argv[1:3])
  test(sys.argv[3])
  row = testing.test_run(pathlib.Path(sys.argv[3]) / 'plain')
  print(f'study: {row["test/hole_psnr"]:.3f}')
