"""3x3 convolutions with fewer multiplications, for large work on a CPU.

Winograd's F(2x2, 3x3), as Lavin & Gray, Fast Algorithms for Convolutional
Neural Networks, 2015 (https://arxiv.org/abs/1509.09308): a square of 2x2
outputs is linear in the 4x4 inputs around it, and

  outputs = A^T [ (G kernel G^T) * (B^T inputs B) ] A

takes 16 products where the definition takes 36; the other steps are sums. Over
channels each of the 16 is a product of matrices, at which XLA is fast: a layer
of 128 channels on one picture of 128x128 takes 17 ms instead of 24 on two cores
of an AMD EPYC 9004, one of 256 channels on 64x64 takes 13 instead of 24, and
the gradient of its kernel 17 instead of 33. It costs compilation, half a second
a layer, and memory: up to four times the inputs and the outputs of a layer.

The sums are of two and three numbers, so that rounding stays that of the
definition (winograd_test.py). Larger squares take fewer products and round
several times as much; they are not used.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

# Below these, what is saved does not pay for the sums around it.
_LEAST_CHANNELS = 64
_LEAST_PIXELS = 256
# Values of the pictures gone through at once, 64 MB, unless one picture has
# more; in between, up to four times as much of the inputs and of the outputs.
# Smaller parts take less memory, but loops cost time.
PART_VALUES = 2**24

# 16 arrays, [row][column] of a square of 4x4.
_Square = Sequence[Sequence[jax.Array]]


def suits(x: jax.Array, features: int) -> bool:
  """Returns whether a convolution is one that is faster here.

  Args:
    x: its input or the gradient of its output, [B, H, W, C].
    features: channels on the other side.
  """
  B, H, W, C = x.shape
  return (
    x.dtype == jnp.float32
    and H % 2 == 0
    and W % 2 == 0
    and min(C, features) >= _LEAST_CHANNELS
    and B * H * W >= _LEAST_PIXELS
  )


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """Convolves with a border of zeros, as layers.convolve.

  Args:
    x: pictures [B, H, W, C], H and W even.
    kernel: [3, 3, C, F].

  Returns:
    Pictures [B, H, W, F].
  """
  B, H, W, C = x.shape
  F = kernel.shape[-1]
  weights = _transform_kernel(kernel)

  def convolve_part(x: jax.Array) -> jax.Array:
    squares = _transform_input(x)
    return _transform_output(
      [
        [jnp.einsum('bhwc,cf->bhwf', *pair) for pair in zip(*rows, strict=True)]
        for rows in zip(squares, weights, strict=True)
      ]
    )

  size = _part_size(B, H * W * max(C, F))
  if size == B:
    return convolve_part(x)
  parts = x.reshape(-1, size, H, W, C)
  return jax.lax.map(convolve_part, parts).reshape(B, H, W, F)


def kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
  """Returns the gradient of the kernel of `convolve`.

  Args:
    x: the input of the convolution, [B, H, W, C], H and W even.
    gradient: that of its output, [B, H, W, F].

  Returns:
    [3, 3, C, F].
  """
  B, H, W, C = x.shape
  F = gradient.shape[-1]

  def product(squares: jax.Array, gradients: jax.Array) -> jax.Array:
    # The same as an einsum takes XLA up to three times as long.
    return squares.reshape(-1, C).T @ gradients.reshape(-1, F)

  def products(x: jax.Array, gradient: jax.Array) -> _Square:
    return [
      [product(*pair) for pair in zip(*rows, strict=True)]
      for rows in zip(
        _transform_input(x), _transform_output_gradient(gradient), strict=True
      )
    ]

  size = _part_size(B, H * W * max(C, F))
  if size == B:
    return _transform_kernel_gradient(products(x, gradient))

  def add_part(total, part):
    return jax.tree.map(jnp.add, total, products(*part)), None

  zeros = [[jnp.zeros((C, F), x.dtype)] * 4] * 4
  parts = [y.reshape(-1, size, *y.shape[1:]) for y in (x, gradient)]
  total, _ = jax.lax.scan(add_part, zeros, parts)
  return _transform_kernel_gradient(total)


def _part_size(B: int, values: int) -> int:
  """Returns how many pictures of so many values to go through at once.

  The largest divisor of B that fits: 1 of a prime B that does not.
  """
  few = max(1, min(B, PART_VALUES // values))
  return max(n for n in range(1, few + 1) if B % n == 0)


def _transform_input(x: jax.Array) -> _Square:
  """Returns B^T inputs B of all squares: 4x4 of [B, H/2, W/2, C]."""
  B, H, W, C = x.shape
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  rows = [
    jax.lax.slice(x, (0, i, 0, 0), (B, i + H - 1, W + 2, C), (1, 2, 1, 1))
    for i in range(4)
  ]
  return [
    _input_sums(
      [
        jax.lax.slice(
          row, (0, 0, j, 0), (B, H // 2, j + W - 1, C), (1, 1, 2, 1)
        )
        for j in range(4)
      ]
    )
    for row in _input_sums(rows)
  ]


def _input_sums(inputs: Sequence[jax.Array]) -> Sequence[jax.Array]:
  """Returns B^T inputs, along one axis."""
  a, b, c, d = inputs
  return a - c, b + c, c - b, b - d


def _transform_kernel(kernel: jax.Array) -> _Square:
  """Returns G kernel G^T of [3, 3, C, F]: 4x4 of [C, F]."""
  return [_kernel_sums(row) for row in _kernel_sums(kernel)]


def _kernel_sums(kernel: Sequence[jax.Array]) -> Sequence[jax.Array]:
  """Returns G kernel, along one axis."""
  a, b, c = kernel
  return a, (a + b + c) / 2, (a - b + c) / 2, c


def _transform_output(squares: _Square) -> jax.Array:
  """Returns A^T squares A as pictures, of 4x4 of [B, H/2, W/2, F]."""
  columns = [_output_sums(row) for row in squares]
  # [column][row] of each square of 2x2.
  y = [_output_sums(column) for column in zip(*columns, strict=True)]
  y = jnp.stack([jnp.stack(column, axis=2) for column in y], axis=4)
  B, h, _, w, _, F = y.shape
  return y.reshape(B, 2 * h, 2 * w, F)


def _output_sums(squares: Sequence[jax.Array]) -> Sequence[jax.Array]:
  """Returns A^T squares, along one axis."""
  a, b, c, d = squares
  return a + b + c, b - c - d


def _transform_output_gradient(gradient: jax.Array) -> _Square:
  """Returns A gradient A^T of all squares: 4x4 of [B, H/2, W/2, F]."""
  rows = _output_sums_gradient([gradient[:, i::2] for i in range(2)])
  return [
    _output_sums_gradient([row[:, :, j::2] for j in range(2)]) for row in rows
  ]


def _output_sums_gradient(gradient: Sequence[jax.Array]) -> Sequence[jax.Array]:
  """Returns A gradient, along one axis."""
  a, b = gradient
  return a, a + b, a - b, -b


def _transform_kernel_gradient(squares: _Square) -> jax.Array:
  """Returns G^T squares G, [3, 3, C, F], of 4x4 of [C, F]."""
  columns = [_kernel_sums_gradient(row) for row in squares]
  # [column][row] of each kernel of 3x3.
  k = [_kernel_sums_gradient(column) for column in zip(*columns, strict=True)]
  return jnp.stack([jnp.stack(column) for column in k], axis=1)


def _kernel_sums_gradient(squares: Sequence[jax.Array]) -> Sequence[jax.Array]:
  """Returns G^T squares, along one axis."""
  a, b, c, d = squares
  return a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d
