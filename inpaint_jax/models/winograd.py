"""3x3 convolutions with fewer multiplications, for wide layers on a CPU.

Winograd's F(2x2, 3x3), from Lavin & Gray, Fast Algorithms for Convolutional
Neural Networks, 2015 (https://arxiv.org/abs/1509.09308): a tile of 2x2 outputs
is linear in the 4x4 inputs around it, and

  outputs = A^T [ (G kernel G^T) * (B^T inputs B) ] A

takes 16 products where the definition takes 36; the other steps are sums. With
channels, each of the 16 is a matrix product, which XLA computes fast: on two
cores of an AMD EPYC 9004, a layer of 128 channels on one image of 128x128 takes
17 ms instead of 24, one of 256 channels on 64x64 takes 13 instead of 24, and
the gradient of its kernel 17 instead of 33. The price is half a second of
compilation per layer, and memory of up to four times a layer's inputs and
outputs.

The sums have two or three terms, so results are rounded no more than those of
the definition (winograd_test.py).
"""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

# In smaller layers, the sums cost more than the saved products.
_LEAST_CHANNELS = 64
_LEAST_PIXELS = 256
# Most values of images to compute at once (64 MB), unless one image has more.
# There are up to four times as many intermediate values, for inputs and for
# outputs. Smaller parts would take less memory, but their loop costs time.
PART_VALUES = 2**24

_A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
_B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

# 16 arrays, [row][column] of a tile of 4x4.
_Tile = list[list[jax.Array]]


def suits(x: jax.Array, features: int) -> bool:
  """Returns whether a convolution is faster here than in XLA.

  Args:
    x: input of the convolution, or gradient of its output, [B, H, W, C].
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
  """Convolves with a border of zeros, as `convolution.convolve` does.

  Args:
    x: images [B, H, W, C], H and W even.
    kernel: [3, 3, C, F].

  Returns:
    [B, H, W, F].
  """
  B, H, W, C = x.shape
  F = kernel.shape[-1]
  weights = _transform_kernel(kernel)

  def convolve_part(x: jax.Array) -> jax.Array:
    multiply = functools.partial(jnp.einsum, 'bhwc,cf->bhwf')
    tiles = jax.tree.map(multiply, _transform_input(x), weights)
    return _transform_output(tiles)

  size = _part_size(B, H * W * max(C, F))
  if size == B:
    return convolve_part(x)
  parts = x.reshape(-1, size, H, W, C)
  return jax.lax.map(convolve_part, parts).reshape(B, H, W, F)


def kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
  """Returns the gradient of the kernel of `convolve`.

  Args:
    x: the input of the convolution, [B, H, W, C], H and W even.
    gradient: the gradient of its output, [B, H, W, F].

  Returns:
    [3, 3, C, F].
  """
  B, H, W, C = x.shape
  F = gradient.shape[-1]

  def product(tiles: jax.Array, gradients: jax.Array) -> jax.Array:
    # Not an einsum, with which XLA takes up to three times as long.
    return tiles.reshape(-1, C).T @ gradients.reshape(-1, F)

  def products(x: jax.Array, gradient: jax.Array) -> _Tile:
    tiles = _transform_input(x), _transform_output_gradient(gradient)
    return jax.tree.map(product, *tiles)

  size = _part_size(B, H * W * max(C, F))
  if size == B:
    return _transform_kernel_gradient(products(x, gradient))

  def add_part(total: _Tile, part: Sequence[jax.Array]) -> tuple[_Tile, None]:
    return jax.tree.map(jnp.add, total, products(*part)), None

  zeros = [[jnp.zeros((C, F), x.dtype)] * 4] * 4
  parts = [y.reshape(-1, size, *y.shape[1:]) for y in (x, gradient)]
  total, _ = jax.lax.scan(add_part, zeros, parts)
  return _transform_kernel_gradient(total)


def _part_size(B: int, values: int) -> int:
  """Returns how many of B images, of `values` each, to compute at once.

  That is the largest divisor of B that fits; 1 if B is prime and does not fit.
  """
  few = max(1, min(B, PART_VALUES // values))
  return max(n for n in range(1, few + 1) if B % n == 0)


def _transform_input(x: jax.Array) -> _Tile:
  """Returns B^T inputs B of all tiles: 4x4 of [B, H/2, W/2, C]."""
  H, W = x.shape[1:3]
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  rows = _mix(_B.T, [x[:, i : i + H - 1 : 2] for i in range(4)])
  columns = [[row[:, :, j : j + W - 1 : 2] for j in range(4)] for row in rows]
  return [_mix(_B.T, row) for row in columns]


def _transform_kernel(kernel: jax.Array) -> _Tile:
  """Returns G kernel G^T of [3, 3, C, F]: 4x4 of [C, F]."""
  return [_mix(_G, list(row)) for row in _mix(_G, list(kernel))]


def _transform_output(tiles: _Tile) -> jax.Array:
  """Returns A^T tiles A of 4x4 arrays [B, H/2, W/2, F], as [B, H, W, F]."""
  rows = [_mix(_A.T, row) for row in tiles]
  # [column][row] of each tile of 2x2.
  columns = [_mix(_A.T, column) for column in zip(*rows, strict=True)]
  y = jnp.stack([jnp.stack(column, axis=2) for column in columns], axis=4)
  B, h, _, w, _, F = y.shape
  return y.reshape(B, 2 * h, 2 * w, F)


def _transform_output_gradient(gradient: jax.Array) -> _Tile:
  """Returns A gradient A^T of all tiles: 4x4 of [B, H/2, W/2, F]."""
  rows = _mix(_A, [gradient[:, i::2] for i in range(2)])
  return [_mix(_A, [row[:, :, j::2] for j in range(2)]) for row in rows]


def _transform_kernel_gradient(tiles: _Tile) -> jax.Array:
  """Returns G^T tiles G of 4x4 arrays [C, F], as [3, 3, C, F]."""
  rows = [_mix(_G.T, row) for row in tiles]
  # [column][row] of each kernel of 3x3.
  columns = [_mix(_G.T, column) for column in zip(*rows, strict=True)]
  return jnp.stack([jnp.stack(column) for column in columns], axis=1)


def _mix(matrix: np.ndarray, arrays: Sequence[jax.Array]) -> list[jax.Array]:
  """Returns matrix @ arrays, without multiplying by 0, 1 and -1."""

  def scale(factor: float, x: jax.Array) -> jax.Array:
    return x if factor == 1 else -x if factor == -1 else factor * x

  return [
    functools.reduce(
      jnp.add, [scale(a, x) for a, x in zip(row, arrays, strict=True) if a]
    )
    for row in matrix.tolist()
  ]
