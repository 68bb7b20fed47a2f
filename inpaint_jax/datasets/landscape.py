"""Procedural landscapes: images that need no download.

An image is painted from back to front: sky, sun, clouds, ridges from far to
near, then water or ground, and sometimes trees. Every shape is fractal noise,
see `noise`. Colours are sRGB in [0, 1]; x runs to the right and y down, both
over [0, 1].
"""

import numpy as np

from inpaint_jax.datasets import terrain
from inpaint_jax.datasets.noise import lerp, noise_2d, pixel_centers, smoothstep
from inpaint_jax.datasets.palette import Light
from inpaint_jax.datasets.scene import draw_scene, Scene

Array = np.ndarray
Rng = np.random.Generator


def render(index: int, size: int, seed: int = 0) -> Array:
  """Returns landscape number `index` of the series `seed`.

  The image depends on nothing but the arguments. Another size shows the same
  scene, with as much detail as fits.

  Returns:
    uint8 [size, size, 3].
  """
  rng = np.random.default_rng([seed, index])
  scene = draw_scene(rng)
  streams = [np.random.default_rng(s) for s in rng.integers(2**62, size=6)]
  canvas = _draw_sky(streams[0], scene, size)
  canvas = terrain.add_ridges(streams[1], canvas, scene)
  if scene.has_water:
    canvas = _add_water(streams[2], canvas, scene)
  if not scene.has_water or streams[5].random() < 0.75:
    canvas = terrain.add_ground(streams[3], canvas, scene)
    if scene.kind not in ('desert', 'coast') and streams[5].random() < 0.4:
      canvas = terrain.add_front_trees(streams[5], canvas, scene)
  # Noise of up to one level before rounding down, so that skies have no bands.
  dither = streams[4].random(canvas.shape, dtype=np.float32)
  return np.clip(canvas * 255 + dither, 0, 255).astype(np.uint8)


def _draw_sky(rng: Rng, scene: Scene, size: int) -> Array:
  """Returns the sky, with sun and clouds, on the whole canvas."""
  light, horizon = scene.light, scene.horizon
  x, y = pixel_centers(size)[None, :], pixel_centers(size)[:, None]
  up = np.clip((horizon - y) / horizon, 0, 1)
  zenith = np.asarray(light.zenith) * rng.normal(1, 0.04, 3)
  canvas = lerp(light.horizon, zenith, up ** rng.uniform(0.5, 0.9))
  canvas = np.broadcast_to(canvas, (size, size, 3))

  # The glow is wide along a low horizon and round higher up.
  radius2 = (x - scene.sun_x) ** 2 + ((y - scene.sun_y) * 1.25) ** 2
  glow = 0.55 * np.exp(-radius2 / 0.10) + 0.5 * np.exp(-radius2 / 0.008)
  glow = np.clip(glow * (1.0 if scene.sun_shows else 0.35), 0, 1)
  canvas = canvas + (1 - canvas) * (np.asarray(light.sun) * glow[..., None])
  if scene.sun_shows:
    edge = (rng.uniform(0.022, 0.045) - np.sqrt(radius2)) * size + 0.5
    white = lerp(light.sun, (1.0, 1.0, 1.0), 0.6)
    canvas = lerp(canvas, white, np.clip(edge, 0, 1))
  return _add_clouds(rng, canvas, light, up, radius2)


def _add_clouds(
  rng: Rng, canvas: Array, light: Light, up: Array, radius2: Array
) -> Array:
  """Returns the sky with clouds.

  Args:
    up: height of the rows, 0 at the horizon and 1 at the top, [S, 1].
    radius2: squared distance to the sun, [S, S].
  """
  size = canvas.shape[0]
  # Clouds of one layer look closer together towards the horizon.
  away = np.log(1.16 / (up[:, 0] + 0.16)) / np.log(1.16 / 0.16)
  stretched = rng.random() < 0.35 and not light.overcast
  cells = (5, 2) if stretched else (4, 3)
  rows = np.clip(away, 0, 1).astype(np.float32)
  density = noise_2d(rng, size, cells, 0.52, rows)
  clear = 0.6 if stretched else 0.35
  clear = -0.9 if light.overcast else clear + rng.uniform(-0.6, 1.3)
  soft = 1.8 if stretched or light.overcast else 0.8
  cover = smoothstep(clear, clear + soft, density)
  cover *= smoothstep(0.0, 0.12, up) * (0.8 if stretched else 0.96)
  # Thick parts are dark below; thin edges and sides facing the sun are bright.
  slope = np.gradient(density, axis=0) * size * 0.035
  lit = 0.72 + 0.30 * slope - 0.28 * smoothstep(clear, clear + 2.4, density)
  lit += 0.5 * np.exp(-radius2 / 0.06)
  cloud = lerp(light.cloud_shadow, light.cloud, np.clip(lit, 0, 1))
  return lerp(canvas, cloud, cover)


def _add_water(rng: Rng, canvas: Array, scene: Scene) -> Array:
  """Returns the canvas with water below the horizon that mirrors the rest."""
  light, horizon, size = scene.light, scene.horizon, canvas.shape[0]
  x, y = pixel_centers(size)[None, :], pixel_centers(size)[:, None]
  below = np.clip((y - horizon) / (1 - horizon), 1e-3, 1)
  # Waves look closer together towards the horizon.
  rows = (np.log(below[:, 0] / 0.03 + 1) / np.log(1 / 0.03 + 1)).clip(0, 1)
  calm = rng.uniform(0.15, 1.0)
  waves = noise_2d(rng, size, (12, 2), 0.75, 1 - rows)
  wobble = waves * calm * (0.004 + 0.03 * below)
  # The mirror image, squeezed a little, each pixel moved by the waves.
  mirror = (horizon - (y - horizon) * 0.82 + wobble) * size - 0.5
  mirror = np.clip(mirror, 0, max(horizon * size - 1.5, 0))
  upper = mirror.astype(int)
  lower = np.minimum(upper + 1, size - 1)
  columns = np.arange(size)[None, :]
  reflected = lerp(
    canvas[upper, columns], canvas[lower, columns], mirror - upper
  )
  deep = np.asarray((0.06, 0.20, 0.27)) * rng.normal(1, 0.12, 3)
  deep = deep * np.asarray(light.ambient)
  # Fresnel: near water shows its depth, far water mirrors.
  murk = 0.16 + 0.42 * below**1.3 + 0.09 * np.tanh(waves) * calm
  colour = lerp(reflected * 0.93, deep, np.clip(murk, 0, 1))
  if scene.sun_shows:
    glitter = 0.2 + 0.8 * (light.sun_height[1] < 0.5)
    width = 0.03 + 0.10 * below
    path = np.exp(-(((x - scene.sun_x) / width) ** 2))
    sparks = smoothstep(0.2, 1.2, waves + 0.5 * (1 - below)) * path * glitter
    colour = lerp(colour, light.sun, np.clip(sparks, 0, 1) * 0.85)
  # A bright line where the water meets the shore.
  shore = np.exp(-(((y - horizon) * 60 - 0.4) ** 2)) * 0.18
  colour = lerp(colour, light.horizon, shore)
  return lerp(canvas, colour, np.clip((y - horizon) * size + 0.5, 0, 1))
