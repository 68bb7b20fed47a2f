"""Holes in whole photos, like those that people make.

A kind of holes is a function (rng, height, width) -> bool [height, width], True
= hole. `draw` makes it a pure function of a seed, an index and a size. To add a
kind, write its function and add it to the end of KINDS.

Attributes:
  KINDS: name to kind.
"""

from collections.abc import Callable
import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inpaint_jax.system import errors

Kind = Callable[[np.random.Generator, int, int], np.ndarray]


def things(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Draws one to three smooth blobs, each of 1 to 5% of the photo."""
  hole = np.zeros((height, width), bool)
  for _ in range(rng.integers(1, 4)):
    hole |= blob(rng, height, width, rng.uniform(0.01, 0.05))
  return hole


def wires(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Draws two to four sagging lines of 2 to 6 px across the whole width."""
  y, x = np.mgrid[:height, :width]
  t = x / max(width - 1, 1)
  hole = np.zeros((height, width), bool)
  for _ in range(rng.integers(2, 5)):
    left, right = rng.uniform(0.1, 0.9, 2) * height
    right = left + 0.4 * (right - left)
    sag = rng.uniform(0, 0.08) * height
    thickness = rng.uniform(2, 6)
    line = left + t * (right - left) + 4 * sag * t * (1 - t)
    slope = (right - left + 4 * sag * (1 - 2 * t)) / width
    hole |= np.abs(y - line) <= thickness / 2 * np.hypot(1, slope)
  return hole


def borders(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Removes 6 to 14% of the photo's extent on one to four of its sides."""
  sides = rng.permutation(4)[: rng.integers(1, 5)]
  hole = np.zeros((height, width), bool)
  for side in sides:
    extent = height if side < 2 else width
    depth = round(rng.uniform(0.06, 0.14) * extent)
    lines = hole if side < 2 else hole.T
    lines[: depth or 1] |= side % 2 == 0
    lines[-(depth or 1) :] |= side % 2 == 1
  return hole


def text(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Writes a watermark: two to four lines of letters, at an angle."""
  # On a larger page, so that no corner of it is in view after the rotation.
  extent = int(np.hypot(height, width))
  page = Image.new('L', (extent, extent))
  draw = ImageDraw.Draw(page)
  # Smaller letters would have no pixels.
  size = max(rng.uniform(0.06, 0.12) * height, 8)
  font = ImageFont.load_default(size)
  count = rng.integers(2, 5)
  letters = np.array([*string.ascii_uppercase, *string.digits, ' '])
  for i in range(count):
    line = ''.join(rng.choice(letters, 40))
    top = extent / 2 + ((i + 0.5) / count - 0.5) * 0.8 * height
    draw.text((0, top - size / 2), line, font=font, fill=255)
  page = page.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR)
  row, column = (extent - height) // 2, (extent - width) // 2
  drawn = np.asarray(page)[row : row + height, column : column + width]
  return drawn >= 128


def specks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Scatters discs of 1 to 7 px, one for each 2,000 pixels."""
  hole = np.zeros((height, width), bool)
  for _ in range(max(1, height * width // 2000)):
    radius = rng.uniform(0.5, 3.5)
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    top, left = max(int(cy - radius), 0), max(int(cx - radius), 0)
    y, x = np.ogrid[top : int(cy + radius) + 1, left : int(cx + radius) + 1]
    part = hole[top : int(cy + radius) + 1, left : int(cx + radius) + 1]
    disc = np.hypot(y + 0.5 - cy, x + 0.5 - cx) <= radius
    part |= disc[: part.shape[0], : part.shape[1]]
  return hole


KINDS: dict[str, Kind] = {
  'things': things,
  'wires': wires,
  'borders': borders,
  'text': text,
  'specks': specks,
}


def draw(
  kind: str, seed: int, index: int, height: int, width: int
) -> np.ndarray:
  """Returns the hole of a photo, bool [height, width], True = hole."""
  function = errors.choose(KINDS, kind, 'kinds')
  rng = np.random.default_rng([seed, list(KINDS).index(kind), index])
  hole = function(rng, height, width)
  # Specks may lie beyond a small photo, and letters beside a narrow one.
  hole[height // 2, width // 2] |= not hole.any()
  return hole


def blob(
  rng: np.random.Generator, height: int, width: int, share: float
) -> np.ndarray:
  """Draws a smooth blob of a share of the photo's area, cut at its borders."""
  cy, cx = rng.uniform(0.15, 0.85, 2) * (height, width)
  stretch = np.exp(rng.uniform(-0.5, 0.5))
  waves = [
    (k, rng.uniform(0, 0.4) / k, rng.uniform(0, 2 * np.pi)) for k in range(2, 6)
  ]

  def radius(angle: np.ndarray) -> np.ndarray:
    sides = [a * np.cos(k * angle + phase) for k, a, phase in waves]
    return 1 + np.sum(sides, axis=0)

  # The area of a star-shaped region is pi times the mean of radius**2.
  turn = np.linspace(0, 2 * np.pi, 256, endpoint=False)
  area = np.pi * np.mean(radius(turn) ** 2)
  y, x = np.mgrid[:height, :width]
  dy, dx = (y - cy) * stretch, (x - cx) / stretch
  limit = np.sqrt(share * height * width / area)
  return np.hypot(dy, dx) <= limit * radius(np.arctan2(dy, dx))
