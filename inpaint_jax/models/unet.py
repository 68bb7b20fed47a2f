"""The UNet, with three poolings and skips that carry detail past them."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import layers


class UNet(layers.ThreeLevels):
  """Convolutions without normalisation, with skips between equal resolutions.

  After U-Net (Ronneberger et al., 2015); the better model of the reference
  study, with 2,662,659 parameters. ReLUs come before convolutions, not after
  them, so that skips carry values that are not yet rectified. The final tanh of
  the reference belongs to the loss here, see losses.py.
  """

  @nn.compact
  def __call__(
    self, masked_image: jax.Array, mask: jax.Array, *, train: bool
  ) -> jax.Array:
    """Returns raw outputs, see models; H and W are multiples of 8."""
    del train
    features1, features2, features3 = self.features
    conv = functools.partial(layers.conv, dtype=self.dtype, method=self.conv)

    def block(x: jax.Array, features: int, name: str) -> jax.Array:
      x = conv(x, features, name=f'{name}_conv1')
      return conv(nn.relu(x), features, name=f'{name}_conv2')

    def halve(skip: jax.Array) -> jax.Array:
      return nn.relu(layers.max_pool(skip))

    def double(x: jax.Array, skip: jax.Array) -> jax.Array:
      x = jnp.concatenate([layers.upsample_bilinear(x), skip], axis=-1)
      return nn.relu(x)

    x = layers.concatenate_input(masked_image, mask, multiple=8)
    skip1 = block(x, features1, 'encoder1')
    skip2 = block(halve(skip1), features2, 'encoder2')
    skip3 = block(halve(skip2), features3, 'encoder3')

    x = conv(halve(skip3), features3, name='bottleneck_conv')
    x = self._bottleneck(x, mask)

    x = block(double(x, skip3), features2, 'decoder1')
    x = block(double(x, skip2), features1, 'decoder2')
    x = double(x, skip1)
    x = conv(x, 3, zero=self.zero_start, name='decoder3_conv')
    return x.astype(jnp.float32)

  def _bottleneck(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    """Returns the decoder's input, [B, H / 8, W / 8, C]; for variants."""
    del mask
    return x
