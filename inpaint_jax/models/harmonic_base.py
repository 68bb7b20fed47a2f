"""A model whose outputs are relative to the harmonic fill."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import harmonic

# Images are kept this far from 0 and 1, which tanh and sigmoid reach for no
# finite output. It is less than half of an 8-bit level.
_MARGIN = 1 / 1024


class HarmonicBase(nn.Module):
  """A model that changes the harmonic fill instead of black holes.

  The model gets the image with harmonically filled holes, and its outputs are
  added to that image; with `zero_start` it initially returns the harmonic fill.
  The sum is converted to the raw outputs that stand for it. Variables have the
  names that they have in `net` alone.

  Attributes:
    net: a model of a class in MODELS.
    to_outputs: `to_outputs` of the loss, see losses.Loss.
  """

  net: nn.Module
  to_outputs: Callable[[jax.Array], jax.Array]

  def setup(self) -> None:
    nn.share_scope(self, self.net)

  def __call__(
    self, masked_image: jax.Array, mask: jax.Array, *, train: bool
  ) -> jax.Array:
    """Returns raw outputs, see models."""
    base = harmonic.fill(masked_image, jax.lax.stop_gradient(mask))
    added = self.net(base, mask, train=train)
    image = base + added
    inside = jnp.clip(image, _MARGIN, 1 - _MARGIN)
    # Clips, but keeps the gradient as if there were no clip: with a gradient of
    # 0, values outside the range would never return.
    outputs = self.to_outputs(image + jax.lax.stop_gradient(inside - image))
    if not train:
      return outputs
    # A known pixel to which nothing is added is right. The loss sees a rounding
    # error there, of which the absolute value has a slope of 1 or -1.
    is_right = (mask == 0) & (added == 0)
    return jnp.where(is_right, jax.lax.stop_gradient(outputs), outputs)
