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
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import guides, kernels, patches

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
    image: uint8 [h, w, 3].
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
  # A level takes about four times as long as the next coarser one.
  for number in reversed(range(len(levels))):
    match = _refine(levels[number], guess, match, number, seed)
    progress(0.25**number)
  return None if match is None else patches.find_origins(hole, match)


def has_source(allowed: np.ndarray) -> bool:
  """Whether bool [H, W] holds a patch to copy from."""
  return bool(patches.find_centres(allowed).any())


def _guess(levels: list[Level], guide: guides.Guide) -> np.ndarray:
  """Returns the guess at the coarsest level, uint8 [h, w, 3]."""
  for number, level in enumerate(levels):
    if max(level.hole.shape) <= guides.SIZE or number == len(levels) - 1:
      guess = guide(guides.to_floats(level.image), level.hole)
      guess = guides.to_bytes(guess)
      for _ in levels[number + 1 :]:
        guess = _halve_all(guess)
      return guess
  raise AssertionError('no level')


def _create_pyramid(
  image: np.ndarray, hole: np.ndarray, allowed: np.ndarray
) -> list[Level]:
  """Returns the resolutions of a window, the finest first."""
  levels = [Level(image, hole, allowed)]
  while min(levels[-1].hole.shape) >= 2 * _SHORTEST:
    level = _halve(levels[-1])
    if not level.hole.any() or not has_source(level.allowed):
      break
    levels.append(level)
  return levels


def _halve(level: Level) -> Level:
  """Returns the next coarser level.

  A colour is the mean of the known pixels around. A pixel is hole if all of its
  four are, so that thin holes vanish, and it may be copied if all may.
  """
  image, hole, allowed = level
  height, width = hole.shape
  shape = ((height + 1) // 2, (width + 1) // 2)
  coarse = Level(
    np.zeros((*shape, 3), np.uint8),
    np.zeros(shape, bool),
    np.zeros(shape, bool),
  )
  patches.for_bands(
    shape[0],
    lambda top, bottom: _halve_rows(image, hole, allowed, *coarse, top, bottom),
  )
  return coarse


def _halve_all(image: np.ndarray) -> np.ndarray:
  """Halves an image without a hole, uint8 [h, w, 3]."""
  known = np.zeros(image.shape[:2], bool)
  return _halve(Level(image, known, known)).image


def _refine(
  level: Level,
  guess: np.ndarray,
  coarse: np.ndarray | None,
  number: int,
  seed: int,
) -> np.ndarray | None:
  """Returns the match of a level, given that of the next coarser one.

  Args:
    level: the window.
    guess: uint8 [h, w, 3], where there is no coarser match.
    coarse: the match of the level before, or None.
    number: of the level, 0 is the finest.
    seed: of the search.
  """
  image, hole, allowed = level
  target = patches.find_targets(hole)
  source = patches.find_centres(allowed & ~hole)
  if not source.any():
    return None
  match = patches.start(target, source, seed, coarse)
  features = np.empty((*hole.shape, patches.CHANNELS), np.uint8)
  everywhere = np.ones_like(hole)
  depth, rounds, reach = None, 1 + 2 * number, _REACH
  if coarse is None:
    depth = ndimage.distance_transform_cdt(hole, 'chessboard')
    # The guess is smooth, and would find the smoothest patches there are. So
    # the first search compares blurred images.
    guess = np.where(hole[..., None], guess, image)
    guess = ndimage.uniform_filter(guess, (_BLUR, _BLUR, 1))
    patches.compute_features(guess, features, everywhere)
    key = seed * 1009 + number * 101 + 97
    reach = max(hole.shape)
    patches.search(
      features, hole, target, source, match, key, _FIRST_PASSES, reach
    )
    # Where each patch has known pixels, it needs no other to agree with.
    if depth.max() > patches.RADIUS:
      rounds += _MORE_ROUNDS
  current = _copy(image, hole, match)
  patches.compute_features(current, features, everywhere)
  grown = ndimage.maximum_filter(hole, 3)
  for turn in range(rounds):
    key = seed * 1009 + number * 101 + turn * 17
    passes = min(7, number + (1 if depth is None else 2))
    patches.search(features, hole, target, source, match, key, passes, reach)
    if turn + 1 < rounds:
      if depth is not None:
        current = patches.vote(image, hole, depth, target, match)
      else:
        current = _copy(image, hole, match)
      patches.compute_features(current, features, grown)
  return match


def _copy(image: np.ndarray, hole: np.ndarray, match: np.ndarray) -> np.ndarray:
  """Returns an image with copies in its hole, just as they are."""
  origins = patches.find_origins(hole, match)[hole]
  result = image.copy()
  result[hole] = image[origins[:, 0], origins[:, 1]]
  return result


@kernels.kernel
def _halve_rows(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  coarse_image: np.ndarray,
  coarse_hole: np.ndarray,
  coarse_allowed: np.ndarray,
  top: int,
  bottom: int,
) -> None:
  height, width = hole.shape
  for i in range(top, bottom):
    for j in range(coarse_hole.shape[1]):
      total = 0
      red, green, blue = 0, 0, 0
      is_hole, may_copy = True, True
      for k in range(4):
        y = 2 * i - 1 + k
        if y < 0 or y >= height:
          continue
        for m in range(4):
          x = 2 * j - 1 + m
          if x < 0 or x >= width:
            continue
          inner = 1 <= k <= 2 and 1 <= m <= 2
          if inner:
            may_copy = may_copy and allowed[y, x]
          if hole[y, x]:
            continue
          if inner:
            is_hole = False
          # The weights 1, 3, 3, 1 along each axis.
          weight = (3 if 1 <= k <= 2 else 1) * (3 if 1 <= m <= 2 else 1)
          total += weight
          red += weight * image[y, x, 0]
          green += weight * image[y, x, 1]
          blue += weight * image[y, x, 2]
      coarse_hole[i, j] = is_hole
      coarse_allowed[i, j] = may_copy
      if total:
        coarse_image[i, j, 0] = (red + total // 2) // total
        coarse_image[i, j, 1] = (green + total // 2) // total
        coarse_image[i, j, 2] = (blue + total // 2) // total
