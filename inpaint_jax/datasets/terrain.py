"""What stands and lies on the ground of the procedural landscapes."""

from typing import Any

import numpy as np

from inpaint_jax.datasets.noise import axis, field, line, mix, smooth
from inpaint_jax.datasets.palette import (
  AUTUMN,
  FOREST,
  GREEN,
  Light,
  pick,
  ROCK,
  SAND,
)

Array = np.ndarray
Rng = np.random.Generator

# How often, how many ridges, their height, and the odds of water.
SCENES: dict[str, dict[str, Any]] = {
  'alps': {'odds': 0.34, 'ridges': (2, 4), 'peak': 0.34, 'water': 0.5},
  'hills': {'odds': 0.22, 'ridges': (2, 5), 'peak': 0.13, 'water': 0.3},
  'woods': {'odds': 0.16, 'ridges': (3, 6), 'peak': 0.20, 'water': 0.35},
  'desert': {'odds': 0.12, 'ridges': (1, 4), 'peak': 0.16, 'water': 0.0},
  'coast': {'odds': 0.16, 'ridges': (0, 3), 'peak': 0.10, 'water': 1.0},
}


def ridges(
  rng: Rng,
  canvas: Array,
  kind: str,
  light: Light,
  horizon: float,
  sun_x: float,
) -> Array:
  """Puts mountains, hills, mesas or headlands on a canvas, far to near.

  Args:
    rng: where chance comes from.
    canvas: [S, S, 3] in [0, 1], the sky.
    kind: a name in SCENES.
    light: the time of day.
    horizon: its height, in sides of the picture from the top.
    sun_x: where the sun stands, in sides from the left.

  Returns:
    The new canvas.
  """
  size = canvas.shape[0]
  y = axis(size)[:, None]
  low, high = SCENES[kind]['ridges']
  count = int(rng.integers(low, high + 1))
  peak = SCENES[kind]['peak'] * rng.uniform(0.75, 1.35)
  snow_line = rng.uniform(0.3, 0.85) if rng.random() < 0.85 else 9.0
  autumn = rng.random() < 0.2
  haze = mix(light.horizon, light.zenith, 0.18)
  side = -1.0 if sun_x < 0.5 else 1.0
  for k in range(count):
    near = (k + 1) / count
    wooded = kind == 'woods' or (kind == 'alps' and near > 0.7 and count > 1)
    if kind in ('hills', 'desert', 'coast') or (wooded and kind == 'alps'):
      crest = line(rng, size, int(rng.integers(2, 4)), 0.32)
    else:
      ridged = kind == 'alps'
      crest = line(rng, size, int(rng.integers(2, 4)), 0.5, ridged)
    scale = peak * (1.15 - 0.75 * near if kind != 'coast' else 0.9)
    base = horizon - scale * (0.9 - 0.45 * near)
    top = base - scale * 0.5 * crest
    if wooded:
      top = top - _trees(rng, size, 0.008 + 0.022 * near, near)
    if kind == 'coast':
      # Headlands run out into the sea at one side.
      end = rng.uniform(0.3, 0.9)
      ramp = (end - axis(size)) * (1 if rng.random() < 0.5 else -1)
      top = np.maximum(top, horizon - scale * 0.5 + (0.5 - ramp) * 0.15)
      top = np.where(ramp > 0, top, top + np.abs(ramp) * 0.9)
    top = np.minimum(top, horizon + (0.3 if kind == 'coast' else -0.004))
    cover = np.clip((y - top) * size + 0.5, 0, 1)

    # Faces towards the sun are bright: the slope of a relief along x.
    relief = field(rng, size, (4, 5) if kind == 'alps' else (4, 3), 0.58)
    relief += 0.6 * crest
    slope = np.gradient(relief, axis=1) * size * 0.045 * side
    strength = {'alps': 0.42, 'desert': 0.22}.get(kind, 0.16)
    shade = 1 + strength * np.tanh(slope)
    if wooded:
      shade = shade * (1 + 0.14 * field(rng, size, (16, 16), 0.7))
      land = pick(rng, AUTUMN if autumn and near > 0.6 else FOREST)
    elif kind == 'alps':
      land = pick(rng, ROCK)
    elif kind == 'desert':
      land = pick(rng, SAND) * (1.0, 0.85, 0.78)
    else:
      land = pick(rng, GREEN)
    colour = np.broadcast_to(land, (size, size, 3))
    if kind == 'alps' and not wooded:
      # Snow above its line, off the steep shaded faces; woods at the foot.
      height = (horizon - y) / (1.3 * scale) + 0.09 * relief
      snow = smooth(snow_line - 0.08, snow_line + 0.1, height)
      snow = snow * (0.35 + 0.65 * smooth(-1.2, -0.1, slope))
      foot = 1 - smooth(0.12, 0.30, height)
      colour = mix(colour, pick(rng, FOREST) * 1.25, foot * 0.8)
      colour = mix(colour, (0.95, 0.96, 1.0), snow)
    elif kind == 'hills':
      patches = field(rng, size, (6, 3), 0.5)
      colour = mix(
        colour,
        pick(rng, AUTUMN + GREEN),
        smooth(-0.3, 0.9, patches) * 0.6,
      )
      wood = smooth(0.5, 0.75, field(rng, size, (7, 4), 0.6))
      colour = mix(colour, pick(rng, FOREST), wood * 0.8)
    elif kind == 'desert':
      # Strata of a mesa, wavy with the relief.
      strata = line(rng, size, 8, 0.7)
      rows = np.clip((y - top + 0.012 * relief) * 1.6, 0, 0.999)
      bands = strata[(rows * size).astype(int)]
      shade = shade * (1 + 0.09 * bands)
    colour = colour * (shade[..., None] * np.asarray(light.ambient))
    # Aerial perspective: far ridges, and the feet of all, fade into haze.
    air = light.haze * (1 - near) ** 0.8 + 0.06
    air = air + 0.35 * light.haze * smooth(-0.25, 0.05, y - horizon)
    colour = mix(colour, haze, np.clip(air, 0, 0.93))
    canvas = mix(canvas, colour, cover)
  return canvas


