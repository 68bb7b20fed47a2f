"""Fills an array of pixels window by window, and puts the windows together."""

from collections.abc import Callable
import functools
import threading
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from inpaint_jax.inpainting import (
  copying,
  drafts,
  guides,
  kernels,
  patches,
  pyramid,
  refining,
  synthesis,
  windows,
)

# The search's share of the time that a window takes, and the windows' share of
# the time that a refined image takes.
_SEARCH, _WINDOWS = 0.6, 0.3

Progress = Callable[[float], None]


class Options(NamedTuple):
  """What all images of an inpainter's call share, such as its arguments."""

  # Makes the guess that copying starts from.
  guide: guides.Guide
  # Fills a hole without copies.
  surface: guides.Guide
  seed: int
  feather: int
  texture: bool
  refine: bool
  wrap: bool
  progress: Progress
  # Whether the origins are wanted, which take more memory than the image.
  explain: bool = False

  def part(self, number: int, count: int) -> 'Options':
    """Returns options whose progress is that of one part of `count`."""
    return self._replace(
      progress=lambda share: self.progress((number + share) / count)
    )


class _Shared(NamedTuple):
  """What the windows of an image share.

  Attributes:
    image: uint8 or uint16 [H, W, 3], with the windows that are filled so far.
    origins: int32 [H, W, 2], or None if they are not wanted.
    hole: bool [H, W], with its feather.
    barred: bool [H, W].
    draft: where the parts of deep holes are copied from, if there are any.
  """

  image: np.ndarray
  origins: np.ndarray | None
  hole: np.ndarray
  barred: np.ndarray
  draft: drafts.Draft | None


def fill_by_windows(
  image: np.ndarray, hole: np.ndarray, barred: np.ndarray, options: Options
) -> tuple[np.ndarray, np.ndarray | None]:
  """Fills an image, window by window.

  Args:
    image: uint8 or uint16 [H, W, 3].
    hole: bool [H, W].
    barred: bool [H, W], pixels that may not be copied, the hole among them. It
      may be the same array as `hole`: a further array of a large image takes
      time.

  Returns:
    The filled image, and the origins if they are wanted: int32 [H, W, 2], see
    inpainter.Filling.
  """
  wide, feather = _grow(hole, barred, options.feather)
  if feather:
    barred = barred | wide
  origins = None
  if options.explain:
    origins = np.full((*hole.shape, 2), -1, np.int32)
  turns = windows.find_windows(wide, barred)
  draft = None
  if options.texture and any(x.is_cut for turn in turns for x in turn):
    scale = windows.find_scale(wide)
    draft = _create_draft(image, wide, barred, scale, options.part(0, 2))
    options = options.part(1, 2)
  shared = _Shared(image.copy(), origins, wide, barred, draft)
  count = sum(len(turn) for turn in turns)
  earlier: list[windows.Window] = []
  done: list[windows.Window] = []
  parts: list[refining.Part] = []
  share_of_windows = _WINDOWS if options.refine and options.texture else 1.0
  caller = threading.get_ident()

  def report(share: float) -> None:
    # The caller's function may not expect other threads, and may raise an error
    # to end the work.
    if threading.get_ident() == caller:
      options.progress(share_of_windows * (len(done) + share) / count)

  def fill(window: windows.Window) -> None:
    part = _fill_part(shared, window, earlier, options, report)
    if part is not None:
      parts.append(part)
    done.append(window)

  for turn in turns:
    kernels.for_each(turn, fill)
    earlier += turn
  if parts:
    rest = 1 - share_of_windows
    refining.refine(
      shared.image,
      wide,
      parts,
      lambda share: options.progress(share_of_windows + rest * share),
    )
  options.progress(1.0)
  return _blend(shared.image, image, hole, wide, feather), origins


