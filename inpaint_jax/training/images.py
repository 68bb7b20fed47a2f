"""Images as arrays: uint8 from 0 to 255, or float32 from 0 to 1."""

import jax
import jax.numpy as jnp
import numpy as np


def to_float(image: jax.Array) -> jax.Array:
  """Returns uint8 images as float32 in [0, 1]."""
  return image.astype(jnp.float32) / 255


def to_uint8(image: np.ndarray) -> np.ndarray:
  """Returns float images, clipped to [0, 1], as uint8."""
  return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
