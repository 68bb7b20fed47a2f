"""A model that is traced and compiled in no time."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import deep_features, lpips

# Fields of a run with every kind of objective of a discriminator.
GAN = {
  'objectives.adversarial': 0.1,
  'objectives.feature_matching': 0.5,
  'objectives.r1': 0.01,
  'discriminator.features': (4, 6),
  'ema_decay': 0.9,
  'num_samples': 0,
}

# SGD does not make differences in rounding large, as Adam does where a gradient
# is nearly 0.
SGD = {'optimizer.name': 'sgd', 'optimizer.learning_rate': 0.01}
SGD |= {f'discriminator.{name}': value for name, value in SGD.items()}

# Features instead of AlexNet's: the image itself, and differences between rows.
FEATURES = deep_features.DeepFeatures(
  lambda image: [image, image[:, 1:] - image[:, :-1]],
  [np.ones(3, np.float32)] * 2,
)


def load_lpips(sharding=None, net='alexnet'):
  """Replaces lpips.load; the two nets give different distances."""
  del sharding
  scale = {'alexnet': 1.0, 'vgg16': 2.0}[net]

  @jax.jit
  def maps(image):
    return [scale * image, image[:, ::2, ::2]]

  @jax.jit
  def distance(a, b):
    squares = [jnp.square(x - y) for x, y in zip(a, b, strict=True)]
    return sum(jnp.mean(x, axis=(1, 2, 3)) for x in squares)

  return lpips.Net(maps, distance, lambda a, b: distance(maps(a), maps(b)))


class Tiny(nn.Module):
  """Everything that a model can have, in two layers.

  Attributes:
    norm: whether it has batch statistics.
  """

  features: tuple[int, int, int] = (4, 4, 4)
  dtype: jnp.dtype = jnp.float32
  conv: str = 'xla'
  norm: bool = True

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    x = jnp.concatenate([masked_image, mask], axis=-1)
    # A bias before batch normalisation has a gradient of rounding errors only,
    # which Adam makes as large as any other.
    x = nn.Conv(
      self.features[0], (3, 3), use_bias=not self.norm, dtype=self.dtype
    )(x)
    if self.norm:
      x = nn.BatchNorm(use_running_average=not train)(x)
    return nn.Conv(3, (3, 3), dtype=self.dtype)(nn.relu(x))
