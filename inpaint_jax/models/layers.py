"""Layers of the models: convolution, pooling, upsampling, attention.

All take and return channels-last images [B, H, W, C]. Pooling and upsampling
are written as reshapes, slices and sums, because XLA on the CPU is slow at the
backward pass of `nn.max_pool` (over four times slower than here) and at
`jax.image.resize`, forward and backward. They are jitted so that onnx_graph.py
recognises them by name instead of converting reshapes; XLA inlines them.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import convolution
from inpaint_jax.system import errors, randomness


class ThreeLevels(nn.Module):
  """A model of three levels of resolution, each of half the one before.

  Attributes:
    features: channels of the three levels, from the full resolution down.
    dtype: type in which to compute; parameters and statistics are float32.
    conv: how to convolve, a name in convolution.CONVOLUTIONS.
    zero_start: whether initial outputs are zero, for HarmonicBase.
  """

  features: tuple[int, int, int] = (64, 128, 256)
  dtype: jax.typing.DTypeLike = jnp.float32
  conv: str = 'xla'
  zero_start: bool = False

  def __post_init__(self) -> None:
    if len(self.features) != 3 or not all(
      isinstance(n, int) and n > 0 for n in self.features
    ):
      raise errors.UserError(
        f'model.features={self.features} must be three positive integers,'
        ' such as (64, 128, 256)'
      )
    super().__post_init__()


def conv(
  x: jax.Array,
  features: int,
  *,
  dtype: jax.typing.DTypeLike,
  method: str,
  name: str,
  zero: bool = False,
  size: int = 3,
) -> jax.Array:
  """Applies a square convolution of stride 1 with bias that keeps H and W.

  Call it in the `nn.compact` method of a module, which then owns the layer.
  Kernel and bias are drawn from U(-b, b) with b = 1 / sqrt(fan_in), as in
  PyTorch's Conv2d, whose `kaiming_uniform_(a=sqrt(5))` (He et al., 2015) is the
  same. Flax's defaults, a kernel of sqrt(3) times this deviation and a bias of
  zero, would not reproduce the study.

  Args:
    x: images [B, H, W, C].
    features: channels of the output.
    dtype: type in which to compute; the parameters are float32.
    method: a name in convolution.CONVOLUTIONS.
    name: name of the layer within its module.
    zero: whether kernel and bias start at zero instead.
    size: side of the kernel, odd; only 'xla' takes sizes other than 3.

  Returns:
    [B, H, W, features] of type `dtype`.
  """
  bound = 1 / math.sqrt(size * size * x.shape[-1])

  def init(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
  ) -> jax.Array:
    if zero:
      return jnp.zeros(shape, dtype)
    return randomness.symmetric_uniform(key, shape, bound).astype(dtype)

  return nn.Conv(
    features,
    kernel_size=(size, size),
    padding=size // 2,
    dtype=dtype,
    kernel_init=init,
    bias_init=init,
    conv_general_dilated=convolution.CONVOLUTIONS[method],
    name=name,
  )(x)


@jax.jit
def max_pool(x: jax.Array) -> jax.Array:
  """Takes the largest value of each 2x2 square.

  Equals `nn.max_pool(x, (2, 2), strides=(2, 2))`, and so does its gradient,
  except where several values of a square are the largest: here they share the
  gradient; in nn.max_pool the first takes all of it.

  Args:
    x: images [B, H, W, C], H and W even.

  Returns:
    [B, H/2, W/2, C].

  Raises:
    ValueError: if H or W is odd.
  """
  B, H, W, C = x.shape
  if H % 2 or W % 2:
    raise ValueError(f'max_pool needs an even height and width, not {H}x{W}')
  return x.reshape(B, H // 2, 2, W // 2, 2, C).max(axis=(2, 4))


@jax.jit
def upsample_nearest(x: jax.Array) -> jax.Array:
  """Repeats each pixel as a 2x2 square: [B, H, W, C] to [B, 2H, 2W, C]."""
  B, H, W, C = x.shape
  x = jnp.broadcast_to(x[:, :, None, :, None, :], (B, H, 2, W, 2, C))
  return x.reshape(B, 2 * H, 2 * W, C)


@jax.jit
def upsample_bilinear(x: jax.Array) -> jax.Array:
  """Doubles height and width: [B, H, W, C] to [B, 2H, 2W, C].

  Pixel centres lie at half-integers, as with torch's `align_corners=False`:
  along each axis an output pixel is 3/4 of the pixel it lies in plus 1/4 of the
  nearest neighbour. Pixels at the edge are repeated beyond it.
  """
  return _double(_double(x, axis=1), axis=2)


def _double(x: jax.Array, axis: int) -> jax.Array:
  """Doubles one axis by linear interpolation."""
  size = x.shape[axis]
  first = jax.lax.slice_in_dim(x, 0, 1, axis=axis)
  last = jax.lax.slice_in_dim(x, size - 1, size, axis=axis)
  but_first = jax.lax.slice_in_dim(x, 1, size, axis=axis)
  but_last = jax.lax.slice_in_dim(x, 0, size - 1, axis=axis)
  before = jnp.concatenate([first, but_last], axis=axis)
  after = jnp.concatenate([but_first, last], axis=axis)
  pairs = [0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after]
  shape = x.shape[:axis] + (2 * size,) + x.shape[axis + 1 :]
  return jnp.stack(pairs, axis=axis + 1).reshape(shape)


@jax.jit
def attend(
  query: jax.Array, key: jax.Array, value: jax.Array, hole: jax.Array
) -> jax.Array:
  """Attends from all positions to those outside the hole.

  Returns softmax(query key^T / sqrt(C) - 10 hole) value, with the softmax over
  all positions. If all are in the hole, the hole does not change the weights.

  Args:
    query, key, value: [B, H, W, C].
    hole: [B, H, W, 1] in {0, 1}.

  Returns:
    [B, H, W, C].
  """
  B, H, W, C = query.shape
  query, key, value, hole = (
    x.reshape(B, H * W, -1) for x in (query, key, value, hole)
  )
  scores = jnp.einsum('bpc,bqc->bpq', query, key) / math.sqrt(C)
  scores = scores.astype(jnp.float32) - 10 * hole.swapaxes(1, 2)
  weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
  return jnp.einsum('bpq,bqc->bpc', weights, value).reshape(B, H, W, C)


def concatenate_input(
  masked_image: jax.Array, mask: jax.Array, *, multiple: int
) -> jax.Array:
  """Returns the input of the first convolution: the mask thrice, then r, g, b.

  Args:
    masked_image: [B, H, W, 3], 0 in the holes.
    mask: [B, H, W, 1], 1 = hole.
    multiple: H and W must be multiples of it, so that each pooling halves them
      exactly and upsampling gives the same sizes back.

  Returns:
    [B, H, W, 6], in the reference's order of channels.

  Raises:
    ValueError: if a shape does not fit.
  """
  shape = masked_image.shape
  if len(shape) != 4 or shape[-1] != 3 or mask.shape != shape[:-1] + (1,):
    raise ValueError(
      'masked_image must be [B, H, W, 3] and mask [B, H, W, 1], not'
      f' {shape} and {mask.shape}'
    )
  H, W = shape[1:3]
  if H % multiple or W % multiple:
    raise ValueError(
      f'height and width must be multiples of {multiple}, not {H}x{W}; crop or'
      ' pad the image'
    )
  return jnp.concatenate([mask, mask, mask, masked_image], axis=-1)
