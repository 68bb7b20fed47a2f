"""The net that refines fillings, to train it; `inpainting.refiner` runs it."""

from collections.abc import Sequence
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


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


def refine(
  net: Refiner,
  params: Any,
  filled: jax.Array,
  hole: jax.Array,
  seams: jax.Array,
  blur: float,
  thin: int,
) -> jax.Array:
  """Returns refined fillings, [B, H, W, 3], as `inpainting.refining` does.

  Unlike there, values may leave [0, 1], and copies that fit exactly change.

  Args:
    net, params, filled, hole, seams: see `Refiner`.
    blur: standard deviation in pixels of the blur of what is added where the
      hole is wide; 0 = none.
    thin: depth of a hole in pixels up to which nothing is blurred.
  """
  added: Any = net.apply(params, filled, hole, seams)
  if blur:
    kept = jnp.clip(2 - _find_depth(hole, 2 * thin) / thin, 0, 1)
    blurred = _blur_within(added, hole, blur)
    added = blurred + kept * (added - blurred)
  limit = _contrast(filled)
  return filled + hole * jnp.clip(added, -limit, limit)


def _find_depth(hole: jax.Array, most: int) -> jax.Array:
  """Returns the largest depth of holes near each pixel, up to `most`."""
  depth = inner = hole
  for _ in range(most - 1):
    inner = -nn.max_pool(-inner, (3, 3), padding='SAME')
    depth += inner
  side = 2 * most - 1
  return nn.max_pool(depth, (side, side), padding='SAME')


def _blur_within(added: jax.Array, hole: jax.Array, sigma: float) -> jax.Array:
  """Blurs [B, H, W, 3] within the hole [B, H, W, 1]."""
  reach = int(4 * sigma + 0.5)
  line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
  line = (line / line.sum()).astype(np.float32)
  margins = [(0, 0), (reach, reach), (reach, reach), (0, 0)]
  x = jnp.concatenate([added * hole, hole], axis=-1)
  x = jnp.pad(x, margins, 'symmetric')
  for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
    x = jax.lax.conv_general_dilated(
      x,
      jnp.tile(line.reshape(shape), (1, 1, 1, 4)),
      (1, 1),
      'VALID',
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=4,
    )
  return x[..., :3] / jnp.maximum(x[..., 3:], 1e-3)


def _contrast(image: jax.Array) -> jax.Array:
  """Returns how much images vary around each pixel, [B, H, W, 1]."""
  around = ((0, 0), (2, 2), (2, 2), (0, 0))
  light = jnp.mean(image, axis=-1, keepdims=True)
  mean = nn.avg_pool(jnp.pad(light, around, 'symmetric'), (5, 5))
  apart = jnp.pad(jnp.abs(light - mean), around, 'symmetric')
  return 2 * nn.max_pool(apart, (5, 5))
