"""What a procedural landscape shows: its kind, light and layout."""

import dataclasses
from typing import NamedTuple

import numpy as np

from inpaint_jax.datasets.palette import Light, LIGHT_ODDS, LIGHTS


class Kind(NamedTuple):
  """A kind of landscape; heights are in units of the image's side."""

  odds: float
  ridges: tuple[int, int]  # Smallest and largest number.
  peak: float  # Height of the ridges.
  water: float  # Odds of water.


KINDS = {
  'alps': Kind(0.34, ridges=(2, 4), peak=0.34, water=0.5),
  'hills': Kind(0.22, ridges=(2, 5), peak=0.13, water=0.3),
  'woods': Kind(0.16, ridges=(3, 6), peak=0.20, water=0.35),
  'desert': Kind(0.12, ridges=(1, 4), peak=0.16, water=0.0),
  'coast': Kind(0.16, ridges=(0, 3), peak=0.10, water=1.0),
}


@dataclasses.dataclass(frozen=True)
class Scene:
  """One landscape. Lengths are in units of its side, from the left and top.

  Attributes:
    kind: a name in KINDS.
    sun_x, sun_y: where the sun is.
  """

  kind: str
  light: Light
  horizon: float
  has_water: bool
  sun_x: float
  sun_y: float
  sun_shows: bool

  @property
  def sun_side(self) -> int:
    """-1 if the sun is in the left half, 1 if it is in the right half."""
    return -1 if self.sun_x < 0.5 else 1


def draw_scene(rng: np.random.Generator) -> Scene:
  """Draws a scene at random."""
  light = LIGHTS[rng.choice(len(LIGHTS), p=LIGHT_ODDS)]
  names = list(KINDS)
  kind = names[rng.choice(len(names), p=[KINDS[name].odds for name in names])]
  horizon = rng.uniform(0.40, 0.68)
  has_water = rng.random() < KINDS[kind].water
  if has_water:
    horizon = min(horizon, 0.62)
  sun_x = rng.uniform(0.08, 0.92)
  sun_y = horizon * (1 - rng.uniform(*light.sun_height))
  sun_shows = rng.random() < 0.75 and not light.overcast
  return Scene(kind, light, horizon, has_water, sun_x, sun_y, sun_shows)
