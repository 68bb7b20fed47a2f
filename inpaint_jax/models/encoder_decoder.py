"""The encoder-decoder, with batch normalisation, two poolings and no skips."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import layers


class EncoderDecoder(layers.ThreeLevels):
  """Convolutions with batch normalisation, halving twice and doubling twice.

  The simpler model of the reference study, with 744,387 trainable parameters.
  The final tanh of the reference belongs to the loss here, see losses.py.

  Batch normalisation (Ioffe and Szegedy, 2015) keeps its statistics in float32.
  Flax's running statistics have the biased variance of a batch, PyTorch's the
  unbiased one, n / (n - 1) times as large, where n counts all pixels of the
  batch: a difference of 1 in 2,000 for a batch of 32 at the lowest resolution
  of images of 32 pixels, and less for larger images.
  """

  @nn.compact
  def __call__(
    self, masked_image: jax.Array, mask: jax.Array, *, train: bool
  ) -> jax.Array:
    """Returns raw outputs, see models; H and W are multiples of 4.

    Args:
      train: whether to normalise by this batch and update the running
        statistics (`mutable=['batch_stats']`), or else to normalise by them.
    """
    features1, features2, features3 = self.features
    conv = functools.partial(layers.conv, dtype=self.dtype, method=self.conv)
    norm = functools.partial(
      nn.BatchNorm,
      use_running_average=not train,
      momentum=0.9,
      epsilon=1e-5,
      dtype=self.dtype,
    )

    def block(x: jax.Array, features: int, name: str) -> jax.Array:
      x = conv(x, features, name=f'{name}_conv')
      return nn.relu(norm(name=f'{name}_norm')(x))

    x = layers.concatenate_input(masked_image, mask, multiple=4)
    x = layers.max_pool(block(x, features1, 'encoder1'))
    x = layers.max_pool(block(x, features2, 'encoder2'))
    x = block(x, features3, 'encoder3')
    x = layers.upsample_nearest(block(x, features2, 'decoder1'))
    x = layers.upsample_nearest(block(x, features1, 'decoder2'))
    x = conv(x, 3, zero=self.zero_start, name='decoder3_conv')
    return x.astype(jnp.float32)
