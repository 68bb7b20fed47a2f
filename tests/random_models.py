"""Models with random weights, for tests of code that runs models."""

import jax
import jax.numpy as jnp
import numpy as np

from configs import default
from inpaint_jax import losses, models
from inpaint_jax.runs.trained_model import TrainedModel

FEATURES = (8, 12, 16)


def create_model(
  name='unet',
  loss='kl_div',
  features=FEATURES,
  dtype=jnp.float32,
  size=32,
  base='none',
):
  """Returns a TrainedModel whose outputs show every error of a conversion."""
  config = default.get_config()
  config.model.name, config.model.features = name, features
  config.model.dtype, config.model.base = jnp.dtype(dtype).name, base
  config.model.conv = 'xla'
  config.loss, config.data.image_size = loss, size
  model = models.create_model(config.model, losses.LOSSES[loss].to_outputs)
  shapes = jax.eval_shape(
    lambda key: models.init_variables(model, key, 32), jax.random.key(0)
  )
  r = np.random.default_rng(0)

  def draw(path, leaf):
    """Keeps signals at about 1 at all depths, so that ReLUs open and close."""
    kind = path[-1].key
    low, high = (0.3, 1) if kind == 'var' else (-0.3, 0.3)
    if kind == 'kernel':  # As He et al., 2015.
      high = np.sqrt(6 / np.prod(leaf.shape[:-1]))
      low = -high
    return r.uniform(low, high, leaf.shape).astype(np.float32)

  variables = jax.tree_util.tree_map_with_path(draw, shapes)
  return TrainedModel(
    None, config, model, losses.LOSSES[loss], variables, 1, {}
  )


def expected_outputs(model, image, mask):
  """Returns (composite, model's image), computed independently of export."""

  @jax.jit
  def fill(variables, image, mask):
    outputs = model.model.apply(
      variables, image * (1 - mask), mask, train=False
    )
    return jnp.clip(model.loss.to_image(outputs), 0, 1)

  filled = np.asarray(fill(model.variables, image, mask))
  # An image of one colour would be right by chance.
  assert filled.std(axis=(1, 2)).max() > 0.005
  return np.where(mask > 0, filled, image), filled
