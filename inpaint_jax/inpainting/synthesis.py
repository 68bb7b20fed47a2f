"""Fills the hole of a window with copies of its known pixels.

Wexler et al., Space-Time Completion of Video, PAMI 29(3), 2007, with the
search of `patches`, from coarse to fine: at each resolution, in turns, each
patch that meets the hole looks for the known patch most like it, and each
pixel of the hole becomes a copy of the centre of its patch's match. The
coarsest resolution begins with a guess at the hole, and there, as in Wexler's
work, a pixel is the mean of what all its patches would copy: they come to
agree. Means at the finer ones would cost texture, and the next search would
then find smooth patches.

The window is 8 bits here; the copies are made of whatever the photo has.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import (
  guides,
  harmonic,
  kernels,
  patches,
  roughness,
)

# No resolution has a shorter side below this: too few patches would be known
# to copy from (with 32 the error grew by a fifth on 12 crops of 256 pixels).
_SHORTEST = 48
# Side of the square over which the first guess is blurred, in pixels, passes of
# the search in it, and rounds that follow at that resolution beside the usual.
_BLUR = 5
_FIRST_PASSES = 8
_MORE_ROUNDS = 8
# How far from the coarser match the finer resolutions look, in pixels.
_REACH = 32


class Level(NamedTuple):
  """A window at one resolution.

  Attributes:
    image: uint8 [h, w, 3], or [h, w, 5] with `roughness`.
    hole: bool [h, w].
    allowed: bool [h, w], known pixels that may be copied.
  """

  image: np.ndarray
  hole: np.ndarray
  allowed: np.ndarray


def find_origins(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  guide: guides.Guide,
  seed: int,
  progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray | None:
  """Returns which known pixel each pixel of the hole copies.

  Args:
    image: uint8 [h, w, 3].
    hole: bool [h, w].
    allowed: bool [h, w], known pixels that may be copied.
    guide: gives the first guess at the hole; what counts are its large shapes
      and colours.
    seed: of the search, 0 or more.
    progress: called with the share of the work that is done.

  Returns:
    int32 [h, w, 2], row and column, -1 outside the hole; or None where there
    is no patch to copy from.
  """
  levels = _create_pyramid(image, hole, allowed)
  guess = _guess(levels, guide)
  match: np.ndarray | None = None
  # A level has about four times as many pixels as the next coarser one.
  works = [_count_rounds(n) * (n + 1) / 4**n for n in range(len(levels))]
  for number in reversed(range(len(levels))):
    match = _refine(
      levels[number],
      guess,
      match,
      number,
      seed,
      functools.partial(_report, progress, works, number),
    )
  return None if match is None else patches.find_origins(hole, match)


def _report(
  progress: Callable[[float], None],
  works: list[float],
  number: int,
  share: float,
) -> None:
  """Tells of the share of a level that is done, after the coarser ones."""
  progress((sum(works[number + 1 :]) + share * works[number]) / sum(works))


def has_source(allowed: np.ndarray) -> bool:
  """Whether bool [H, W] holds a patch to copy from."""
  return bool(patches.find_centres(allowed).any())


def _guess(levels: list[Level], guide: guides.Guide) -> np.ndarray:
  """Returns the guess at the coarsest level, uint8 like its image."""
  for number, level in enumerate(levels):
    if max(level.hole.shape) <= guides.SIZE or number == len(levels) - 1:
      guess = guide(guides.to_floats(level.image[..., :3]), level.hole)
      guess = guides.to_bytes(guess)
      for _ in levels[number + 1 :]:
        guess = _halve_all(guess)
      last = levels[-1]
      if last is levels[0]:
        return guess
      rough = guides.smooth(guides.to_floats(last.image[..., 3:]), last.hole)
      return np.concatenate([guess, guides.to_bytes(rough)], -1)
  raise AssertionError('no level')


def _create_pyramid(
  image: np.ndarray, hole: np.ndarray, allowed: np.ndarray
) -> list[Level]:
  """Returns the resolutions of a window, the finest first.

  All but the finest, where all texture can be seen, have a roughness: with it
  there, LPIPS and the error were 1 to 2% larger in text and on wires.
  """
  levels = [Level(image, hole, allowed)]
  while min(levels[-1].hole.shape) >= 2 * _SHORTEST:
    level = _halve(levels[-1])
    if not level.hole.any() or not has_source(level.allowed):
      break
    if len(levels) == 1:
      rough = roughness.measure(image, hole)
      level = level._replace(image=np.concatenate([level.image, rough], -1))
    levels.append(level)
  return levels


def _halve(level: Level) -> Level:
  """Returns the next coarser level.

  A value is the mean of those of the known pixels around. A pixel is hole if
  all of its four are, so that thin holes vanish, and it may be copied if all
  may.
  """
  image, hole, allowed = level
  height, width = hole.shape
  channels = image.shape[-1]
  coarse = np.empty(((height + 1) // 2, (width + 1) // 2, channels), np.uint8)

  def work(top: int, bottom: int) -> None:
    # The 4x4 pixels around each coarse one.
    first, last = max(2 * top - 1, 0), min(2 * bottom + 1, height)
    margins = (
      (first - 2 * top + 1, 2 * bottom + 1 - last),
      (1, 1 + width % 2),
    )
    known = np.pad(~hole[first:last], margins).astype(np.uint16)
    total = np.maximum(_sum_around(known), 1).astype(np.float32)
    for c in range(channels):
      part = np.pad(image[first:last, :, c], margins) * known
      coarse[top:bottom, :, c] = _sum_around(part) / total + np.float32(0.5)

  kernels.for_bands(len(coarse), work, kernels.ROWS)
  return Level(coarse, _are_all(hole), _are_all(allowed))


def _sum_around(part: np.ndarray) -> np.ndarray:
  """Sums uint16 [2h + 2, 2w + 2] to [h, w]; weights are 1, 3, 3, 1 by axis."""
  part = 3 * (part[1:-2:2] + part[2:-1:2]) + part[:-3:2] + part[3::2]
  return (
    3 * (part[:, 1:-2:2] + part[:, 2:-1:2]) + part[:, :-3:2] + part[:, 3::2]
  )


def _are_all(mask: np.ndarray) -> np.ndarray:
  """Returns for squares of 2x2 pixels whether a mask is True in all of them."""
  margins = [(0, length % 2) for length in mask.shape]
  mask = np.pad(mask, margins, constant_values=True)
  rows = mask[::2] & mask[1::2]
  return rows[:, ::2] & rows[:, 1::2]


def _halve_all(image: np.ndarray) -> np.ndarray:
  """Halves an image without a hole, uint8 [h, w, C]."""
  known = np.zeros(image.shape[:2], bool)
  return _halve(Level(image, known, known)).image


def _count_rounds(number: int) -> int:
  """Returns how often patches are searched at a level; 0 is the finest."""
  return 1 + 2 * number


def _refine(
  level: Level,
  guess: np.ndarray,
  coarse: np.ndarray | None,
  number: int,
  seed: int,
  progress: Callable[[float], None],
) -> np.ndarray | None:
  """Returns the match of a level, given that of the next coarser one.

  Args:
    level: the window.
    guess: uint8 like the level's image, where there is no coarser match.
    coarse: the match of the level before, or None.
    number: of the level, 0 is the finest.
    seed: of the search.
    progress: called with the share of the level that is done.
  """
  image, hole, allowed = level
  target = patches.find_targets(hole)
  source = patches.find_centres(allowed & ~hole)
  if not source.any():
    return None
  match = patches.start(target, source, seed, coarse)
  features = patches.create_features(image.shape)
  everywhere = slice(0, hole.shape[0]), slice(0, hole.shape[1])
  rounds, passes, reach = _count_rounds(number), min(7, number + 1), _REACH
  weight, radius = target.astype(np.float32), 0
  key = seed * 1009 + number * 101
  if coarse is None:
    depth = ndimage.distance_transform_cdt(hole, 'chessboard')
    weight = patches.find_weights(depth, target)
    # The guess is smooth, and would find the smoothest patches there are. So
    # the first search compares blurred images.
    guess = np.where(hole[..., None], guess, image)
    guess = ndimage.uniform_filter(guess, (_BLUR, _BLUR, 1))
    patches.compute_features(guess, features, everywhere)
    reach, first = max(hole.shape), _FIRST_PASSES
    patches.search(
      features, hole, target, source, match, key + 97, first, reach
    )
    radius, passes = patches.RADIUS, min(7, number + 2)
    # Where each patch has known pixels, it needs no other to agree with.
    if depth.max() > patches.RADIUS:
      rounds += _MORE_ROUNDS
  current = image.copy()
  patches.vote(current, hole, weight, match, 0)
  patches.compute_features(current, features, everywhere)
  box = harmonic.find_box(hole)
  for turn in range(rounds):
    if turn:
      patches.vote(current, hole, weight, match, radius)
      patches.compute_features(current, features, box)
    patches.search(
      features, hole, target, source, match, key + turn * 17, passes, reach
    )
    progress((turn + 1) / rounds)
  return match