def ground(
  rng: Rng,
  canvas: Array,
  kind: str,
  light: Light,
  horizon: float,
  has_water: bool,
  sun_x: float,
) -> Array:
  """Puts meadow, sand or rock in front, or the near shore of a water.

  Args:
    rng: where chance comes from.
    canvas: [S, S, 3] in [0, 1].
    kind: a name in SCENES.
    light: the time of day.
    horizon: its height, in sides of the picture from the top.
    has_water: whether the ground is only a shore.
    sun_x: where the sun stands, in sides from the left.

  Returns:
    The new canvas.
  """
  size = canvas.shape[0]
  y = axis(size)[:, None]
  tilt = rng.uniform(-0.12, 0.12)
  start = horizon - 0.004
  rough = 0.012
  if has_water:
    start, rough = rng.uniform(0.78, 0.93), 0.035
  outline = line(rng, size, 2, 0.42) * rough
  top = start + outline + (tilt * (axis(size) - 0.5) if has_water else 0)
  forest_edge = not has_water and kind in ('alps', 'woods', 'hills')
  if forest_edge and rng.random() < 0.6:
    # A dark edge of trees where the meadow begins.
    edge = top - _trees(rng, size, rng.uniform(0.02, 0.07), 0.8)
    dark = pick(rng, FOREST) * 0.9 * np.asarray(light.ambient)
    dark = mix(dark, light.horizon, 0.10)
    canvas = mix(canvas, dark, np.clip((y - edge) * size + 0.5, 0, 1))
  below = np.clip((y - top) / max(1 - start, 0.05), 1e-3, 1)
  rows = np.clip((y[:, 0] - start + 0.02) / (1.02 - start), 1e-3, 1)
  rows = np.log(rows / 0.05 + 1) / np.log(1 / 0.05 + 1)
  if kind == 'desert' or (kind == 'coast' and rng.random() < 0.65):
    land, other = (
      pick(rng, SAND),
      pick(rng, SAND) * 0.75,
    )
    grain, coarse = (16, 5), 0.10
  elif kind == 'alps' and rng.random() < 0.35:
    land, other = (
      pick(rng, ROCK) * 1.1,
      pick(rng, GREEN) * 0.8,
    )
    grain, coarse = (20, 16), 0.30
  else:
    dry = rng.random() < 0.25
    land, other = (
      pick(rng, AUTUMN if dry else GREEN),
      pick(rng, GREEN),
    )
    grain, coarse = (18, 22), 0.24
  patches = smooth(-0.8, 0.9, field(rng, size, (4, 2), 0.5, 1 - rows))
  colour = mix(land, other, patches * 0.75)
  texture = field(rng, size, grain, 0.95, 1 - rows)
  texture = texture * coarse * (0.35 + 0.65 * below)
  swell = field(rng, size, (3, 2), 0.4, 1 - rows)
  slope = np.gradient(swell, axis=1) * size * (-1 if sun_x < 0.5 else 1)
  shade = 1.0 + texture + 0.14 * np.tanh(slope * 0.12)
  shade = shade * (1.08 - 0.42 * below)
  colour = colour * (shade[..., None] * np.asarray(light.ambient))
  air = light.haze * 0.55 * np.exp(-below * 7)
  colour = mix(colour, light.horizon, air)
  canvas = mix(canvas, colour, np.clip((y - top) * size + 0.5, 0, 1))
  if has_water:
    # The wet rim of the shore.
    rim = np.exp(-(((y - top) * size / max(size / 64, 1) + 0.2) ** 2))
    canvas = mix(canvas, canvas * 0.72, rim * 0.6)
  return canvas


