"""What all tests share: the CPU, and strict ranks."""

import os

# Before JAX starts.
os.environ['JAX_PLATFORMS'] = 'cpu'

import jax

jax.config.update('jax_numpy_rank_promotion', 'raise')
