"""The net that refines fillings, to train it; `inpainting.refiner` runs it."""

from collections.abc import Sequence
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp


class Refiner(nn.Module):
  """A UNet whose output is added to a filling; at first it adds nothing.

  After Ronneberger et al., 2015 (arXiv 1505.04597), with SiLU and two residual
  blocks at the lowest resolution. It is not one of MODELS: it sees a filled
  hole. 1,109,475 parameters.

  Attributes:
    features: channels of each resolution, the highest first.
    dtype: type of the convolutions, but for the last.
  """

  features: Sequence[int] = (32, 64, 128)
  dtype: jax.typing.DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, filled: jax.Array, hole: jax.Array, seams: jax.Array
  ) -> jax.Array:
    """Returns what is to be added to a filling.

    Args:
      filled: float [B, H, W, 3] in [0, 1], H and W multiples of 4.
      hole: [B, H, W, 1] in {0, 1}, 1 = hole.
      seams: [B, H, W, 1] in {0, 1}, 1 = pixel of the hole with a neighbour that
        is copied from elsewhere.

    Returns:
      float32 [B, H, W, 3].
    """
    conv = functools.partial(nn.Conv, kernel_size=(3, 3), dtype=self.dtype)
    x = jnp.concatenate([2 * filled - 1, hole, seams], axis=-1)
    skips = []
    for level, count in enumerate(self.features):
      if level:
        x = nn.avg_pool(x, (2, 2), (2, 2))
      for number in range(2):
        x = nn.silu(conv(count, name=f'd{level}{number}')(x))
      skips.append(x)
    for number in range(2):
      inner = nn.silu(conv(x.shape[-1], name=f'm{number}a')(x))
      x = x + conv(x.shape[-1], name=f'm{number}b')(inner)
    for level in reversed(range(len(self.features) - 1)):
      x = conv(self.features[level], name=f'p{level}')(x)
      x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
      x = jnp.concatenate([x, skips[level]], axis=-1)
      for number in range(2):
        x = nn.silu(conv(self.features[level], name=f'u{level}{number}')(x))
    return nn.Conv(3, (3, 3), kernel_init=nn.initializers.zeros, name='out')(
      x.astype(jnp.float32)
    )
