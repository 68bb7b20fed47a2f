"""The harmonic fill in JAX: the smoothest surface that meets the known pixels.

Each pixel of the hole becomes the mean of its neighbours (the discrete Laplace
equation, with the known pixels as boundary values and zero slope across the
image's edge). inpainting/harmonic.py solves it for photos. Here it is solved
for batches, on any device, in a fixed number of steps of conjugate gradients
(Hestenes and Stiefel, 1952), each preconditioned by one multigrid V-cycle
(Briggs, Henson and McCormick, A Multigrid Tutorial, 2000).

The grid is a network of conductors: `right` and `down` are the conductances
from a pixel to its neighbours within the hole. `total` is the sum of all
conductances of a pixel, including those to known pixels; it is 0 for a known
pixel. A coarser grid merges 2x2 pixels into one.

Only operations are used that onnx_graph.py converts, even if height and width
are symbols; it recognises the jitted functions by their names.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax.models import layers

# Steps of the solver. Its error is then below one 8-bit level, see the test.
_STEPS = 7
# Used if height and width are symbols: enough for 256 pixels and more.
_MAX_GRIDS = 9
# Sweeps before and after the coarser grid, and the damping of each.
_SWEEPS = 2
_DAMPING = 0.8
# As in inpainting/harmonic.py: the centre of a coarse pixel is 1.5 fine pixels
# away from a known pixel, not 2 as from another coarse pixel.
_TO_KNOWN = 2 / 3


# Solution, residual, direction, and the previous step's product.
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
    float32 [B, H, W, C], equal to `masked_image` at known pixels; zero if an
    image has no known pixel.
  """
  image, mask = masked_image.astype(jnp.float32), mask.astype(jnp.float32)
  right = mask * _shift(mask, 2, -1)
  down = mask * _shift(mask, 1, -1)
  to_known = mask * _around(1 - mask)
  grids = [_create_grid(right, down, to_known)]
  # Without a known pixel the system is singular: the solution and its
  # derivatives are 0 by definition.
  solvable = grids[0].hole * (sum_pixels(to_known) > 0).astype(jnp.float32)
  for _ in range(_count_grids(image.shape[1:3]) - 1):
    # Two parallel conductors, each twice as long as a fine one.
    right = _sum_2x2(right, [[0, 0.5], [0, 0.5]])
    down = _sum_2x2(down, [[0, 0], [0.5, 0.5]])
    to_known = _TO_KNOWN * _sum_2x2(to_known, [[1, 1], [1, 1]])
    grids.append(_create_grid(right, down, to_known))
  # Tells JAX that the result is linear in the image, so that it solves again
  # for a derivative. Derivatives of the steps are wrong for a black image.
  filled = jax.lax.custom_linear_solve(
    lambda x: _outflow(grids[0], x),
    mask * _around(image),
    lambda _, flow: _solve(grids, solvable * flow),
    symmetric=True,
  )
  return image + mask * filled


def _count_grids(sides: tuple[Any, ...]) -> int:
  """Returns the number of grids, from the image down to a single pixel."""
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
  """Returns an approximate solution; the cycle is a symmetric operator."""
  grid = grids[0]
  x = _relax(grid, flow, 0 * flow)
  if grids[1:]:
    residual = flow - _outflow(grid, x)
    coarse = _v_cycle(grids[1:], _sum_2x2(residual, [[1, 1], [1, 1]]))
    x += grid.hole * crop_to(layers.upsample_nearest(coarse), x)
    x = _relax(grid, flow, x)
  return x


def _relax(grid: _Grid, flow: jax.Array, x: jax.Array) -> jax.Array:
  """Makes damped Jacobi sweeps, which move each pixel towards its balance."""

  def sweep(x: jax.Array, _: None) -> tuple[jax.Array, None]:
    residual = flow - _outflow(grid, x)
    return x + _DAMPING * grid.inverse * residual, None

  # A loop, since XLA would merge sweeps that are written out (WORKSPACE.md).
  return jax.lax.scan(sweep, x, length=_SWEEPS)[0]


def _outflow(grid: _Grid, x: jax.Array) -> jax.Array:
  """Returns A x: the flow out of each pixel less the inflow from the hole."""
  inflow = (
    grid.right * _shift(x, 2, -1)
    + _shift(grid.right * x, 2, 1)
    + grid.down * _shift(x, 1, -1)
    + _shift(grid.down * x, 1, 1)
  )
  return grid.total * x - inflow


def _around(x: jax.Array) -> jax.Array:
  """Returns the sum of each pixel's four neighbours."""
  rows = _shift(x, 1, -1) + _shift(x, 1, 1)
  return rows + _shift(x, 2, -1) + _shift(x, 2, 1)


def _shift(x: jax.Array, axis: int, by: int) -> jax.Array:
  """Moves values along an axis by 1 or -1, and fills with zeros."""
  padding = [(by, -by, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)]
  return jax.lax.pad(x, jnp.zeros((), x.dtype), padding)


def _sum_2x2(x: jax.Array, weights: list[list[float]]) -> jax.Array:
  """Returns weighted sums of 2x2 pixels, [B, ceil(h/2), ceil(w/2), C]."""
  channels = x.shape[-1]
  # One kernel per channel (feature_group_count) would be slower on a CPU.
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
  """Returns inner products [B, 1, 1, C], at least 1e-30, to divide by."""
  return jnp.maximum(sum_pixels(x * y), 1e-30)


@jax.jit
def sum_pixels(x: jax.Array) -> jax.Array:
  """Returns the sums over height and width, [B, 1, 1, C]."""
  return jnp.sum(x, axis=(1, 2), keepdims=True)