def _trees(rng: Rng, size: int, height: float, near: float) -> Array:
  """Returns the outline of a row of conifers, [size], in [0, height]."""
  count = int(60 / (0.35 + near))
  x = np.sort(rng.random(count)).astype(np.float32)
  tall = (height * rng.uniform(0.45, 1.0, count)).astype(np.float32)
  steep = rng.uniform(2.5, 4.5, count).astype(np.float32)
  cones = tall - np.abs(axis(size)[:, None] - x) * steep
  return np.maximum(cones.max(1), 0)


def front_trees(rng: Rng, canvas: Array, light: Light, shore: bool) -> Array:
  """Puts a group of conifers in front, at one side."""
  size = canvas.shape[0]
  x, y = axis(size)[None, :], axis(size)[:, None]
  side = rng.uniform(-0.02, 0.3)
  side = side if rng.random() < 0.5 else 1 - side
  dark = pick(rng, FOREST) * 0.75 * np.asarray(light.ambient)
  for _ in range(int(rng.integers(2, 6))):
    foot, height = rng.uniform(0.86, 1.05), rng.uniform(0.22, 0.55)
    foot = max(foot, 0.96) if shore else foot
    middle, wide = side + rng.normal(0, 0.09), rng.uniform(0.13, 0.2)
    branches = rng.uniform(9, 14)
    t = np.clip((y - foot + height) / height, 0, 1)
    # Each tier of branches widens downward and ends in a step.
    tier = np.mod(t * branches + 0.6 * np.abs(x - middle) / height, 1)
    half = height * wide * t * (0.62 + 0.38 * tier)
    half = np.maximum(half, (t > 0) * 0.006 * height)
    half = np.where(y > foot, 0.012 * height, half)
    cover = np.clip((half - np.abs(x - middle)) * size + 0.5, 0, 1)
    cover = cover * (t > 0) * np.clip((foot + 0.02 - y) * size, 0, 1)
    lit = 0.75 + 0.5 * tier + 0.3 * (1 - t)
    canvas = mix(canvas, dark * lit[..., None], cover)
  return canvas
