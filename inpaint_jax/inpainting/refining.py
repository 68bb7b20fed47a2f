"""Refines a filled hole: a small net corrects tones and mends what broke.

Copies bring the tones of other places, and their edges seldom meet. The net
sees the filled hole, where the hole is, and where neighbours were copied from
different places, and returns what to add. It was trained to bring fillings
nearer to the truth, while a discriminator compared them with photos; see
scripts/train_refiner.py.

In wide holes, shapes of a pixel or two stay those of the copies: there the net
would blur. `refiner` computes it.
"""

from collections.abc import Callable, Sequence
import threading
from typing import NamedTuple

import numpy as np
import PIL.Image
from scipy import ndimage

from inpaint_jax.inpainting import kernels, refiner, windows

# How many pixels the net may see for each pixel of the hole: specks need more,
# and hardly change. And how many it may see and refine at all, or it sees the
# photo at half the size: a second's work on two cores for wide holes, which
# lose least by it, and two for thin ones.
_MOST_PER_PIXEL, _MOST_SEEN, _MOST_REFINED = 64, 800_000, 270_000
# Pixels around a box that the net sees. Where a hole is cut into boxes, pixels
# of borders change by 0.2 levels of 256 on average, one in a thousand by 4 or
# more; by none with 56. The error is the same with 16, 20, 24 and 32, and so
# were scores of wires, of which the net sees a third less with 16 than with 24.
_MARGIN = 16
# Pixels around a box for which the last layers are computed, as many as these
# and the blur after them reach.
_NEAR = 8
# A box of which the net sees more pixels than this is cut, which bounds the
# memory, and so is one that is longer than _SIDE, if that saves work.
LARGEST, _SIDE = 450**2, 64
# The net sees a photo reduced to a shorter side of this, up to twice this, in
# pixels, like those that it was trained on.
_SHORTER = 768
# The share of known pixels that equal their neighbours, above which nothing is
# refined.
_DRAWN = 0.75
# Standard deviation in pixels of the blur that leaves fine shapes out, and the
# depth of a hole in pixels up to which they are left in. From twice that depth
# on they are left out.
BLUR, THIN = 1.0, 4
# Standard deviation of noise, by which hues may differ anywhere. Half or twice
# as much changes LPIPS and the error by 0.4% or less.
_NOISE = 2 / 255
# Side in pixels of the square in which contrast is measured, and changes of the
# copies are looked for.
_CONTRAST = 5


class Part(NamedTuple):
  """What one window filled.

  Attributes:
    place: its rows and columns of the image, [h, w].
    hole: bool [h, w], the pixels that it filled.
    seams: bool [h, w], pixels with a neighbour copied from elsewhere.
    changed: bool [h, w], pixels that differ from what they copy.
  """

  place: tuple[slice, slice]
  hole: np.ndarray
  seams: np.ndarray
  changed: np.ndarray


def create_part(
  place: tuple[slice, slice],
  inner: tuple[slice, slice],
  filled: np.ndarray,
  hole: np.ndarray,
  origins: np.ndarray,
  source: np.ndarray,
) -> Part:
  """Returns what a window filled.

  Args:
    place: rows and columns of the image that the part has.
    inner: the same rows and columns, of the window.
    filled: uint8 or uint16 [h, w, 3], the window with its hole filled.
    hole: bool [h, w].
    origins: int32 [h, w, 2], row and column of what each pixel copies.
    source: what was copied, like `filled` but of any size.
  """
  hole_inside = hole[inner]
  rows, columns = np.nonzero(hole_inside)
  at = origins[inner][rows, columns]
  changed = np.zeros_like(hole_inside)
  changed[rows, columns] = np.any(
    filled[inner][rows, columns] != source[at[:, 0], at[:, 1]], axis=1
  )
  seams = find_seams(origins, hole)[inner]
  return Part(place, hole_inside, seams, changed)


