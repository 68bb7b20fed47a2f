"""The models by name, and functions that create and initialise them.

A model is a Flax module, called as `model.apply(variables, masked_image, mask,
train=...)` with image * (1 - mask), float [B, H, W, 3] in [0, 1], and the mask,
float [B, H, W, 1] in {0, 1}, 1 = hole. It returns raw outputs, float32 [B, H,
W, 3], which `Loss.to_image` turns into an image, and raises a ValueError if a
shape does not fit. To add one, write its module, with the fields features,
dtype, conv and zero_start, and add one line to MODELS.

Attributes:
  MODELS: name to module class. Without arguments, unet and encoder_decoder are
    the models of the reference study.
  BASES: what a model starts from: black holes, or the harmonic fill.
"""

from collections.abc import Callable
import math
from typing import Any

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from inpaint_jax.models import convolution
from inpaint_jax.models.attention_unet import AttentionUNet
from inpaint_jax.models.encoder_decoder import EncoderDecoder
from inpaint_jax.models.harmonic_base import HarmonicBase
from inpaint_jax.models.unet import UNet
from inpaint_jax.system import errors

MODELS: dict[str, Callable[..., nn.Module]] = {
  'attention_unet': AttentionUNet,
  'encoder_decoder': EncoderDecoder,
  'unet': UNet,
}

BASES = ('none', 'harmonic')

_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


def create_model(
  config: ml_collections.ConfigDict,
  to_outputs: Callable[[jax.Array], jax.Array] | None = None,
) -> nn.Module:
  """Returns the model that the `model` section of a config describes.

  Args:
    config: the section, with name, features, dtype, conv and base. conv =
      'auto' is resolved here, by the available devices.
    to_outputs: `Loss.to_outputs` of the loss, needed for base = 'harmonic'.

  Raises:
    UserError: if a field has an invalid value.
  """
  model = errors.choose(MODELS, config.name, 'model.name')
  dtype = errors.choose(_DTYPES, config.dtype, 'model.dtype')
  features = tuple(config.features)
  if len(features) != 3 or not all(
    isinstance(n, int) and n > 0 for n in features
  ):
    raise errors.UserError(
      f'model.features={features} must be three positive integers,'
      ' such as (64, 128, 256)'
    )
  conv = convolution.choose(config.conv)
  errors.choose(dict.fromkeys(BASES), config.base, 'model.base')
  fields = {'features': features, 'dtype': dtype, 'conv': conv}
  if config.base != 'none':
    fields['zero_start'] = True
  try:
    net = model(**fields)
  except TypeError as error:
    raise errors.UserError(
      f'model.name={config.name} cannot be made ({errors.one_line(error)}); '
      'give its module the fields features, dtype, conv and zero_start'
    ) from error
  if config.base == 'none':
    return net
  if to_outputs is None:
    raise errors.UserError(
      f'model.base={config.base} needs a loss that has `to_outputs`; add it, '
      'or set model.base=none'
    )
  return HarmonicBase(net, to_outputs)


def with_fields(model: nn.Module, **fields: Any) -> nn.Module:
  """Returns a model with other values of fields, such as conv or dtype."""
  if isinstance(model, HarmonicBase):
    return model.clone(net=model.net.clone(**fields))
  return model.clone(**fields)


def init_variables(
  model: nn.Module, key: jax.Array, image_size: int
) -> dict[str, Any]:
  """Returns initial variables, {'params': ..., 'batch_stats': ...}."""
  image = jnp.zeros((1, image_size, image_size, 3), jnp.float32)
  # FLAX_FIX_RNG_SEPARATOR would draw other weights.
  with flax.config.temp_flip_flag('fix_rng_separator', False):
    variables = model.init(key, image, image[..., :1], train=False)
  return {
    'params': variables['params'],
    'batch_stats': variables.get('batch_stats', {}),
  }


def count_parameters(params: Any) -> int:
  """Returns the number of trainable values, from arrays or their shapes."""
  return sum(math.prod(x.shape) for x in jax.tree.leaves(params))
