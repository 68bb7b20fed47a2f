"""The models by name, and functions that create and initialise them.

A model is a Flax module, called as `model.apply(variables, masked_image, mask,
train=...)` with image * (1 - mask), float [B, H, W, 3] in [0, 1], and the mask,
float [B, H, W, 1] in {0, 1}, 1 = hole. It returns raw outputs, float32 [B, H,
W, 3], which `Loss.to_image` turns into an image, and raises a ValueError if a
shape does not fit. To add one, write its module and add one line to MODELS.
Fields of the module are set by fields of config.model that have their names.

Attributes:
  MODELS: name to module class. Without arguments, unet and encoder_decoder are
    the models of the reference study.
  BASES: what a model starts from: black holes, or the harmonic fill.
"""

from collections.abc import Callable
import dataclasses
import inspect
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

# A model may lack these fields; any other one in a config must be the model's.
_IN_EVERY_CONFIG = {'base', 'conv', 'dtype', 'features', 'name'}
_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


def create_model(
  config: ml_collections.ConfigDict,
  to_outputs: Callable[[jax.Array], jax.Array] | None = None,
) -> nn.Module:
  """Returns the model that the `model` section of a config describes.

  Args:
    config: the section, with name, features, dtype, conv and base, and any
      further fields of the model. conv = 'auto' is resolved here, by the
      available devices.
    to_outputs: `Loss.to_outputs` of the loss, needed for base = 'harmonic'.

  Raises:
    UserError: if a field has an invalid value.
  """
  model = errors.choose(MODELS, config.name, 'model.name')
  dtype = errors.choose(_DTYPES, config.dtype, 'model.dtype')
  conv = convolution.choose(config.conv)
  errors.check_name(BASES, config.base, 'model.base')
  signature = inspect.signature(model)
  known = signature.parameters
  own = {k: x for k, x in config.items() if k not in _IN_EVERY_CONFIG}
  for name, value in own.items():
    if name not in known:
      raise errors.UserError(
        f'model.{name}={value} has no effect with model.name={config.name}, '
        'which has no such field; leave it out, or name another model'
      )
  fields = {'features': tuple(config.features), 'dtype': dtype, 'conv': conv}
  fields = {k: x for k, x in fields.items() if k in known} | own
  if config.base != 'none':
    fields['zero_start'] = True
  with errors.error_as(
    f'model.name={config.name} cannot be made',
    '; give each field of its module a default, or a value in the section '
    'model; base=harmonic needs the field zero_start',
    kind=TypeError,
  ):
    signature.bind(**fields)
  net = model(**fields)
  if config.base == 'none':
    return net
  if to_outputs is None:
    raise errors.UserError(
      f'model.base={config.base} needs a loss that has `to_outputs`; add it, '
      'or set model.base=none'
    )
  return HarmonicBase(net, to_outputs)


def with_fields(model: nn.Module, **fields: Any) -> nn.Module:
  """Returns a model with other values of those fields that it has."""
  if isinstance(model, HarmonicBase):
    return model.clone(net=with_fields(model.net, **fields))
  # Not any attribute: a method may have the name of a field, too.
  known = {field.name for field in dataclasses.fields(model)}
  return model.clone(**{k: x for k, x in fields.items() if k in known})


def get_field(model: nn.Module, name: str) -> Any:
  """Returns a field of a model, None if the model lacks it."""
  net = model.net if isinstance(model, HarmonicBase) else model
  known = {field.name for field in dataclasses.fields(net)}
  return getattr(net, name) if name in known else None


def init_variables(
  model: nn.Module, key: jax.Array, image_size: int
) -> dict[str, Any]:
  """Returns initial variables, {'params': ..., 'batch_stats': ...}.

  Raises:
    errors.UserError: there are no parameters, or variables of another kind.
  """
  image = jnp.zeros((1, image_size, image_size, 3), jnp.float32)
  # FLAX_FIX_RNG_SEPARATOR would draw other weights.
  with flax.config.temp_flip_flag('fix_rng_separator', False):
    variables = model.init(key, image, image[..., :1], train=False)
  name = type(model).__name__
  kept = {k: variables[k] for k in ('params', 'batch_stats') if k in variables}
  others = sorted(variables.keys() - kept)
  try:
    # What a model only notes, as with `sow`, may be missing.
    if others:
      jax.eval_shape(
        lambda x: model.apply(x, image, image[..., :1], train=False), kept
      )
  except flax.errors.FlaxError as error:
    raise errors.UserError(
      f'{name} has variables in {", ".join(others)}, and training carries only '
      'params and batch_stats from step to step; keep them in batch_stats'
    ) from error
  if 'params' not in variables:
    raise errors.UserError(
      f'{name} has no parameters, so it cannot be trained; give it some'
    )
  return {**kept, 'batch_stats': kept.get('batch_stats', {})}


def count_parameters(params: Any) -> int:
  """Returns the number of trainable values, from arrays or their shapes."""
  return sum(x.size for x in jax.tree.leaves(params))
