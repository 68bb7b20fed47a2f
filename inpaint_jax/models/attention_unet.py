"""The UNet with attention: holes look for what they need among known pixels."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import layers


class AttentionUNet(nn.Module):
  """The UNet, with attention from everywhere to what is known.

  At an eighth of the resolution, each position becomes the sum of itself and of
  what it attends to (Vaswani et al., 2017, arXiv 1706.03762, one head), which
  are positions without a pixel of the hole. So structure passes over holes of
  any size, into which convolutions do not see far. 2,925,827
  parameters. Memory grows with the square of the number of positions: (H W /
  64)^2 numbers an image.

  Attributes:
    features: channels of the three levels, from the full resolution down.
    dtype: type in which to compute; parameters are float32.
    conv: how to convolve, a name in convolution.CONVOLUTIONS.
    zero_start: whether outputs are zero at first, for HarmonicBase.
  """

  features: tuple[int, int, int] = (64, 128, 256)
  dtype: jax.typing.DTypeLike = jnp.float32
  conv: str = 'xla'
  zero_start: bool = False

  @nn.compact
  def __call__(
    self, masked_image: jax.Array, mask: jax.Array, *, train: bool
  ) -> jax.Array:
    """Predicts the whole image from its known pixels; see UNet."""
    del train
    features1, features2, features3 = self.features
    conv = functools.partial(layers.conv, dtype=self.dtype, method=self.conv)

    def project(x: jax.Array, name: str) -> jax.Array:
      return layers.conv(
        x, features3, dtype=self.dtype, method='xla', name=name, size=1
      )

    def decode(x: jax.Array, skip: jax.Array) -> jax.Array:
      x = jnp.concatenate([layers.upsample_bilinear(x), skip], axis=-1)
      return nn.relu(x)

    x = layers.concatenate_input(masked_image, mask, multiple=8)
    x = conv(x, features1, name='encoder1_conv1')
    skip1 = conv(nn.relu(x), features1, name='encoder1_conv2')
    x = nn.relu(layers.max_pool(skip1))
    x = conv(x, features2, name='encoder2_conv1')
    skip2 = conv(nn.relu(x), features2, name='encoder2_conv2')
    x = nn.relu(layers.max_pool(skip2))
    x = conv(x, features3, name='encoder3_conv1')
    skip3 = conv(nn.relu(x), features3, name='encoder3_conv2')

    x = nn.relu(layers.max_pool(skip3))
    x = conv(x, features3, name='bottleneck_conv')
    hole = mask
    for _ in range(3):
      hole = layers.max_pool(hole)
    query, key, value = (
      project(nn.relu(x), f'attention_{name}')
      for name in ('query', 'key', 'value')
    )
    x += project(layers.attend(query, key, value, hole), 'attention_found')

    x = conv(decode(x, skip3), features2, name='decoder1_conv1')
    x = conv(nn.relu(x), features2, name='decoder1_conv2')
    x = conv(decode(x, skip2), features1, name='decoder2_conv1')
    x = conv(nn.relu(x), features1, name='decoder2_conv2')
    x = decode(x, skip1)
    x = conv(x, 3, zero=self.zero_start, name='decoder3_conv')
    return x.astype(jnp.float32)
