"""A model whose outputs are relative to the harmonic fill."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import harmonic

# Images are kept so far from 0 and 1, which no finite outputs of a tanh or of a
# sigmoid stand for: less than half of an 8-bit level.
_MARGIN = 1 / 1024


class HarmonicBase(nn.Module):
  """Any model, with the harmonic fill in its holes, which it changes.

  The model sees an image without black holes, and its outputs are added to that
  image; with `zero_start` it starts as the harmonic fill. The sum is turned
  into the raw outputs that stand for it. Variables have the names of the model
  itself.

  Attributes:
    net: an entry of MODELS.
    to_outputs: that of the loss, see losses.Loss.
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
    image = base + self.net(base, mask, train=train)
    inside = jnp.clip(image, _MARGIN, 1 - _MARGIN)
    # The gradient of a clip would be 0 outside: nothing came back from there.
    return self.to_outputs(image + jax.lax.stop_gradient(inside - image))
