"""The UNet with attention from the whole image to its known parts."""

import flax.linen as nn
import jax

from inpaint_jax.models import layers
from inpaint_jax.models.unet import UNet


class AttentionUNet(UNet):
  """The UNet, with attention in its bottleneck.

  At an eighth of the resolution, each position attends to the positions that
  have no pixel of the hole, and adds what it finds to itself (Vaswani et al.,
  2017, arXiv 1706.03762, one head). This carries structure into holes of any
  size; convolutions only reach a short way into them. 2,925,827 parameters.
  Memory grows with the square of the number of positions: (H W / 64)^2 numbers
  an image.
  """

  def _bottleneck(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    def project(x: jax.Array, name: str) -> jax.Array:
      name = f'attention_{name}'
      return layers.conv(
        x, self.features[2], dtype=self.dtype, method='xla', name=name, size=1
      )

    hole = mask
    for _ in range(3):
      hole = layers.max_pool(hole)
    query, key, value = (
      project(nn.relu(x), name) for name in ('query', 'key', 'value')
    )
    return x + project(layers.attend(query, key, value, hole), 'found')
