"""Fractal noise for the procedural landscapes.

Cubic B-spline noise summed over octaves (Perlin, 'An image synthesizer',
SIGGRAPH 1985; Musgrave et al., 'The synthesis and rendering of eroded fractal
terrains', SIGGRAPH 1989). Each call seeds its own generator and draws coarse
octaves first, so images of different sizes agree in all detail they share.
"""

import functools
from typing import Any

import numpy as np
from scipy import sparse

Array = np.ndarray
Rng = np.random.Generator


@functools.lru_cache(maxsize=16)
def pixel_centers(size: int) -> Array:
  """Returns the centers of `size` pixels on [0, 1], float32 [size]."""
  return ((np.arange(size) + 0.5) / size).astype(np.float32)


def noise_1d(
  rng: Rng, size: int, cells: int, gain: float, ridged: bool = False
) -> Array:
  """Returns fractal noise of about unit variance along x, [size]."""
  rng = np.random.default_rng(rng.integers(2**62))
  total, weight, norm = np.zeros(size, np.float32), 1.0, 0.0
  while cells <= size // 2:
    knots = rng.standard_normal(cells + 3, dtype=np.float32) * 1.4
    octave = _even_weights(size, cells) @ knots
    if ridged:
      octave = 0.8 - 1.8 * np.abs(octave)
    total += weight * octave
    norm += weight**2
    cells, weight = cells * 2, weight * gain
  return total / np.sqrt(norm)


def noise_2d(
  rng: Rng,
  size: int,
  cells: tuple[int, int],
  gain: float = 0.55,
  rows: Array | None = None,
) -> Array:
  """Returns fractal noise of about unit variance, [len(rows), size].

  Args:
    rng: one number is drawn from it, for any size.
    size: pixels along x; octaves finer than two pixels are left out.
    cells: cells of the coarsest octave along y and x.
    gain: weight of an octave relative to the next coarser one.
    rows: y of the rows in [0, 1], evenly spaced by default; other spacings give
      perspective.
  """
  rng = np.random.default_rng(rng.integers(2**62))
  cells_y, cells_x = cells
  height = size if rows is None else len(rows)
  total = np.zeros((height, size), np.float32)
  weight, norm = 1.0, 0.0
  while max(cells_x, cells_y) <= size // 2:
    knots = rng.standard_normal((cells_y + 3, cells_x + 3), dtype=np.float32)
    if rows is None:
      along_y = _even_weights(size, cells_y)
    else:
      along_y = _spline_weights(rows * cells_y, cells_y)
    along_x = _even_weights(size, cells_x)
    total += (2.0 * weight) * (along_x @ (along_y @ knots).T).T
    norm += weight**2
    cells_y, cells_x, weight = cells_y * 2, cells_x * 2, weight * gain
  return total / np.sqrt(max(norm, 1e-6))


def smoothstep(low: float, high: float, value: Array) -> Array:
  """Returns 0 below low, 1 above high, and a smooth step between."""
  t = np.clip((value - low) / (high - low), 0, 1)
  return t * t * (3 - 2 * t)


def lerp(a: Any, b: Any, t: Any) -> Array:
  """Interpolates colours linearly.

  Args:
    a: colour where t = 0, [..., 3].
    b: colour where t = 1, [..., 3].
    t: weights, without the axis of channels, [...].
  """
  t = np.asarray(t, np.float32)[..., None]
  a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
  return a + (b - a) * t


@functools.lru_cache(maxsize=256)
def _even_weights(size: int, cells: int) -> sparse.csr_array:
  return _spline_weights(pixel_centers(size) * cells, cells)


def _spline_weights(coordinates: Array, cells: int) -> sparse.csr_array:
  """Returns [n, cells + 3] weights of the cubic B-spline; rows sum to 1.

  The matrix is sparse because each row has four weights, and because dense
  products would start BLAS threads, which slow each other on a busy machine.
  """
  coordinates = np.clip(coordinates, 0, cells - 1e-4)
  left = coordinates.astype(np.int32)
  f = (coordinates - left).astype(np.float32)
  weights = np.stack(
    [
      (1 - f) ** 3,
      3 * f**3 - 6 * f**2 + 4,
      -3 * f**3 + 3 * f**2 + 3 * f + 1,
      f**3,
    ],
    1,
  )
  columns = left[:, None] + np.arange(4, dtype=np.int32)
  starts = np.arange(0, 4 * len(left) + 1, 4, dtype=np.int32)
  return sparse.csr_array(
    (weights.ravel() / 6, columns.ravel(), starts), shape=(len(left), cells + 3)
  )
