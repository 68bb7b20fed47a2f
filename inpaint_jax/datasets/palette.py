"""Colours of the procedural landscapes: times of day and materials.

All colours are sRGB in [0, 1].
"""

from collections.abc import Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Light:
  """A time of day.

  Attributes:
    zenith, horizon: colours of the sky.
    sun: colour of the sun.
    sun_height: range of its height, 0 at the horizon and 1 at the top.
    ambient: factors on the colours of the land.
    cloud, cloud_shadow: colours of the clouds.
    haze: strength of the haze in the distance, 0 to 1.
    overcast: whether clouds hide the sun.
  """

  zenith: Sequence[float]
  horizon: Sequence[float]
  sun: Sequence[float]
  sun_height: tuple[float, float]
  ambient: Sequence[float]
  cloud: Sequence[float]
  cloud_shadow: Sequence[float]
  haze: float
  overcast: bool = False


# In each: zenith, horizon; sun, sun_height, ambient; cloud, cloud_shadow, haze.
# fmt: off
LIGHTS = (
  Light(  # Noon: a deep blue, white clouds.
    (0.16, 0.40, 0.74), (0.70, 0.85, 0.95),
    (1.0, 0.97, 0.88), (0.55, 0.9), (1.0, 1.0, 0.98),
    (1.0, 1.0, 1.0), (0.66, 0.73, 0.82), 0.62,
  ),
  Light(  # Morning: pale, much haze.
    (0.40, 0.60, 0.80), (0.96, 0.89, 0.78),
    (1.0, 0.93, 0.75), (0.12, 0.4), (0.98, 0.94, 0.86),
    (1.0, 0.96, 0.90), (0.72, 0.73, 0.78), 0.85,
  ),
  Light(  # Golden hour.
    (0.29, 0.44, 0.67), (1.0, 0.78, 0.48),
    (1.0, 0.84, 0.48), (0.05, 0.22), (1.0, 0.84, 0.62),
    (1.0, 0.85, 0.65), (0.60, 0.50, 0.55), 0.72,
  ),
  Light(  # Sunset: red over violet.
    (0.20, 0.20, 0.43), (0.99, 0.52, 0.30),
    (1.0, 0.66, 0.32), (0.0, 0.12), (0.66, 0.48, 0.48),
    (1.0, 0.54, 0.40), (0.40, 0.27, 0.40), 0.66,
  ),
  Light(  # Dusk: the sun is down.
    (0.07, 0.11, 0.27), (0.70, 0.48, 0.54),
    (0.95, 0.6, 0.45), (-0.25, -0.1), (0.38, 0.38, 0.52),
    (0.64, 0.46, 0.54), (0.20, 0.20, 0.33), 0.60,
  ),
  Light(  # Overcast.
    (0.55, 0.61, 0.68), (0.82, 0.84, 0.85),
    (0.92, 0.92, 0.90), (0.5, 0.9), (0.78, 0.80, 0.82),
    (0.90, 0.91, 0.92), (0.50, 0.54, 0.60), 0.80, overcast=True,
  ),
)
# fmt: on
LIGHT_ODDS = (0.34, 0.14, 0.19, 0.13, 0.08, 0.12)

ROCK = ((0.36, 0.33, 0.32), (0.42, 0.35, 0.28), (0.29, 0.31, 0.35))
GREEN = ((0.30, 0.42, 0.16), (0.20, 0.35, 0.15), (0.42, 0.44, 0.18))
FOREST = ((0.09, 0.20, 0.12), (0.13, 0.23, 0.11), (0.10, 0.18, 0.15))
SAND = ((0.82, 0.64, 0.42), (0.76, 0.56, 0.38), (0.80, 0.70, 0.52))
AUTUMN = ((0.58, 0.34, 0.12), (0.50, 0.40, 0.14), (0.46, 0.25, 0.12))


def pick(
  rng: np.random.Generator, colours: Sequence[Sequence[float]]
) -> np.ndarray:
  """Returns one of the colours, slightly changed."""
  colour = np.asarray(colours[int(rng.integers(len(colours)))])
  return np.clip(colour * rng.normal(1, 0.06, 3) * rng.normal(1, 0.1), 0, 1)
