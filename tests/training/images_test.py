"""Images as arrays."""

import jax.numpy as jnp
import numpy as np

from inpaint_jax.training import images


def test_uint8_to_float_and_back_is_the_same():
  levels = np.arange(256, dtype=np.uint8)
  floats = np.asarray(images.to_float(jnp.asarray(levels)))
  assert floats.min() == 0
  assert floats.max() == 1
  np.testing.assert_array_equal(images.to_uint8(floats), levels)


def test_to_uint8_clips():
  assert images.to_uint8(np.array([-1.0, 2.0])).tolist() == [0, 255]
