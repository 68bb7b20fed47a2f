"""Images to try the page with, drawn by the package itself."""

import functools

import numpy as np

from inpaint_jax.datasets import landscape

# (what a visitor may take out, number of the landscape, top of the part shown)
_SCENES = (
  ('two firs on a meadow', 1, 0.20),
  ('a fir by the lake', 10, 0.24),
  ('firs in autumn', 0, 0.25),
)
NAMES = tuple(name for name, _, _ in _SCENES)


@functools.cache
def draw(number: int, width: int = 960) -> np.ndarray:
  """Returns an example, uint8 [3/4 width, width, 3]; takes about a second."""
  _, index, top = _SCENES[number]
  image = landscape.render(index, width)
  first = round(top * width)
  return image[first : first + width * 3 // 4]
