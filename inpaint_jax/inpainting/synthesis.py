"""Fills the hole of a window with copies of its known pixels.

This is the method of Wexler et al., Space-Time Completion of Video, PAMI 29(3),
2007, with the search of `patches`, from the coarsest level of a pyramid to the
finest. Each level alternates two steps: each patch that overlaps the hole looks
for the most similar known patch, and each pixel of the hole becomes a copy of
the centre of its patch's match. The coarsest level begins with a guess at the
hole. There, as in Wexler's work, a pixel is the mean of what all patches around
it would copy, so that they come to agree. Means at finer levels would cost
texture, and the next search would then find smooth patches.

The search sees 8 bits; the copies are made with all bits of the photo.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import (
  features,
  guides,
  patches,
  pyramid,
  windows,
)

# The longer side, at most, of the level at which the guess is made, in pixels.
_GUESSED = 512
# At the coarsest level: side in pixels of the square over which the guess is
# blurred, passes of the search in the blurred image, and extra rounds after it
# in wide holes.
_BLUR = 5
_FIRST_PASSES = 8
_MORE_ROUNDS = 8
# How far from the coarser match the finer levels search, in pixels. With 32 the
# error was larger by 2% on wires, 1% in text and 0.4% for things removed.
_REACH = 128


def make_guess(
  levels: list[pyramid.Level], guide: guides.Guide
) -> tuple[np.ndarray, int]:
  """Returns the first guess at a hole, and the number of its level.

  Args:
    levels: the window's image pyramid, finest level first.
    guide: makes the guess; only its large shapes and colours matter.

  Returns:
    uint8 [h, w, 3], and the number of the finest level that is small enough for
    a guess; h and w are its size.
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
    levels: the image pyramid of a window [h, w], finest level first; see
      `pyramid.create`.
    guess: the first guess at the hole, see `make_guess`.
    guessed: number of the guess's level.
    seed: seed of the search, 0 or more.
    progress: called with the share of the work that is done.

  Returns:
    int32 [h, w, 2], row and column, -1 outside the hole; or None if there is no
    patch to copy from.
  """
  levels, guess = _complete(levels, guess, guessed)
  match: np.ndarray | None = None
  depth = ndimage.distance_transform_cdt(levels[-1].hole, 'chessboard')
  is_wide = bool(depth.max() > patches.RADIUS)
  rounds = _count_rounds(len(levels), is_wide)
  # A level has about four times as many pixels as the next coarser one.
  works = [rounds[n] * (n + 1) / 4**n for n in range(len(levels))]
  for number in reversed(range(len(levels))):

    def report(share: float, number: int = number) -> None:
      done = sum(works[number + 1 :]) + share * works[number]
      progress(done / sum(works))

    match = _refine(
      levels[number], guess, match, number, rounds[number], seed, report
    )
  if match is None:
    return None
  return patches.find_origins(levels[0].hole, match)


def _complete(
  levels: list[pyramid.Level], guess: np.ndarray, guessed: int
) -> tuple[list[pyramid.Level], np.ndarray]:
  """Adds the guess to the known pixels of coarse levels that are partly hidden.

  Beside the hole a known pixel of a coarse level stands for hidden pixels of
  the photo, too. Without a guess at these, it looks like the visible ones
  alone: a horizon a few pixels below the hole's upper edge would be continued
  below the first row of the hole.

  Args:
    levels, guess, guessed: see `find_origins`.

  Returns:
    The levels, and the guess at the coarsest one, with that level's channels.
  """
  levels = levels.copy()
  whole = guess
  for number in range(guessed, len(levels)):
    image, hole, _ = levels[number]
    if number > guessed:
      whole = pyramid.halve(whole)
    if image.shape[-1] > whole.shape[-1]:
      rough = guides.to_floats(image[..., 3:])
      rough = guides.to_bytes(guides.smooth_along_lines(rough, hole))
      whole = np.concatenate([whole, rough], -1)
    if number > guessed:
      beside = ndimage.maximum_filter(hole, 3)[..., None]
      image = np.where(beside, whole, image)
      levels[number] = levels[number]._replace(image=image)
  return levels, whole


def _count_rounds(count: int, is_wide: bool) -> list[int]:
  """Returns how often patches are searched at each level, finest level first.

  Args:
    count: number of levels.
    is_wide: whether the hole has patches without known pixels at the coarsest
      level, which have to come to agree there. Other holes are strokes and
      letters, of few pixels, which gain by more rounds.
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
    guess: uint8, like the level's image; used if there is no coarser match.
    coarse: the match of the next coarser level, or None.
    number: number of the level, 0 = the finest.
    rounds: how often patches are searched.
    progress: called with the share of the level that is done.
  """
  image, hole, allowed = level
  target = patches.find_targets(hole)
  source = patches.find_centres(allowed)
  if not source.any():
    return None
  match = patches.start(target, source, seed, coarse)
  values = features.create(image.shape)
  everywhere = slice(0, hole.shape[0]), slice(0, hole.shape[1])
  passes, reach = min(7, number + 1), _REACH
  weight, radius = target.astype(np.float32), 0
  key = seed * 1009 + number * 101
  if coarse is None:
    depth = ndimage.distance_transform_cdt(hole, 'chessboard')
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
  box = windows.find_box(hole)
  for turn in range(rounds):
    if turn:
      patches.vote(current, hole, weight, match, radius)
      features.compute(current, values, box)
    patches.search(
      values, hole, target, source, match, key + turn * 17, passes, reach
    )
    progress((turn + 1) / rounds)
  return match
