"""Layers that both nets are built from: convolution, pooling, upsampling.

All take and return channels-last pictures [B, H, W, C]. Pooling and upsampling
are written as reshapes, slices and sums, because XLA on the CPU is slow with
the backward pass of `nn.max_pool` (over four times slower than here) and with
`jax.image.resize`, forward and backward. They are jitted for their names, by
which onnx_graph.py knows what the reshapes stand for; XLA inlines them.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp


def _uniform(bound: float) -> nn.initializers.Initializer:
  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def conv(
  x: jax.Array, features: int, *, dtype: jnp.dtype, name: str
) -> jax.Array:
  """Applies a 3x3 convolution of stride 1 with bias that keeps H and W.

  To be called in the `nn.compact` method of a module, which then owns the
  layer. Kernel and bias start from U(-b, b) with b = 1 / sqrt(fan_in), as
  PyTorch's Conv2d: that is what its `kaiming_uniform_(a=sqrt(5))` (He et al.,
  2015) comes to. It is part of repeating the study: Flax would draw a kernel of
  sqrt(3) times this deviation, and a bias of zero.

  Args:
    x: pictures [B, H, W, C].
    features: channels of the output.
    dtype: type in which to compute; the parameters are float32.
    name: of the layer within its module.

  Returns:
    Pictures [B, H, W, features] of type `dtype`.
  """
  init = _uniform(1 / math.sqrt(3 * 3 * x.shape[-1]))
  return nn.Conv(
    features,
    kernel_size=(3, 3),
    padding=1,
    dtype=dtype,
    kernel_init=init,
    bias_init=init,
    name=name,
  )(x)


@jax.jit
def max_pool(x: jax.Array) -> jax.Array:
  """Takes the largest value of each 2x2 square.

  Equals `nn.max_pool(x, (2, 2), strides=(2, 2))`. So does its gradient, except
  where several values of a square are the largest: here they share the
  gradient, there the first takes it all.

  Args:
    x: pictures [B, H, W, C], H and W even.

  Returns:
    Pictures [B, H/2, W/2, C].

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

  Pixel centres lie at half-integers, as torch's `align_corners=False`: an
  output pixel is 3/4 of the pixel it lies in and 1/4 of the nearest neighbour
  along each axis. Beyond the edge the edge pixel repeats.
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


def concatenate_input(
  masked_image: jax.Array, mask: jax.Array, *, multiple: int
) -> jax.Array:
  """Returns what the first convolution sees: the mask thrice, then r, g, b.

  Args:
    masked_image: [B, H, W, 3], 0 in the holes.
    mask: [B, H, W, 1], 1 = hole.
    multiple: what H and W must be multiples of, so that each pooling halves
      them exactly and the upsampled halves fit again.

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
      ' pad the picture'
    )
  return jnp.concatenate([mask, mask, mask, masked_image], axis=-1)
