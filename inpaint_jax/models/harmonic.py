"""The harmonic fill in JAX: the smoothest surface that meets the known pixels.

Each pixel of the hole becomes the mean of its neighbours (the discrete Laplace
equation with the known pixels as boundary values; at the image's edge the
slope across it is zero). inpainting/harmonic.py solves it for photos. Here it
is solved for batches, on any device, in a fixed number of steps of conjugate
gradients (Hestenes and Stiefel, 1952), each preconditioned by one multigrid
V-cycle (Briggs, Henson and McCormick, A Multigrid Tutorial, 2000).

The grid is a network of conductors: `right` and `down` are the conductances
from a pixel to its neighbours within the hole, `total` the sum of all that
leave it, those to known pixels included, and 0 for a known pixel. A coarser
grid joins 2x2 pixels into one.

All consists of operations that onnx_graph.py converts, also where height and
width are symbols; it knows the jitted functions by their names.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax.models import layers

# Of the solver. The error is then below one 8-bit level, as the test measures.
_STEPS = 7
# Where height and width are symbols: enough for 256 pixels and more.
_MAX_GRIDS = 9
# Sweeps before and after the coarser grid, and how far each one goes.
_SWEEPS = 2
_DAMPING = 0.8
# As in inpainting/harmonic.py: a coarse pixel lies 1.5 fine ones from a known
# one, not 2.
_TO_KNOWN = 2 / 3


# Solution, residual, direction, and the product of the step before.
_Carry = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class _Grid(NamedTuple):
  """The conductances of one resolution, float32 [B, h, w, 1] each.

  `hole` is 1 where `total` is above 0, and `inverse` is 1 / total there, 0
  elsewhere.
  """

  right: jax.Array
  down: jax.Array
  total: jax.Array
  hole: jax.Array
  inverse: jax.Array


def fill(masked_image: jax.Array, mask: jax.Array) -> jax.Array:
  """Fills the hole with the smoothest surface.

  Args:
    masked_image: image * (1 - mask), float [B, H, W, C] in [0, 1].
    mask: float [B, H, W, 1] in {0, 1}, 1 = hole.

  Returns:
    float32 [B, H, W, C], equal to `masked_image` where it is known. If nothing
    is known, it is zero.
  """
  image, mask = masked_image.astype(jnp.float32), mask.astype(jnp.float32)
  right = mask * _shift(mask, 2, -1)
  down = mask * _shift(mask, 1, -1)
  to_known = mask * _around(1 - mask)
  grids = [_create_grid(right, down, to_known)]
  # Where nothing is known there is no solution but 0, of a derivative neither.
  solvable = grids[0].hole * (sum_pixels(to_known) > 0).astype(jnp.float32)
  for _ in range(_count_grids(image.shape[1:3]) - 1):
    # Two conductors side by side, each twice as long.
    right = _sum_2x2(right, [[0, 0.5], [0, 0.5]])
    down = _sum_2x2(down, [[0, 0], [0.5, 0.5]])
    to_known = _TO_KNOWN * _sum_2x2(to_known, [[1, 1], [1, 1]])
    grids.append(_create_grid(right, down, to_known))
  # Tells JAX that the result is linear in the image: a derivative is another
  # solution, where that of the steps would be wrong for a black image.
  filled = jax.lax.custom_linear_solve(
    lambda x: _outflow(grids[0], x),
    mask * _around(image),
    lambda _, flow: _solve(grids, solvable * flow),
    symmetric=True,
  )
  return image + mask * filled


def _count_grids(sides: tuple[Any, ...]) -> int:
  """Returns how many grids there are, down to one of a single pixel."""
  if not all(isinstance(side, int) for side in sides):
    return _MAX_GRIDS
  return (max(sides) - 1).bit_length() + 1


def _create_grid(
  right: jax.Array, down: jax.Array, to_known: jax.Array
) -> _Grid:
  total = to_known + right + down + _shift(right, 2, 1) + _shift(down, 1, 1)
  hole = (total > 0).astype(jnp.float32)
  return _Grid(right, down, total, hole, hole / jnp.maximum(total, 1e-30))


def _solve(grids: list[_Grid], flow: jax.Array) -> jax.Array:
  """Returns x with A x = flow, for each image and channel."""
  zero = 0 * flow

  def step(carry: _Carry, _: None) -> tuple[_Carry, None]:
    x, residual, direction, previous = carry
    correction = _v_cycle(grids, residual)
    product = _dot(residual, correction)
    direction = correction + product / previous * direction
    change = _outflow(grids[0], direction)
    length = product / _dot(direction, change)
    x += length * direction
    return (x, residual - length * change, direction, product), None

  start = (zero, flow, zero, 1 + _dot(zero, zero))
  return jax.lax.scan(step, start, length=_STEPS)[0][0]


def _v_cycle(grids: list[_Grid], flow: jax.Array) -> jax.Array:
  """Returns an approximate solution; as an operator it is symmetric."""
  grid = grids[0]
  x = _relax(grid, flow, 0 * flow)
  if grids[1:]:
    residual = flow - _outflow(grid, x)
    coarse = _v_cycle(grids[1:], _sum_2x2(residual, [[1, 1], [1, 1]]))
    x += grid.hole * crop_to(layers.upsample_nearest(coarse), x)
    x = _relax(grid, flow, x)
  return x


def _relax(grid: _Grid, flow: jax.Array, x: jax.Array) -> jax.Array:
  """Moves each pixel towards its balance (damped Jacobi sweeps)."""

  def sweep(x: jax.Array, _: None) -> tuple[jax.Array, None]:
    residual = flow - _outflow(grid, x)
    return x + _DAMPING * grid.inverse * residual, None

  # As a loop: XLA would merge one sweep into the next, and compute each pixel
  # of the first one five times, of the one before it 25 times, and so on.
  return jax.lax.scan(sweep, x, length=_SWEEPS)[0]


def _outflow(grid: _Grid, x: jax.Array) -> jax.Array:
  """Returns A x: what leaves each pixel less what comes from the hole."""
  inflow = (
    grid.right * _shift(x, 2, -1)
    + _shift(grid.right * x, 2, 1)
    + grid.down * _shift(x, 1, -1)
    + _shift(grid.down * x, 1, 1)
  )
  return grid.total * x - inflow


def _around(x: jax.Array) -> jax.Array:
  """Returns the sum of the four neighbours."""
  rows = _shift(x, 1, -1) + _shift(x, 1, 1)
  return rows + _shift(x, 2, -1) + _shift(x, 2, 1)


def _shift(x: jax.Array, axis: int, by: int) -> jax.Array:
  """Moves values along an axis by 1 or -1; zeros come in."""
  padding = [(by, -by, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)]
  return jax.lax.pad(x, jnp.zeros((), x.dtype), padding)


def _sum_2x2(x: jax.Array, weights: list[list[float]]) -> jax.Array:
  """Returns weighted sums of 2x2 pixels, [B, ceil(h/2), ceil(w/2), C]."""
  channels = x.shape[-1]
  # A kernel for each channel alone (feature_group_count) is slower on a CPU.
  kernel = np.einsum('hw,io->hwio', weights, np.eye(channels))
  return jax.lax.conv_general_dilated(
    x,
    jnp.asarray(kernel, x.dtype),
    window_strides=(2, 2),
    padding=((0, 1), (0, 1)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=jax.lax.Precision.HIGHEST,
  )


@jax.jit
def crop_to(x: jax.Array, like: jax.Array) -> jax.Array:
  """Returns the top left part of x that is as high and wide as `like`."""
  ends = (x.shape[0], *like.shape[1:3], x.shape[3])
  return jax.lax.slice(x, (0, 0, 0, 0), ends)


def _dot(x: jax.Array, y: jax.Array) -> jax.Array:
  """Returns the inner products, [B, 1, 1, C], never 0, to divide by."""
  return jnp.maximum(sum_pixels(x * y), 1e-30)


@jax.jit
def sum_pixels(x: jax.Array) -> jax.Array:
  """Returns the sums over height and width, [B, 1, 1, C]."""
  return jnp.sum(x, axis=(1, 2), keepdims=True)
