"""Random keys and numbers that are the same under every setting of JAX.

JAX's own functions give other numbers, or numbers of other widths, under
JAX_DEFAULT_PRNG_IMPL, JAX_ENABLE_X64 and JAX_THREEFRY_PARTITIONABLE. These
functions give what JAX gives by default: threefry2x32, 32 bits, partitionable.
They use `fold_in`, which those settings do not change: in the partitionable
threefry, key i of a split and number i of an array are made by fold_in(key, i).
"""

import math

import jax
import jax.numpy as jnp


def create_key(seed: jax.typing.ArrayLike) -> jax.Array:
  """Returns the key of a seed, which is at least 0 and below 2**32."""
  # Like jax.random.key, which would also add JAX_RANDOM_SEED_OFFSET.
  words = jnp.stack([jnp.uint32(0), jnp.asarray(seed, jnp.uint32)])
  return jax.random.wrap_key_data(words, impl='threefry2x32')


def split(key: jax.Array, count: int) -> jax.Array:
  """Returns `count` keys, as jax.random.split does."""
  counts = jnp.arange(count, dtype=jnp.uint32)
  return jax.vmap(jax.random.fold_in, (None, 0))(key, counts)


def bits(key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
  """Returns uniform uint32, as jax.random.bits does."""
  halves = jax.random.key_data(split(key, math.prod(shape)))
  return (halves[:, 0] ^ halves[:, 1]).reshape(shape)


def symmetric_uniform(
  key: jax.Array, shape: tuple[int, ...], bound: float
) -> jax.Array:
  """Returns uniform float32 in [-bound, bound).

  These are the numbers of jax.random.uniform if it is compiled with a fused
  multiply-add. Here only the last product is rounded, so they do not depend on
  what a compiler fuses.
  """
  steps = 2**22
  number = (bits(key, shape) >> 9).astype(jnp.int32) - steps
  return number.astype(jnp.float32) / steps * jnp.float32(bound)
