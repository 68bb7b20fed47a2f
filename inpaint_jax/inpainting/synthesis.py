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

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import (
  features,
  guides,
  harmonic,
  patches,
  pyramid,
)

# The longer side of a level at which there is a guess, at most.
_GUESSED = 512
# Side of the square over which the first guess is blurred, in pixels, passes of
# the search in it, and rounds that follow in wide holes beside the usual.
_BLUR = 5
_FIRST_PASSES = 8
_MORE_ROUNDS = 8
# How far from the coarser match the finer resolutions look, in pixels. With 32
# the error was larger by 2% on wires, 1% in text and 0.4% of things.
_REACH = 128


def make_guess(
  levels: list[pyramid.Level], guide: guides.Guide
) -> tuple[np.ndarray, int]:
  """Returns the first guess at a hole, and the number of its level.

  Args:
    levels: of the window, the finest first.
    guide: guesses; what counts are large shapes and colours.

  Returns:
    uint8 [h, w, 3], and the finest level that is small enough for a guess, of
    which h and w are the size.
  """
  number = 0
  while number + 1 < len(levels) and max(levels[number].hole.shape) > _GUESSED:
    number += 1
  image, hole = levels[number].image[..., :3], levels[number].hole
  return guides.to_bytes(guide(guides.to_floats(image), hole)), number


def find_origins(
  levels: list[pyramid.Level],
  guess: np.ndarray,
  guessed: int,
  seed: int,
  progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray | None:
  """Returns which known pixel each pixel of the hole copies.

  Args:
    levels: of the window [h, w], the finest first; see `pyramid.create`.
    guess: the first guess at the hole, and
    guessed: the number of its level; see `make_guess`.
    seed: of the search, 0 or more.
    progress: called with the share of the work that is done.

  Returns:
    int32 [h, w, 2], row and column, -1 outside the hole; or None where there
    is no patch to copy from.
  """
  guess = _reduce(guess, levels[guessed:])
  match: np.ndarray | None = None
  is_wide = bool(_find_depth(levels[-1].hole).max() > patches.RADIUS)
  rounds = _count_rounds(len(levels), is_wide)
  # A level has about four times as many pixels as the next coarser one.
  works = [rounds[n] * (n + 1) / 4**n for n in range(len(levels))]
  for number in reversed(range(len(levels))):
    match = _refine(
      levels[number],
      guess,
      match,
      number,
      rounds[number],
      seed,
      functools.partial(_report, progress, works, number),
    )
  if match is None:
    return None
  return patches.find_origins(levels[0].hole, match)


def _report(
  progress: Callable[[float], None],
  works: list[float],
  number: int,
  share: float,
) -> None:
  """Tells of the share of a level that is done, after the coarser ones."""
  progress((sum(works[number + 1 :]) + share * works[number]) / sum(works))


def _reduce(guess: np.ndarray, levels: list[pyramid.Level]) -> np.ndarray:
  """Returns the guess at the coarsest of some levels, like its image."""
  for _ in levels[1:]:
    guess = pyramid.halve(guess)
  coarsest = levels[-1]
  rough = guides.to_floats(coarsest.image[..., 3:])
  if rough.size:
    rough = guides.smooth_along_rows(rough, coarsest.hole)
  return np.concatenate([guess, guides.to_bytes(rough)], -1)


def _find_depth(hole: np.ndarray) -> np.ndarray:
  """Returns the distance of each pixel of a hole to the boundary, [h, w]."""
  return ndimage.distance_transform_cdt(hole, 'chessboard')


def _count_rounds(count: int, is_wide: bool) -> list[int]:
  """Returns how often patches are searched at each level, the finest first.

  Args:
    count: of the levels.
    is_wide: whether the hole has patches without known pixels at the coarsest
      level, where they have to come to agree. If not, it is strokes and
      letters, which are few pixels: with half as many rounds LPIPS of text was
      2% larger, that of wide holes the same.
  """
  if not is_wide:
    return [1 + 2 * number for number in range(count)]
  return [*range(1, count), count + _MORE_ROUNDS]


def _refine(
  level: pyramid.Level,
  guess: np.ndarray,
  coarse: np.ndarray | None,
  number: int,
  rounds: int,
  seed: int,
  progress: Callable[[float], None],
) -> np.ndarray | None:
  """Returns the match of a level, given that of the next coarser one.

  Args:
    level: the window.
    guess: uint8 like the level's image, where there is no coarser match.
    coarse: the match of the level before, or None.
    number: of the level, 0 is the finest.
    rounds: how often patches are searched.
    seed: of the search.
    progress: called with the share of the level that is done.
  """
  image, hole, allowed = level
  target = patches.find_targets(hole)
  source = patches.find_centres(allowed & ~hole)
  if not source.any():
    return None
  match = patches.start(target, source, seed, coarse)
  values = features.create(image.shape)
  everywhere = slice(0, hole.shape[0]), slice(0, hole.shape[1])
  passes, reach = min(7, number + 1), _REACH
  weight, radius = target.astype(np.float32), 0
  key = seed * 1009 + number * 101
  if coarse is None:
    depth = _find_depth(hole)
    weight = patches.find_weights(depth, target)
    # The guess is smooth, and would find the smoothest patches there are. So
    # the first search compares blurred images.
    guess = np.where(hole[..., None], guess, image)
    guess = ndimage.uniform_filter(guess, (_BLUR, _BLUR, 1))
    features.compute(guess, values, everywhere)
    reach, first = max(hole.shape), _FIRST_PASSES
    patches.search(values, hole, target, source, match, key + 97, first, reach)
    radius, passes = patches.RADIUS, min(7, number + 2)
  current = image.copy()
  patches.vote(current, hole, weight, match, 0)
  features.compute(current, values, everywhere)
  box = harmonic.find_box(hole)
  for turn in range(rounds):
    if turn:
      patches.vote(current, hole, weight, match, radius)
      features.compute(current, values, box)
    patches.search(
      values, hole, target, source, match, key + turn * 17, passes, reach
    )
    progress((turn + 1) / rounds)
  return match
