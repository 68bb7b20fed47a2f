"""Ridges, ground and trees of the procedural landscapes.

The functions of this module take a canvas, [S, S, 3] in [0, 1], and return a
new one. Coverage is a mask in [0, 1] with antialiased edges, [S, S].
"""

import numpy as np

from inpaint_jax.datasets.noise import (
  lerp,
  noise_1d,
  noise_2d,
  pixel_centers,
  smoothstep,
)
from inpaint_jax.datasets.palette import AUTUMN, FOREST, GREEN, pick, ROCK, SAND
from inpaint_jax.datasets.scene import KINDS, Scene

Array = np.ndarray
Rng = np.random.Generator


def add_ridges(rng: Rng, canvas: Array, scene: Scene) -> Array:
  """Adds mountains, hills, mesas or headlands, far to near."""
  light, kind, size = scene.light, scene.kind, canvas.shape[0]
  y = pixel_centers(size)[:, None]
  low, high = KINDS[kind].ridges
  count = int(rng.integers(low, high + 1))
  peak = KINDS[kind].peak * rng.uniform(0.75, 1.35)
  snow_line = rng.uniform(0.3, 0.85) if rng.random() < 0.85 else 9.0
  autumn = rng.random() < 0.2
  haze = lerp(light.horizon, light.zenith, 0.18)
  for k in range(count):
    near = (k + 1) / count
    wooded = kind == 'woods' or (kind == 'alps' and near > 0.7 and count > 1)
    scale = peak * (1.15 - 0.75 * near if kind != 'coast' else 0.9)
    top, crest = _ridge_top(rng, scene, size, near, scale, wooded)

    # Slopes towards the sun are bright.
    relief = noise_2d(rng, size, (4, 5) if kind == 'alps' else (4, 3), 0.58)
    relief += 0.6 * crest
    slope = np.gradient(relief, axis=1) * size * 0.045 * scene.sun_side
    strength = {'alps': 0.42, 'desert': 0.22}.get(kind, 0.16)
    shade = 1 + strength * np.tanh(slope)
    if wooded:
      shade = shade * (1 + 0.14 * noise_2d(rng, size, (16, 16), 0.7))
      colour = pick(rng, AUTUMN if autumn and near > 0.6 else FOREST)
    elif kind == 'alps':
      rise = (scene.horizon - y) / (1.3 * scale) + 0.09 * relief
      colour = _alpine_colour(rng, rise, slope, snow_line)
    elif kind == 'desert':
      colour = pick(rng, SAND) * (1.0, 0.85, 0.78)
      # Strata of a mesa, wavy with the relief.
      strata = noise_1d(rng, size, 8, 0.7)
      rows = np.clip((y - top + 0.012 * relief) * 1.6, 0, 0.999)
      shade = shade * (1 + 0.09 * strata[(rows * size).astype(int)])
    elif kind == 'hills':
      colour = _hill_colour(rng, size)
    else:
      colour = pick(rng, GREEN)
    colour = colour * (shade[..., None] * np.asarray(light.ambient))
    # Aerial perspective: far ridges and the feet of all ridges fade into haze.
    air = light.haze * (1 - near) ** 0.8 + 0.06
    air = air + 0.35 * light.haze * smoothstep(-0.25, 0.05, y - scene.horizon)
    colour = lerp(colour, haze, np.clip(air, 0, 0.93))
    canvas = lerp(canvas, colour, _cover_below(y, top, size))
  return canvas