def find_seams(origins: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns pixels of a hole with a neighbour that is copied from elsewhere."""
  seams = np.zeros_like(hole)
  for axis in range(2):
    apart = np.diff(origins, axis=axis)
    apart[..., axis] -= 1
    different = apart.any(axis=2)
    first, second = [slice(None)] * 2, [slice(None)] * 2
    first[axis], second[axis] = slice(-1), slice(1, None)
    seams[tuple(first)] |= different
    seams[tuple(second)] |= different
  return seams & hole


def refine(
  image: np.ndarray,
  hole: np.ndarray,
  parts: Sequence[Part],
  progress: Callable[[float], None] = lambda share: None,
) -> None:
  """Refines the holes of an image, in place.

  Specks stay as they are, and so do drawings and copies that fit exactly.

  Args:
    image: uint8 or uint16 [H, W, 3], filled.
    hole: bool [H, W].
    parts: those of the hole.
    progress: called with the share of the work that is done.
  """
  scale = 2 ** max(0, (min(hole.shape) // _SHORTER).bit_length() - 1)
  boxes, seen = _find_all(parts, scale)
  refined = np.count_nonzero(hole)
  while seen > _MOST_SEEN or refined > _MOST_REFINED * scale**2:
    fewer, seen_then = _find_all(parts, 2 * scale)
    # Of many small boxes, the net would see mostly surroundings.
    if seen_then > 0.7 * seen:
      break
    boxes, seen, scale = fewer, seen_then, 2 * scale
  # The largest first, so that no thread is left with it at the end.
  boxes.sort(key=lambda item: -_count_seen(item[1], scale))
  done: list[tuple[Part, windows.Box, np.ndarray]] = []
  caller = threading.get_ident()

  def work(item: tuple[Part, windows.Box]) -> None:
    done.append((*item, _refine_box(image, hole, *item, scale)))
    if threading.get_ident() == caller:
      progress(sum(_count_seen(x, scale) for _, x, _ in done) / seen)

  # Threads work on boxes or on rows. More, of each matrix product, would wait
  # for each other: 256x256 pixels took 0.41 s instead of 0.15. And the result
  # would depend on their number. The limit is one of the whole process.
  with refiner.one_thread():
    kernels.for_each(boxes, work)
  # Only now, since boxes see each other's pixels.
  for part, box, new in done:
    place = part.place[0].start, part.place[1].start
    inside = windows.to_slices(box, place)
    image[inside][part.hole[windows.to_slices(box)]] = new


def _find_all(
  parts: Sequence[Part], scale: int
) -> tuple[list[tuple[Part, windows.Box]], float]:
  """Returns boxes with their parts, and how many pixels the net sees."""
  boxes = [(part, box) for part in parts for box in _find_boxes(part, scale)]
  return boxes, sum(_count_seen(box, scale) for _, box in boxes)


def _find_boxes(part: Part, scale: int) -> list[windows.Box]:
  """Returns boxes of a part that together hold what is to be refined."""
  boxes = _cut(part.hole, (0, 0, *part.hole.shape), scale)
  return [
    box
    for box in boxes
    if _count_seen(box, scale)
    <= _MOST_PER_PIXEL * np.count_nonzero(part.hole[windows.to_slices(box)])
    and part.changed[windows.to_slices(box)].any()
  ]


def _cut(hole: np.ndarray, box: windows.Box, scale: int) -> list[windows.Box]:
  """Returns boxes that hold the hole within a box, with little around it."""
  place = windows.to_slices(box)
  if not hole[place].any():
    return []
  rows, columns = windows.find_box(hole[place], 0)
  top, bottom = box[0] + int(rows.start), box[0] + int(rows.stop)
  left, right = box[1] + int(columns.start), box[1] + int(columns.stop)
  box = top, left, bottom, right
  if max(bottom - top, right - left) <= _SIDE * scale:
    return [box]
  parts = [x for half in windows.halve(box) for x in _cut(hole, half, scale)]
  work, seen = (
    sum(_count_seen(x, scale) for x in boxes) for boxes in (parts, [box])
  )
  return parts if seen > LARGEST or work < seen else [box]


def _count_seen(box: windows.Box, scale: int) -> float:
  """Returns how many pixels the net sees for a box."""
  margin = 2 * _MARGIN * scale
  pixels = (box[2] - box[0] + margin) * (box[3] - box[1] + margin)
  return pixels / scale**2


def _refine_box(
  image: np.ndarray, hole: np.ndarray, part: Part, box: windows.Box, scale: int
) -> np.ndarray:
  """Returns the refined pixels of a part's hole in a box, [n, 3].

  Args:
    box: of the part. `inner` and `outer` are rows and columns of the image,
      `near` of `outer`, and `local` of `near`.
  """
  inner = windows.to_slices(box, (part.place[0].start, part.place[1].start))
  margin, step = _MARGIN * scale, refiner.STRIDE * scale
  outer = tuple(
    slice(
      max(own.start - margin, 0) // step * step,
      min(-(-(own.stop + margin) // step) * step, length),
    )
    for own, length in zip(inner, hole.shape, strict=True)
  )
  if _is_drawn(image[outer], hole[outer]):
    return image[inner][part.hole[windows.to_slices(box)]]
  largest = np.float32(np.iinfo(image.dtype).max)
  colours = 2 * _reduce(image[outer], scale) / largest - 1
  seen_hole = _reduce(hole[outer], scale)
  seams = _reduce(_seams_in(part, outer), scale)
  # What changes is near the box.
  near, local = _locate(inner, outer, _NEAR * scale, step)
  reduced = tuple(slice(x.start // scale, x.stop // scale) for x in near)
  seen = np.dstack([colours, seen_hole, seams])
  added = refiner.run(refiner.load(), seen, reduced)
  added = _without_details(added, seen_hole[reduced])
  added = _enlarge(added, scale)[local]
  # Not means of pixels, which would have less noise.
  some = image[outer][near][::scale, ::scale]
  added = added @ _find_hues(some / largest)
  limit = _contrast(image, inner) / largest
  added = np.clip(added, -limit, limit)
  filled = image[inner] / largest
  refined = filled + added * _weigh(part.changed[windows.to_slices(box)])
  new = np.clip(refined[part.hole[windows.to_slices(box)]], 0, 1)
  return np.rint(new * largest).astype(image.dtype)


def _find_hues(pixels: np.ndarray) -> np.ndarray:
  """Returns what keeps a change to the hues of some pixels, float32 [3, 3].

  Along each principal axis of their colours, a change is multiplied by v / (v +
  n), where v is the variance along it, and n that of noise. So a grey or toned
  photo stays as it is.

  Args:
    pixels: [h, w, 3] in [0, 1].
  """
  variance, axes = np.linalg.eigh(np.cov(pixels.reshape(-1, 3), rowvar=False))
  variance = np.maximum(variance, 0)
  matrix = axes * (variance / (variance + _NOISE**2)) @ axes.T
  # Of grey, all numbers are exactly equal.
  return np.round(matrix, 6).astype(np.float32)


def _is_drawn(image: np.ndarray, hole: np.ndarray) -> bool:
  """Returns whether an image looks like a drawing, or like text.

  There most pixels equal their neighbours, which noise prevents in photos. The
  net, which was trained on photos, would blur its edges.
  """
  known = ~(hole[:, 1:] | hole[:, :-1])
  same = (image[:, 1:] == image[:, :-1]).all(axis=2)
  return bool(np.mean(same[known]) > _DRAWN) if known.any() else False


def _locate(
  inner: tuple[slice, slice],
  outer: tuple[slice, ...],
  margin: int,
  step: int,
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
  """Returns where a box with a margin is in `outer`, and the box in that.

  The first starts and ends at multiples of `step`, beyond the end of `outer` if
  need be.
  """
  near, local = [], []
  for own, around in zip(inner, outer, strict=True):
    first, last = own.start - around.start, own.stop - around.start
    start = max(first - margin, 0) // step * step
    end = min(last + margin, around.stop - around.start)
    near.append(slice(start, -(-end // step) * step))
    local.append(slice(first - start, last - start))
  return tuple(near), tuple(local)


def _reduce(values: np.ndarray, scale: int) -> np.ndarray:
  """Reduces [H, W, ...] to multiples of STRIDE, float32.

  A number becomes the mean of a square, a bool the largest of it.
  """
  step = refiner.STRIDE * scale
  margins = [(0, -length % step) for length in values.shape[:2]]
  margins += [(0, 0)] * (values.ndim - 2)
  values = np.pad(values, margins, 'symmetric')
  height, width, *rest = values.shape
  squares = values.reshape(height // scale, scale, width // scale, scale, *rest)
  if values.dtype == bool:
    return np.any(squares, axis=(1, 3)).astype(np.float32)
  # Rows first: they lie side by side in memory.
  sums = np.sum(squares, axis=1, dtype=np.float32)
  return np.asarray(sums.sum(axis=2) / np.float32(scale**2))


def _enlarge(image: np.ndarray, scale: int) -> np.ndarray:
  """Returns [h * scale, w * scale, C], linear between centres of pixels."""
  if scale == 1:
    return image
  size = image.shape[1] * scale, image.shape[0] * scale
  channels = [
    PIL.Image.fromarray(np.ascontiguousarray(channel)).resize(
      size, PIL.Image.Resampling.BILINEAR
    )
    for channel in np.moveaxis(image, -1, 0)
  ]
  return np.stack([np.asarray(x) for x in channels], axis=-1)


def _seams_in(part: Part, place: tuple[slice, ...]) -> np.ndarray:
  """Returns the seams of a part in rows and columns of the image."""
  theirs, ours = [], []
  for own, wanted in zip(part.place, place, strict=True):
    first, last = max(own.start, wanted.start), min(own.stop, wanted.stop)
    theirs.append(slice(first - own.start, last - own.start))
    ours.append(slice(first - wanted.start, last - wanted.start))
  seams = np.zeros([x.stop - x.start for x in place], bool)
  seams[tuple(ours)] = part.seams[tuple(theirs)]
  return seams


def _without_details(added: np.ndarray, hole: np.ndarray) -> np.ndarray:
  """Returns what is to be added [h, w, 3], blurred where the hole is wide.

  Args:
    added: what the net says.
    hole: float32 [h, w], 1 = hole.
  """
  weight = ndimage.gaussian_filter(hole, BLUR)
  sigmas = BLUR, BLUR, 0
  blurred = ndimage.gaussian_filter(added * hole[..., None], sigmas)
  blurred /= np.maximum(weight, 1e-3)[..., None]
  depth = ndimage.distance_transform_cdt(hole > 0, 'chessboard')
  depth = ndimage.maximum_filter(depth, 4 * THIN - 1)
  kept = np.clip(2 - depth / THIN, 0, 1).astype(np.float32)[..., None]
  return blurred + kept * (added - blurred)


def _weigh(changed: np.ndarray) -> np.ndarray:
  """Returns the weight of what is added, float32 [h, w, 1].

  It is 0 where all copies around fit exactly.
  """
  near = ndimage.maximum_filter(changed, _CONTRAST).astype(np.float32)
  return ndimage.uniform_filter(near, _CONTRAST)[..., None]


def _contrast(image: np.ndarray, place: tuple[slice, slice]) -> np.ndarray:
  """Returns how much an image varies around each pixel of a place, [h, w, 1].

  Nothing larger is added: an even sky stays even, and an even slope, too.
  """
  around = tuple(
    slice(max(x.start - _CONTRAST, 0), x.stop + _CONTRAST) for x in place
  )
  inside = tuple(
    slice(x.start - y.start, x.stop - y.start)
    for x, y in zip(place, around, strict=True)
  )
  light = image[around].mean(axis=2, dtype=np.float32)
  apart = np.abs(light - ndimage.uniform_filter(light, _CONTRAST))
  return 2 * ndimage.maximum_filter(apart, _CONTRAST)[inside][..., None]