def _fill_part(
  shared: _Shared,
  window: windows.Window,
  earlier: list[windows.Window],
  options: Options,
  progress: Progress,
) -> refining.Part | None:
  """Fills what a window has to fill, in the shared image.

  Args:
    shared, options: of the image.
    window: the window.
    earlier: windows of the turns before, whose holes are filled.
    progress: called with the share of the work that is done.

  Returns:
    What refining needs; None if it is off, or nothing was copied.
  """
  draft = shared.draft if window.is_cut else None
  if draft is not None:
    window = windows.align(window, draft.scale)
  place = window.rows, window.columns
  hole = shared.hole[place].copy()
  for other in earlier:
    hole[window.locate(other.inner)] = False
  if not hole.any():
    return None
  image = shared.image[place].copy()
  # Nothing may see the pixels that are to be filled.
  image[hole] = 0
  origins: np.ndarray | None
  if draft is not None:
    # Of all holes: there is no seam where a hole is cut.
    origins = draft.locate(place, shared.hole[place])
    image = copying.copy(
      image,
      hole,
      ~shared.barred,
      origins,
      draft.crop(place),
      draft.scale,
      shared.image,
    )
    progress(1.0)
  else:
    image, origins = _fill_window(
      image, hole, ~shared.barred[place], options, progress
    )
    if origins is not None:
      # From here on they are rows and columns of the shared image.
      origins[hole] += window.rows.start, window.columns.start
  part = None
  local = window.locate(window.inner)
  if origins is not None:
    if options.refine and options.texture:
      part = refining.create_part(
        window.inner, local, image, hole, origins, shared.image
      )
    if shared.origins is not None:
      copied = hole[local]
      shared.origins[window.inner][copied] = origins[local][copied]
  shared.image[window.inner] = image[local]
  return part


def _create_draft(
  image: np.ndarray,
  hole: np.ndarray,
  barred: np.ndarray,
  scale: int,
  options: Options,
) -> drafts.Draft | None:
  """Returns a filled draft of an image; see `drafts`."""
  options = options._replace(feather=0, refine=False, explain=True)
  return drafts.create(
    image,
    hole,
    barred,
    scale,
    functools.partial(fill_by_windows, options=options),
  )


def _fill_window(
  image: np.ndarray,
  hole: np.ndarray,
  allowed: np.ndarray,
  options: Options,
  progress: Progress,
) -> tuple[np.ndarray, np.ndarray | None]:
  """Returns a window with all its holes filled, and the origins in it."""
  if options.texture:
    eight = image
    if image.dtype == np.uint16:
      eight = (image >> 8).astype(np.uint8)
    seed = options.seed & (2**32 - 1)
    levels = pyramid.create(eight, hole, allowed)
    guess, number = synthesis.make_guess(levels, options.guide)
    origins = synthesis.find_origins(
      levels, guess, number, seed, lambda share: progress(_SEARCH * share)
    )
    if origins is not None:
      image = copying.copy(image, hole, allowed, origins, guess, 2**number)
      progress(1.0)
      return image, origins
  # Nothing can be copied.
  largest = np.float32(np.iinfo(image.dtype).max)
  guess = np.rint(options.surface(image / largest, hole) * largest)
  return np.where(hole[..., None], guess.astype(image.dtype), image), None


def _grow(
  hole: np.ndarray, barred: np.ndarray, feather: int
) -> tuple[np.ndarray, int]:
  """Returns the hole with its feather, and the feather that there is room for.

  At least half of the known pixels are left unchanged, and something to copy.
  """
  if not feather:
    return hole, 0
  feather = int(min(feather, max(hole.shape)))
  wide = ndimage.maximum_filter(hole, 2 * feather + 1)
  if 2 * np.count_nonzero(~wide) < np.count_nonzero(~hole):
    distance = ndimage.distance_transform_cdt(~hole, 'chessboard')
    feather = max(int(np.median(distance[~hole])) - 1, 1)
    wide = distance <= feather
  has_source = patches.has_centre(~barred)
  if wide.all() or (has_source and not patches.has_centre(~(barred | wide))):
    return hole, 0
  return wide, feather


def _blend(
  filled: np.ndarray,
  image: np.ndarray,
  hole: np.ndarray,
  wide: np.ndarray,
  feather: int,
) -> np.ndarray:
  """Blends what was filled around the hole with what was known there."""
  if not feather:
    return filled
  ring = wide & ~hole
  distance = ndimage.distance_transform_cdt(~hole, 'chessboard')[ring, None]
  weight = 1 - distance / np.float32(feather + 1)
  known, new = image[ring], filled[ring]
  filled[ring] = np.rint(known + weight * (new - known.astype(np.float32)))
  return filled
