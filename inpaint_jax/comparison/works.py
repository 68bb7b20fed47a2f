"""Times methods on works of many sizes, in one warm process.

A work is an image size and a hole. Images are photos, cut and enlarged to that
size, with noise added as of a camera, since resampling leaves none. To add a
work, add a line to WORKS.

Attributes:
  WORKS: name to work, the smallest images first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import functools
import pathlib
import time
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from inpaint_jax import baselines
from inpaint_jax.comparison import holes
from inpaint_jax.photos import reading
from inpaint_jax.system import errors, machine, markdown

# Standard deviation of the noise, in levels of 255.
_NOISE = 2
# A work is left out if a method, at its best rate so far, would need more
# seconds than this.
_LONGEST = 120


class Work(NamedTuple):
  """Something to fill.

  Attributes:
    draw: (rng, height, width) -> bool [height, width], True = hole.
    runs: how often it is done at most, each time with another photo and hole.
  """

  height: int
  width: int
  draw: holes.Kind
  runs: int


class Measured(NamedTuple):
  """The time and memory that a method took for a work.

  Attributes:
    seconds: one number per run.
    peak_bytes: the peak memory of the process, images included; None if the
      system does not report it.
  """

  seconds: list[float]
  peak_bytes: int | None


def square(
  rng: np.random.Generator, height: int, width: int, side: int
) -> np.ndarray:
  """Draws a square anywhere."""
  top, left = rng.integers(0, height - side), rng.integers(0, width - side)
  hole = np.zeros((height, width), bool)
  hole[top : top + side, left : left + side] = True
  return hole


def discs(
  rng: np.random.Generator, height: int, width: int, count: int = 40
) -> np.ndarray:
  """Draws discs of 60 to 200 px anywhere."""
  hole = np.zeros((height, width), bool)
  for size in rng.integers(60, 201, count):
    place = np.arange(size) - (size - 1) / 2
    disc = np.hypot(place[:, None], place) <= size / 2
    top, left = rng.integers(0, height - size), rng.integers(0, width - size)
    hole[top : top + size, left : left + size] |= disc
  return hole


def dots(
  rng: np.random.Generator, height: int, width: int, count: int = 2000
) -> np.ndarray:
  """Draws specks of 3x3 anywhere."""
  hole = np.zeros((height, width), bool)
  tops, lefts = (rng.integers(0, n - 2, count) for n in (height, width))
  for top, left in zip(tops, lefts, strict=True):
    hole[top : top + 3, left : left + 3] = True
  return hole


def rows(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Removes every other row."""
  hole = np.zeros((height, width), bool)
  hole[rng.integers(0, 2) :: 2] = True
  return hole


def scratch(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Draws a line of 3 px from end to end."""
  hole = np.zeros((height, width), bool)
  top = rng.integers(1, height - 3)
  hole[top : top + 3] = True
  return hole


WORKS: dict[str, Work] = {
  'every other row, 640x480': Work(480, 640, rows, 5),
  'scratch of 3 px, 16000x40': Work(40, 16000, scratch, 5),
  'things, 1150x768': Work(768, 1150, holes.things, 20),
  'wires, 1150x768': Work(768, 1150, holes.wires, 20),
  'borders, 1150x768': Work(768, 1150, holes.borders, 20),
  '2,000 specks of 3x3, 1600x1200': Work(1200, 1600, dots, 5),
  'a thing of 900x900, 12 megapixels': Work(
    3000, 4000, functools.partial(square, side=900), 5
  ),
  '40 small things, 24 megapixels': Work(4000, 6000, discs, 5),
  'a thing of 300x300, 96 megapixels': Work(
    8000, 12000, functools.partial(square, side=300), 3
  ),
}


def measure(
  methods: Mapping[str, baselines.Baseline],
  photos: Sequence[pathlib.Path],
  works: Iterable[str] = tuple(WORKS),
  *,
  seed: int = 0,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[str, Measured]]:
  """Does all works with all methods.

  The first run of a work is done twice; the first time is not counted.
  """
  # Seconds per pixel.
  rates: dict[str, float] = {}
  found: dict[str, dict[str, Measured]] = {}
  for name in works:
    work = errors.choose(WORKS, name, 'works')
    found[name] = {}
    for method, fill in methods.items():
      expected = rates.get(method, 0) * work.height * work.width
      if expected > _LONGEST:
        print(f'left out: {method}, {name}: at least {expected:.0f} s')
        continue
      seconds = []
      _reset_peak()
      for run, photo in enumerate(photos[: work.runs]):
        image, hole = create(work, photo, seed + run)
        if not run:
          fill(image, hole)
        start = clock()
        fill(image, hole)
        seconds.append(clock() - start)
      found[name][method] = Measured(seconds, machine.peak_bytes())
      print(f'{name}, {method}: {_cell(found[name][method])}', flush=True)
      rate = float(np.median(seconds)) / (work.height * work.width)
      rates[method] = min(rate, rates.get(method, rate))
  return found


def create(
  work: Work, photo: pathlib.Path, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the image of a work, uint8 [H, W, 3], and its hole."""
  rng = np.random.default_rng(seed)
  with reading.unreadable_as_user_error(photo.name):
    read = reading.read(str(photo))
  size = work.width, work.height
  image = np.array(ImageOps.fit(read, size, Image.Resampling.BICUBIC))
  # In strips: noise of 100 megapixels in float64 takes gigabytes.
  for strip in np.array_split(image, max(1, image.size // 10**7)):
    noise = rng.normal(0, _NOISE, strip.shape).astype(np.float32)
    strip[:] = np.clip(np.rint(strip + noise), 0, 255)
  return image, work.draw(rng, work.height, work.width)


def table(found: Mapping[str, Mapping[str, Measured]]) -> str:
  """Returns medians and maxima in seconds as a Markdown table."""
  methods = list(dict.fromkeys(m for row in found.values() for m in row))
  lines = [
    [work, *(_cell(row[m]) if m in row else '' for m in methods)]
    for work, row in found.items()
  ]
  head = ['seconds, median (maximum); peak memory', *methods]
  return markdown.table(head, lines)


def _cell(measured: Measured) -> str:
  peak = measured.peak_bytes
  memory = f'; {peak / 1e9:.1f} GB' if peak else ''
  median = np.median(measured.seconds)
  return f'{median:.2f} ({max(measured.seconds):.2f}){memory}'


def _reset_peak() -> None:
  """Resets the peak memory of this process, on Linux."""
  with contextlib.suppress(OSError):
    pathlib.Path('/proc/self/clear_refs').write_text('5')
