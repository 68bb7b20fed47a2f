"""Computes the net that refines fillings; see `refining`.

It is computed with NumPy. JAX would take a second to import, and more to
compile the net for each size of a hole.
"""

from collections.abc import Iterator
import contextlib
import functools
import os
import pathlib
import threading

import numpy as np
from numpy.lib import stride_tricks
import safetensors
import safetensors.numpy
import threadpoolctl

from inpaint_jax.inpainting import kernels
from inpaint_jax.system import errors

# The weights, {'d00.kernel': float16 [3, 3, C, n], 'd00.bias': [n], ...}.
WEIGHTS = pathlib.Path(__file__).with_name('refiner.safetensors')
# The net's resolutions, each half of the one before. Heights and widths are
# multiples of STRIDE.
_LEVELS = 3
STRIDE = 2 ** (_LEVELS - 1)
# How many numbers a convolution collects at a time; a core's cache holds them.
_COLLECTED = 2**19
# The least input of an activation.
_LOWEST = -30

# A kernel [9 C, n] and a bias [n].
Layer = tuple[np.ndarray, np.ndarray]

# How many callers want one thread in matrix products, and what undoes that.
_guard = threading.Lock()
_users = 0
_limit: threadpoolctl.threadpool_limits | None = None


@functools.cache
def load() -> dict[str, Layer]:
  """Returns the layers of the net by name.

  Raises:
    errors.UserError: the weights are not there, as in a program that was packed
      without them.
  """
  with errors.error_as(
    'the weights that refine fillings cannot be read',
    '; install inpaint_jax with its data files, or fill with refine=False',
    kind=(OSError, safetensors.SafetensorError),
  ):
    arrays = safetensors.numpy.load_file(WEIGHTS)
  layers = {}
  for name, kernel in arrays.items():
    if name.endswith('.kernel'):
      layer = name.removesuffix('.kernel')
      bias = arrays[f'{layer}.bias'].astype(np.float32)
      flat = kernel.reshape(-1, kernel.shape[-1]).astype(np.float32)
      layers[layer] = flat, bias
  return layers


def run(
  layers: dict[str, Layer],
  x: np.ndarray,
  near: tuple[slice, ...],
) -> np.ndarray:
  """Returns the net's output.

  A UNet, see `models.refiner`: d are layers on the way down, m those of two
  residual blocks between, u on the way up, and p in front of each doubling of
  the resolution, where there are fewer pixels to convolve.

  Args:
    layers: see `load`.
    x: float32 [h, w, 5], multiples of STRIDE: colours in [-1, 1], hole, seams.
    near: rows and columns of the output that are wanted, multiples of 2.

  Returns:
    float32 [rows, columns, 3], to be added to colours in [0, 1].
  """

  def convolve(name: str, x: np.ndarray, *, active: bool = True) -> np.ndarray:
    return _convolve(x, *layers[name], active=active)

  skips = []
  for level in range(_LEVELS):
    if level:
      x = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4
    for number in range(2):
      x = convolve(f'd{level}{number}', x)
    skips.append(x)
  for number in range(2):
    inner = convolve(f'm{number}a', x)
    x = x + convolve(f'm{number}b', inner, active=False)
  for level in reversed(range(_LEVELS - 1)):
    x, skip = convolve(f'p{level}', x, active=False), skips[level]
    if level == 0:
      half = (slice(part.start // 2, part.stop // 2) for part in near)
      x, skip = x[tuple(half)], skip[near]
    x = np.concatenate([x.repeat(2, 0).repeat(2, 1), skip], axis=-1)
    for number in range(2):
      x = convolve(f'u{level}{number}', x)
  return convolve('out', x, active=False)


def _convolve(
  x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, *, active: bool
) -> np.ndarray:
  """Convolves [h, w, C] with 3x3, by rows; then SiLU if active."""
  height, width, channels = x.shape
  padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
  down, across, one = padded.strides
  # The three pixels of a row of the kernel lie side by side in memory.
  squares = stride_tricks.as_strided(
    padded,
    (height, width, 3, 3 * channels),
    (down, across, down, one),
    writeable=False,
  )
  result = np.empty((height, width, len(bias)), np.float32)

  def fill(first: int, last: int) -> None:
    out = result[first:last].reshape(-1, len(bias))
    np.matmul(squares[first:last].reshape(-1, len(kernel)), kernel, out=out)
    out += bias
    if active:
      # Below, SiLU is 0 within rounding, and exp would be infinite.
      np.maximum(out, _LOWEST, out=out)
      divisor = np.exp(-out)
      divisor += 1
      out /= divisor

  rows = max(1, _COLLECTED // (width * len(kernel)))
  kernels.for_bands(height, fill, rows)
  return result


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
  """Limits matrix products to one thread; several threads may ask for it."""
  global _users, _limit
  with _guard:
    if not _users:
      _limit = threadpoolctl.threadpool_limits(1, 'blas')
    _users += 1
  try:
    yield
  finally:
    with _guard:
      _users -= 1
      if not _users and _limit is not None:
        _limit.restore_original_limits()


def _begin_fork() -> None:
  """Undoes in a fork what its parent's other threads had begun."""
  global _guard, _users
  _guard = threading.Lock()
  if _users and _limit is not None:
    _limit.restore_original_limits()
  _users = 0


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_begin_fork)
