"""Random numbers that no setting of JAX changes."""

import contextlib
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax.system import randomness

pytestmark = pytest.mark.usefixtures('full_compile')
ROOT = pathlib.Path(__file__).parents[2]

SETTINGS = {
  'default': contextlib.nullcontext,
  'x64': lambda: jax.enable_x64(True),
  'not partitionable': lambda: jax.threefry_partitionable(False),
  'rbg': lambda: jax.default_prng_impl('rbg'),
}


@pytest.mark.parametrize('setting', SETTINGS)
@pytest.mark.parametrize('shape', [(), (5,), (3, 4)])
def test_numbers_are_those_of_jax_by_default(setting, shape):
  key = jax.random.key(7)
  bits = np.asarray(jax.random.bits(key, shape))
  uniform = np.asarray(jax.random.uniform(key, shape, minval=-0.3, maxval=0.3))
  parts = np.asarray(jax.random.key_data(jax.random.split(key, 4)))
  with SETTINGS[setting]():
    key = randomness.create_key(7)
    ours = randomness.bits(key, shape)
    weights = randomness.symmetric_uniform(key, shape, 0.3)
    keys = jax.random.key_data(randomness.split(key, 4))
  assert (ours.dtype, weights.dtype) == (jnp.uint32, jnp.float32)
  np.testing.assert_array_equal(ours, bits)
  np.testing.assert_array_equal(keys, parts)
  # JAX rounds once or twice, depending on what is fused.
  np.testing.assert_allclose(weights, uniform, rtol=0, atol=2**-24)


def test_weights_are_rounded_once():
  key = randomness.create_key(0)
  weights = randomness.symmetric_uniform(key, (1000,), 0.3)
  number = np.asarray(randomness.bits(key, (1000,)) >> 9, np.float64) - 2**22
  exact = number / 2**22 * np.float64(np.float32(0.3))
  np.testing.assert_array_equal(weights, exact.astype(np.float32))


# Prints digests of masks of each kind, of initial weights, and of batches.
_PROGRAM = """
import hashlib, itertools
import jax, numpy as np
from ml_collections import ConfigDict
from configs import default
from inpaint_jax import masks, models
from inpaint_jax.system import randomness, sharding
from inpaint_jax.training import input_pipeline

def show(name, *arrays):
  arrays = [np.ascontiguousarray(x) for x in arrays]
  content = b''.join(x.tobytes() + str(x.dtype).encode() for x in arrays)
  print(name, hashlib.sha256(content).hexdigest()[:12])

placed = sharding.split(sharding.create_mesh())
# Drawing a mixture draws all the other kinds.
sampler = masks.create_sampler(ConfigDict(dict(kind='mixture', strokes='thin')))
draw = jax.jit(lambda index: masks.evaluation_masks(sampler, 3, index, 32, 48))
index = np.arange(24, dtype=np.int32)
show('masks', draw(jax.device_put(index, placed)))
# A unet is an attention_unet without attention.
for name in ('attention_unet', 'encoder_decoder'):
  config = default.get_config().model
  config.update(name=name, features=(4, 8, 16), conv='xla')
  model = models.create_model(config)
  create = jax.jit(lambda key: models.init_variables(model, key, 32))
  variables = create(randomness.create_key(5))
  show(name, *jax.tree.leaves(variables))
photos = np.arange(12 * 4 * 4 * 3, dtype=np.uint8).reshape(12, 4, 4, 3)
batches = input_pipeline.train_batches(
  [{'image': photo} for photo in photos],
  ConfigDict(dict(flip=True, rotate=True, num_threads=2)),
  seed=1, batch_size=4)
for batch in itertools.islice(batches, 3):
  show('batch', batch['image'], batch['index'])
"""

_DIGESTS = """\
masks 190c59c69ed5
attention_unet fa058e6759c1
encoder_decoder 2f922686d292
batch 5b709a681693
batch 0105585c306f
batch 4e421b164dd7
"""


_SETTINGS = {
  'JAX_ENABLE_X64': '1',
  'JAX_THREEFRY_PARTITIONABLE': '0',
  'JAX_DEFAULT_PRNG_IMPL': 'unsafe_rbg',
  'JAX_RANDOM_SEED_OFFSET': '5',
  'FLAX_FIX_RNG_SEPARATOR': '1',
  'XLA_FLAGS': (
    f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count=4'
  ),
}


@pytest.mark.slow
def test_environment_changes_no_draw():
  """The digests were made without these settings, by an earlier version."""
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    cwd=ROOT,
    env={**os.environ, **_SETTINGS},
    capture_output=True,
    text=True,
    check=False,
  )
  assert (result.stdout, result.returncode) == (_DIGESTS, 0), result.stderr
