"""Procedural landscapes: the pictures that need no download.

A picture is painted from back to front: sky, sun, clouds, ridges from far to
near, then water or ground, and sometimes trees. Every shape is fractal noise,
that is cubic B-spline noise summed over octaves (Perlin, 'An image
synthesizer', SIGGRAPH 1985; Musgrave et al., 'The synthesis and rendering of
eroded fractal terrains', SIGGRAPH 1989). Colours are sRGB in [0, 1]; x runs to
the right and y down, both over [0, 1].
"""

import numpy as np

from inpaint_jax.datasets import palette, terrain
from inpaint_jax.datasets.noise import axis, field, mix, smooth

Array = np.ndarray
Rng = np.random.Generator


def render(index: int, size: int, seed: int = 0) -> Array:
  """Returns landscape number `index` of the series `seed`.

  The picture depends on nothing but the arguments. Another size shows the same
  scene, with as much detail as fits.

  Args:
    index: which picture, 0 or more.
    size: side in pixels.
    seed: which series.

  Returns:
    uint8 [size, size, 3].
  """
  rng = np.random.default_rng([seed, index])
  light = palette.LIGHTS[rng.choice(len(palette.LIGHTS), p=palette.LIGHT_ODDS)]
  names = list(terrain.SCENES)
  odds = [terrain.SCENES[name]['odds'] for name in names]
  kind = names[rng.choice(len(names), p=odds)]
  scene = terrain.SCENES[kind]
  horizon = rng.uniform(0.40, 0.68)
  has_water = rng.random() < scene['water']
  if has_water:
    horizon = min(horizon, 0.62)
  sun_x = rng.uniform(0.08, 0.92)
  sun_y = horizon * (1 - rng.uniform(*light.sun_height))
  sun_shows = rng.random() < 0.75 and not light.overcast
  streams = [np.random.default_rng(s) for s in rng.integers(2**62, size=12)]

  canvas = _sky(streams[0], light, size, horizon, sun_x, sun_y, sun_shows)
  canvas = terrain.ridges(streams[1], canvas, kind, light, horizon, sun_x)
  if has_water:
    glitter = sun_shows * (0.2 + 0.8 * (light.sun_height[1] < 0.5))
    canvas = _water(streams[2], canvas, light, horizon, sun_x, glitter)
  if not has_water or streams[5].random() < 0.75:
    canvas = terrain.ground(
      streams[3], canvas, kind, light, horizon, has_water, sun_x
    )
    if kind not in ('desert', 'coast') and streams[5].random() < 0.4:
      canvas = terrain.front_trees(streams[5], canvas, light, has_water)
  # Up to a level of noise before rounding down, so that skies show no bands.
  dither = streams[4].random(canvas.shape, dtype=np.float32)
  return np.clip(canvas * 255 + dither, 0, 255).astype(np.uint8)


def _sky(
  rng: Rng,
  light: palette.Light,
  size: int,
  horizon: float,
  sun_x: float,
  sun_y: float,
  sun_shows: bool,
) -> Array:
  x, y = axis(size)[None, :], axis(size)[:, None]
  up = np.clip((horizon - y) / horizon, 0, 1)
  zenith = np.asarray(light.zenith) * rng.normal(1, 0.04, 3)
  canvas = mix(light.horizon, zenith, up ** rng.uniform(0.5, 0.9))
  canvas = np.broadcast_to(canvas, (size, size, 3))

  # The glow is wide along a low horizon and round higher up.
  radius2 = (x - sun_x) ** 2 + ((y - sun_y) * 1.25) ** 2
  glow = 0.55 * np.exp(-radius2 / 0.10) + 0.5 * np.exp(-radius2 / 0.008)
  glow = np.clip(glow * (1.0 if sun_shows else 0.35), 0, 1)
  canvas = canvas + (1 - canvas) * (np.asarray(light.sun) * glow[..., None])
  if sun_shows:
    edge = (rng.uniform(0.022, 0.045) - np.sqrt(radius2)) * size + 0.5
    white = mix(light.sun, (1.0, 1.0, 1.0), 0.6)
    canvas = mix(canvas, white, np.clip(edge, 0, 1))

  # Looking along a layer of clouds, they crowd towards the horizon.
  away = np.log(1.16 / (up[:, 0] + 0.16)) / np.log(1.16 / 0.16)
  kind = rng.random()
  overcast = light.overcast
  stretched = kind < 0.35 and not overcast
  cells = (5, 2) if stretched else (4, 3)
  rows = np.clip(away, 0, 1).astype(np.float32)
  density = field(rng, size, cells, 0.52, rows)
  clear = 0.6 if stretched else 0.35
  clear = -0.9 if overcast else clear + rng.uniform(-0.6, 1.3)
  soft = 1.8 if stretched or overcast else 0.8
  cover = smooth(clear, clear + soft, density)
  cover *= smooth(0.0, 0.12, up) * (0.8 if stretched else 0.96)
  # Thick parts are dark below, thin edges and sides to the sun are bright.
  slope = np.gradient(density, axis=0) * size * 0.035
  lit = 0.72 + 0.30 * slope - 0.28 * smooth(clear, clear + 2.4, density)
  lit += 0.5 * np.exp(-radius2 / 0.06)
  cloud = mix(light.cloud_shadow, light.cloud, np.clip(lit, 0, 1))
  return mix(canvas, cloud, cover)


def _water(
  rng: Rng,
  canvas: Array,
  light: palette.Light,
  horizon: float,
  sun_x: float,
  glitter: float,
) -> Array:
  size = canvas.shape[0]
  x, y = axis(size)[None, :], axis(size)[:, None]
  below = np.clip((y - horizon) / (1 - horizon), 1e-3, 1)
  # Waves look closer together towards the horizon.
  rows = (np.log(below[:, 0] / 0.03 + 1) / np.log(1 / 0.03 + 1)).clip(0, 1)
  calm = rng.uniform(0.15, 1.0)
  waves = field(rng, size, (12, 2), 0.75, 1 - rows)
  wobble = waves * calm * (0.004 + 0.03 * below)
  # The mirror image, squeezed a little, each pixel moved by the waves.
  mirror = (horizon - (y - horizon) * 0.82 + wobble) * size - 0.5
  mirror = np.clip(mirror, 0, max(horizon * size - 1.5, 0))
  upper = mirror.astype(int)
  lower = np.minimum(upper + 1, size - 1)
  columns = np.arange(size)[None, :]
  reflected = mix(
    canvas[upper, columns], canvas[lower, columns], mirror - upper
  )
  deep = np.asarray((0.06, 0.20, 0.27)) * rng.normal(1, 0.12, 3)
  deep = deep * np.asarray(light.ambient)
  # Fresnel: near water is looked into, far water mirrors.
  murk = 0.16 + 0.42 * below**1.3 + 0.09 * np.tanh(waves) * calm
  colour = mix(reflected * 0.93, deep, np.clip(murk, 0, 1))
  if glitter:
    width = 0.03 + 0.10 * below
    path = np.exp(-(((x - sun_x) / width) ** 2))
    sparks = smooth(0.2, 1.2, waves + 0.5 * (1 - below)) * path * glitter
    colour = mix(colour, light.sun, np.clip(sparks, 0, 1) * 0.85)
  # A bright line where the water meets the shore.
  shore = np.exp(-(((y - horizon) * 60 - 0.4) ** 2)) * 0.18
  colour = mix(colour, light.horizon, shore)
  return mix(canvas, colour, np.clip((y - horizon) * size + 0.5, 0, 1))