def _ridge_top(
  rng: Rng, scene: Scene, size: int, near: float, scale: float, wooded: bool
) -> tuple[Array, Array]:
  """Returns the y of a ridge's upper edge, and its crest's noise, both [S]."""
  kind, horizon = scene.kind, scene.horizon
  rounded = kind in ('hills', 'desert', 'coast') or (kind == 'alps' and wooded)
  cells = int(rng.integers(2, 4))
  if rounded:
    crest = noise_1d(rng, size, cells, 0.32)
  else:
    crest = noise_1d(rng, size, cells, 0.5, ridged=kind == 'alps')
  base = horizon - scale * (0.9 - 0.45 * near)
  top = base - scale * 0.5 * crest
  if wooded:
    top = top - _tree_line(rng, size, 0.008 + 0.022 * near, near)
  if kind != 'coast':
    return np.minimum(top, horizon - 0.004), crest
  # Headlands run out into the sea at one side.
  end = rng.uniform(0.3, 0.9)
  ramp = (end - pixel_centers(size)) * (1 if rng.random() < 0.5 else -1)
  top = np.maximum(top, horizon - scale * 0.5 + (0.5 - ramp) * 0.15)
  top = np.where(ramp > 0, top, top + np.abs(ramp) * 0.9)
  return np.minimum(top, horizon + 0.3), crest


def _alpine_colour(
  rng: Rng, rise: Array, slope: Array, snow_line: float
) -> Array:
  """Returns rock, with snow above its line and woods at the foot.

  Args:
    rise: height above the horizon, 1 at the peaks, [S, S].
    slope: slope of the relief, positive on the sunny side, [S, S].
    snow_line: height above which snow lies, except on steep shaded slopes.
  """
  colour = pick(rng, ROCK)
  snow = smoothstep(snow_line - 0.08, snow_line + 0.1, rise)
  snow = snow * (0.35 + 0.65 * smoothstep(-1.2, -0.1, slope))
  foot = 1 - smoothstep(0.12, 0.30, rise)
  colour = lerp(colour, pick(rng, FOREST) * 1.25, foot * 0.8)
  return lerp(colour, (0.95, 0.96, 1.0), snow)


def _hill_colour(rng: Rng, size: int) -> Array:
  """Returns meadows of two colours with woods."""
  colour = pick(rng, GREEN)
  patches = smoothstep(-0.3, 0.9, noise_2d(rng, size, (6, 3), 0.5))
  colour = lerp(colour, pick(rng, AUTUMN + GREEN), patches * 0.6)
  woods = smoothstep(0.5, 0.75, noise_2d(rng, size, (7, 4), 0.6))
  return lerp(colour, pick(rng, FOREST), woods * 0.8)


def add_ground(rng: Rng, canvas: Array, scene: Scene) -> Array:
  """Adds meadow, sand or rock in front, or the near shore of water."""
  light, kind, size = scene.light, scene.kind, canvas.shape[0]
  x, y = pixel_centers(size), pixel_centers(size)[:, None]
  tilt = rng.uniform(-0.12, 0.12)
  if scene.has_water:
    start = rng.uniform(0.78, 0.93)
    top = start + noise_1d(rng, size, 2, 0.42) * 0.035 + tilt * (x - 0.5)
  else:
    start = scene.horizon - 0.004
    top = start + noise_1d(rng, size, 2, 0.42) * 0.012
    if kind in ('alps', 'woods', 'hills') and rng.random() < 0.6:
      # A dark edge of trees where the meadow begins.
      edge = top - _tree_line(rng, size, rng.uniform(0.02, 0.07), 0.8)
      dark = pick(rng, FOREST) * 0.9 * np.asarray(light.ambient)
      dark = lerp(dark, light.horizon, 0.10)
      canvas = lerp(canvas, dark, _cover_below(y, edge, size))
  below = np.clip((y - top) / max(1 - start, 0.05), 1e-3, 1)
  rows = np.clip((y[:, 0] - start + 0.02) / (1.02 - start), 1e-3, 1)
  rows = np.log(rows / 0.05 + 1) / np.log(1 / 0.05 + 1)
  if kind == 'desert' or (kind == 'coast' and rng.random() < 0.65):
    land, other = pick(rng, SAND), pick(rng, SAND) * 0.75
    cells, contrast = (16, 5), 0.10
  elif kind == 'alps' and rng.random() < 0.35:
    land, other = pick(rng, ROCK) * 1.1, pick(rng, GREEN) * 0.8
    cells, contrast = (20, 16), 0.30
  else:
    dry = rng.random() < 0.25
    land, other = pick(rng, AUTUMN if dry else GREEN), pick(rng, GREEN)
    cells, contrast = (18, 22), 0.24
  patches = smoothstep(-0.8, 0.9, noise_2d(rng, size, (4, 2), 0.5, 1 - rows))
  colour = lerp(land, other, patches * 0.75)
  texture = noise_2d(rng, size, cells, 0.95, 1 - rows)
  texture = texture * contrast * (0.35 + 0.65 * below)
  swell = noise_2d(rng, size, (3, 2), 0.4, 1 - rows)
  slope = np.gradient(swell, axis=1) * size * scene.sun_side
  shade = 1.0 + texture + 0.14 * np.tanh(slope * 0.12)
  shade = shade * (1.08 - 0.42 * below)
  colour = colour * (shade[..., None] * np.asarray(light.ambient))
  air = light.haze * 0.55 * np.exp(-below * 7)
  colour = lerp(colour, light.horizon, air)
  canvas = lerp(canvas, colour, _cover_below(y, top, size))
  if scene.has_water:
    # The wet rim of the shore.
    rim = np.exp(-(((y - top) * size / max(size / 64, 1) + 0.2) ** 2))
    canvas = lerp(canvas, canvas * 0.72, rim * 0.6)
  return canvas


