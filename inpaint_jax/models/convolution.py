"""3x3 convolutions in two ways: XLA's own, and one that is faster on one CPU.

The second computes wide float32 layers by Winograd's products, see winograd.py,
and the kernel gradients of other layers on large images by `kernel_gradient`.
Both give the same numbers up to rounding. A model names one of them in its
field `conv`; `choose` says which one `model.conv = 'auto'` stands for.

Attributes:
  CONVOLUTIONS: name to function, called as `nn.Conv` calls
    `lax.conv_general_dilated`.
"""

from collections.abc import Callable
import math
from typing import Any

import jax
import jax.numpy as jnp

from inpaint_jax.models import winograd
from inpaint_jax.system import errors

# Pixels of a block in kernel_gradient.
_BLOCK = 2048
# On images of up to so many pixels, XLA's gradient of narrow kernels is faster.
_SMALL = 16 * 16


def choose(name: str) -> str:
  """Returns a name in CONVOLUTIONS; 'auto' stands for the faster one.

  That is 'winograd' on a single CPU device and 'xla' elsewhere. Several devices
  share a batch: XLA divides its own convolutions among them, but would gather
  the batch for ours.

  Raises:
    errors.UserError: if the name is unknown.
  """
  is_one_cpu = jax.default_backend() == 'cpu' and jax.device_count() == 1
  names = {known: known for known in CONVOLUTIONS}
  names['auto'] = 'winograd' if is_one_cpu else 'xla'
  return errors.choose(names, name, 'model.conv')


def _convolve_for_flax(
  x: jax.Array, kernel: jax.Array, *args: Any, **kwargs: Any
) -> jax.Array:
  """Convolves by `convolve`, except for layers where XLA's own is faster."""
  is_large = math.prod(x.shape[1:3]) > _SMALL
  if is_large or winograd.suits(x, kernel.shape[-1]):
    return convolve(x, kernel)
  return jax.lax.conv_general_dilated(x, kernel, *args, **kwargs)


CONVOLUTIONS: dict[str, Callable[..., jax.Array]] = {
  'xla': jax.lax.conv_general_dilated,
  'winograd': _convolve_for_flax,
}


@jax.custom_vjp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """Convolves with a border of zeros, by Winograd's products or by XLA.

  Equals `lax.conv_general_dilated` with padding 'SAME' up to rounding, and so
  do its gradients. It has no forward-mode derivatives (`jax.jvp`).

  Args:
    x: images [B, H, W, C] of static shape.
    kernel: [3, 3, C, F] of the same type.

  Returns:
    [B, H, W, F].
  """
  if winograd.suits(x, kernel.shape[-1]):
    return winograd.convolve(x, kernel)
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _convolve_bwd(
  residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
  x, kernel = residuals
  # The gradient of the input is a convolution with the kernel rotated by 180
  # degrees, from output to input channels.
  turned = kernel[::-1, ::-1].swapaxes(2, 3)
  if winograd.suits(x, kernel.shape[-1]):
    gradient_kernel = winograd.kernel_gradient(x, gradient)
  else:
    gradient_kernel = kernel_gradient(x, gradient)
  return convolve(gradient, turned), gradient_kernel


convolve.defvjp(
  lambda x, kernel: (convolve(x, kernel), (x, kernel)), _convolve_bwd
)


def kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
  """Returns the gradient of a 3x3 kernel, as a sum over blocks of rows.

  gradient_kernel[i, j] = sum over pixels of x shifted by (i, j), transposed,
  times the gradient of the output. XLA computes it as a convolution with a
  window as large as the image, at a fifth of the speed of its forward pass.
  Matrix products of blocks that stay in the processor's cache are 2 to 3 times
  as fast.

  Args:
    x: the input of the convolution, [B, H, W, C].
    gradient: the gradient of its output, [B, H, W, F].

  Returns:
    [3, 3, C, F] of the type of `x`, summed in float32.
  """
  B, H, W, C = x.shape
  F = gradient.shape[-1]
  if C > F:
    # The nine shifts are copies, so shift the array with fewer channels.
    turned = kernel_gradient(gradient, x)[::-1, ::-1]
    return turned.swapaxes(2, 3)
  rows = max(
    n for n in range(1, H + 1) if H % n == 0 and n * W <= max(W, _BLOCK)
  )
  # With two columns of zeros at the ends of rows, any shift of the image is a
  # shift of its flattened rows.
  width = W + 2
  size = rows * width
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(B, -1, C)
  x = jnp.pad(x, ((0, 0), (0, 2), (0, 0)))
  gradient = jnp.pad(gradient, ((0, 0), (0, 0), (0, 2), (0, 0)))
  gradient = gradient.reshape(B, -1, F)
  identity = jnp.eye(C, dtype=x.dtype)

  def add_block(total: jax.Array, block: jax.Array) -> tuple[jax.Array, None]:
    image, row = block // (H // rows), block % (H // rows) * rows
    start = (image, row * width, 0)
    there = jax.lax.dynamic_slice(x, start, (1, size + 2 * width + 2, C))[0]
    # Transposes by a product, since XLA's own transposition takes far longer.
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
