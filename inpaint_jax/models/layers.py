"""Layers that both nets are built from: convolution, pooling, upsampling.

All take and return channels-last pictures [B, H, W, C]. Pooling and upsampling
are written as reshapes, slices and sums, because XLA on the CPU is slow with
the backward pass of `nn.max_pool` (over four times slower than here) and with
`jax.image.resize`, forward and backward. They are jitted for their names, by
which onnx_graph.py knows what the reshapes stand for; XLA inlines them.
Convolutions are XLA's own, but on a single CPU device: there winograd.py does
the wide ones in float32, and `kernel_gradient` the kernels' gradients of the
others.
"""

from collections.abc import Iterator
import contextlib
import contextvars
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from inpaint_jax.models import winograd

# Pixels of a block in kernel_gradient.
_BLOCK = 2048

_is_quick = contextvars.ContextVar('_is_quick', default=False)


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
    conv_general_dilated=_convolve_for_flax,
    name=name,
  )(x)


@contextlib.contextmanager
def quick_compilation() -> Iterator[None]:
  """Lets nets that are traced within it use XLA's convolutions alone.

  What takes seconds less to compile may take twice the time to run: it is for
  programs that run a few times. To be entered in the function that is jitted:
  what JAX has traced before, or in another thread, stays as it is.
  """
  token = _is_quick.set(True)
  try:
    yield
  finally:
    _is_quick.reset(token)


def _convolve_for_flax(
  x: jax.Array, kernel: jax.Array, *args: Any, **kwargs: Any
) -> jax.Array:
  """Takes what nn.Conv gives to lax.conv_general_dilated."""
  # Several devices have a share of the batch each: XLA divides its own
  # convolutions among them, and would gather the batch for ours.
  is_one_cpu = jax.default_backend() == 'cpu' and jax.device_count() == 1
  # Exports leave the size open.
  is_known = all(isinstance(n, int) for n in x.shape)
  if is_one_cpu and is_known and not _is_quick.get():
    # At 16x16 and below, XLA's gradient of narrow kernels is the faster one.
    is_large = math.prod(x.shape[1:3]) > 256
    if is_large or winograd.suits(x, kernel.shape[-1]):
      return convolve(x, kernel)
  return jax.lax.conv_general_dilated(x, kernel, *args, **kwargs)


@jax.custom_vjp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """Convolves by Winograd's products or by XLA, and so for gradients.

  Equals `lax.conv_general_dilated` with a border of zeros, and so do its
  gradients, to rounding. Forward-mode derivatives (`jax.jvp`) are not there.

  Args:
    x: pictures [B, H, W, C] of known size.
    kernel: [3, 3, C, F] of the same type.

  Returns:
    Pictures [B, H, W, F].
  """
  if winograd.suits(x, kernel.shape[-1]):
    return winograd.convolve(x, kernel)
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _convolve_fwd(x, kernel):
  return convolve(x, kernel), (x, kernel)


def _convolve_bwd(residuals, gradient):
  x, kernel = residuals
  # The gradient of the input is a convolution with the kernel turned around.
  turned = kernel[::-1, ::-1].swapaxes(2, 3)
  if winograd.suits(x, kernel.shape[-1]):
    gradient_kernel = winograd.kernel_gradient(x, gradient)
  else:
    gradient_kernel = kernel_gradient(x, gradient)
  return convolve(gradient, turned), gradient_kernel


convolve.defvjp(_convolve_fwd, _convolve_bwd)


def kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
  """Returns the gradient of a 3x3 kernel, block by block of rows.

  gradient_kernel[i, j] = sum over pixels of x shifted by (i, j), transposed,
  times the gradient of the output. XLA makes of it a convolution with a window
  as large as the picture, at a fifth of the speed of its forward pass; as
  products of matrices that stay in the processor's cache it is 2 to 3 times as
  fast.

  Args:
    x: pictures [B, H, W, C], the input of the convolution.
    gradient: that of its output, [B, H, W, F].

  Returns:
    [3, 3, C, F] of the type of `x`, summed in float32.
  """
  B, H, W, C = x.shape
  F = gradient.shape[-1]
  if C > F:
    # The nine shifts are copied, so they are taken of the narrower one.
    turned = kernel_gradient(gradient, x)[::-1, ::-1]
    return turned.swapaxes(2, 3)
  rows = max(
    n for n in range(1, H + 1) if H % n == 0 and n * W <= max(W, _BLOCK)
  )
  # With two columns of zeros a shift in any direction is one along flat rows.
  width = W + 2
  size = rows * width
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(B, -1, C)
  x = jnp.pad(x, ((0, 0), (0, 2), (0, 0)))
  gradient = jnp.pad(gradient, ((0, 0), (0, 0), (0, 2), (0, 0)))
  gradient = gradient.reshape(B, -1, F)
  identity = jnp.eye(C, dtype=x.dtype)

  def add_block(total, block):
    picture, row = block // (H // rows), block % (H // rows) * rows
    start = (picture, row * width, 0)
    there = jax.lax.dynamic_slice(x, start, (1, size + 2 * width + 2, C))[0]
    # Transposed by a product: XLA's own transposition takes longer by far.
    there = jax.lax.dot_general(identity, there, (((1,), (1,)), ((), ())))
    shifts = [
      there[:, i * width + j : i * width + j + size]
      for i in range(3)
      for j in range(3)
    ]
    here = jax.lax.dynamic_slice(gradient, start, (1, size, F))[0]
    product = jnp.matmul(
      jnp.concatenate(shifts), here, preferred_element_type=jnp.float32
    )
    return total + product, None

  total, _ = jax.lax.scan(
    add_block, jnp.zeros((9 * C, F)), jnp.arange(B * (H // rows))
  )
  return total.reshape(3, 3, C, F).astype(x.dtype)


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