def add_front_trees(rng: Rng, canvas: Array, scene: Scene) -> Array:
  """Adds a group of conifers in front, at one side."""
  size = canvas.shape[0]
  x, y = pixel_centers(size)[None, :], pixel_centers(size)[:, None]
  group = rng.uniform(-0.02, 0.3)
  group = group if rng.random() < 0.5 else 1 - group
  dark = pick(rng, FOREST) * 0.75 * np.asarray(scene.light.ambient)
  for _ in range(int(rng.integers(2, 6))):
    foot, height = rng.uniform(0.86, 1.05), rng.uniform(0.22, 0.55)
    foot = max(foot, 0.96) if scene.has_water else foot
    middle, width = group + rng.normal(0, 0.09), rng.uniform(0.13, 0.2)
    tiers = rng.uniform(9, 14)
    t = np.clip((y - foot + height) / height, 0, 1)
    # Each tier of branches widens downward and ends in a step.
    tier = np.mod(t * tiers + 0.6 * np.abs(x - middle) / height, 1)
    half = height * width * t * (0.62 + 0.38 * tier)
    half = np.maximum(half, (t > 0) * 0.006 * height)
    half = np.where(y > foot, 0.012 * height, half)
    cover = np.clip((half - np.abs(x - middle)) * size + 0.5, 0, 1)
    cover = cover * (t > 0) * np.clip((foot + 0.02 - y) * size, 0, 1)
    brightness = 0.75 + 0.5 * tier + 0.3 * (1 - t)
    canvas = lerp(canvas, dark * brightness[..., None], cover)
  return canvas


def _tree_line(rng: Rng, size: int, height: float, near: float) -> Array:
  """Returns the outline of a row of conifers, [size], in [0, height]."""
  count = int(60 / (0.35 + near))
  x = np.sort(rng.random(count)).astype(np.float32)
  heights = (height * rng.uniform(0.45, 1.0, count)).astype(np.float32)
  steepness = rng.uniform(2.5, 4.5, count).astype(np.float32)
  cones = heights - np.abs(pixel_centers(size)[:, None] - x) * steepness
  return np.maximum(cones.max(1), 0)


def _cover_below(y: Array, top: Array, size: int) -> Array:
  """Returns the coverage, [S, S], of all that lies below an edge `top`, [S]."""
  return np.clip((y - top) * size + 0.5, 0, 1)
