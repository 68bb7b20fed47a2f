"""Draws random masks, which say what pixels of an image are the hole.

A kind of mask is a pure function (key, height, width, brush) -> [height, width,
1] float32, 1 = hole, 0 = known. Its arguments are a random key, the size of the
image in pixels and a name in BRUSHES, which only strokes use. It draws one mask
on the device, inside the jitted step; `create_sampler` batches it by vmap. To
add a kind, write its function, add it to MASKS, and add what it guarantees to
this table:

  kind     area of the hole                 shape of the hole
  stamps   0.011 S/L to 0.5625 S/L          1 to 9 discs and squares
  strokes  above 0 to 0.5                   polylines of a round brush
  box      0.05 to 0.4, give or take 1/S    one rectangle
  border   0.05 to 0.6, give or take 1/S    a band on 1 to 4 of the sides
  mixture  above 0 to 0.6 + 1/S             any of the four above

The kind `files` is none of these: it takes a random file of a folder.

The area is a fraction of the image, whose shorter side of S pixels is a
multiple of 8 and at least 32, and whose longer side is L. So every mask has a
hole and a known pixel. Sizes in pixels are for a 256-pixel image and scale with
the shorter side.

All geometry is in integers, so that masks are the same on every machine. NumPy
computes the tables of angles and sides while the step is traced.

Attributes:
  MASKS: the kinds by name.
  BRUSHES: the sizes of strokes by name.
"""

from collections.abc import Callable
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from inpaint_jax.photos import mask_folder
from inpaint_jax.system import errors, randomness

# (keys [B], height, width) -> masks [B, height, width, 1].
Sampler = Callable[[jax.Array, int, int], jax.Array]

# Strokes are computed in 1/_SUBPIXELS of a pixel, and unit vectors are integers
# of length _UNIT: fine enough to be smooth, while squared distances fit into an
# int32 for images of up to 2048 pixels a side.
_SUBPIXELS = 16
_UNIT = 1024
_NUM_ANGLES = 256
_NUM_AREAS = 256
_NUM_ASPECTS = 33
_MAX_SEGMENTS = 5


class Brush(NamedTuple):
  """A preset of `strokes`: ranges with both ends; lengths for 256 pixels."""

  min_strokes: int
  max_strokes: int
  min_width: int
  max_width: int
  min_length: int
  max_length: int


# The 256-pixel presets of LaMa, arXiv 2109.07161.
BRUSHES: dict[str, Brush] = {
  'thin': Brush(4, 50, 5, 15, 10, 50),
  'medium': Brush(4, 5, 5, 55, 10, 110),
  'thick': Brush(1, 5, 5, 105, 10, 210),
}


def stamps(
  key: jax.Array, height: int, width: int, brush: str = 'medium'
) -> jax.Array:
  """Draws 1 to 9 stamps, the masks of the reference study.

  Each stamp is a disc or a square, 32 or 64 pixels across in a 256-pixel image,
  each with probability 1/2, at a uniform position wholly inside the image.
  Stamps may overlap. A pixel is in a disc if its centre is.
  """
  del brush
  max_count = 9
  bits = randomness.bits(key, (5, max_count))
  count = _integers(bits[0, 0], 1, max_count + 1)
  side = min(height, width)
  sizes = [max(1, round(size * side / 256)) for size in (32, 64)]
  size = jnp.array(sizes, jnp.int32)[_integers(bits[1], 0, 2)]
  is_disc = _integers(bits[2], 0, 2) == 0
  top = _integers(bits[3], 0, height - size + 1)
  left = _integers(bits[4], 0, width - size + 1)

  def stamp(
    top: jax.Array, left: jax.Array, size: jax.Array, is_disc: jax.Array
  ) -> jax.Array:
    # Twice the offset from the stamp's centre, so that it stays an integer.
    dy = (2 * (_range(height) - top) + 1 - size)[:, None]
    dx = (2 * (_range(width) - left) + 1 - size)[None, :]
    disc = dy**2 + dx**2 <= size**2
    square = (jnp.abs(dy) < size) & (jnp.abs(dx) < size)
    return jnp.where(is_disc, disc, square)

  drawn = jax.vmap(stamp)(top, left, size, is_disc)
  used = (_range(max_count) < count)[:, None, None]
  return _to_mask(jnp.any(drawn & used, axis=0))


def strokes(
  key: jax.Array, height: int, width: int, brush: str = 'medium'
) -> jax.Array:
  """Draws free-form brush strokes, after LaMa (arXiv 2109.07161).

  A stroke starts anywhere in the image and has 1 to 5 straight segments with
  round ends. Each segment starts where the last one ended and has its own
  angle, length and width; it stops at the border of the image. The brush is
  never thinner than one pixel. A segment that would make the hole larger than
  half of the image is left out.
  """
  preset = BRUSHES[brush]
  side = min(height, width)
  max_segments = preset.max_strokes * _MAX_SEGMENTS
  bits = randomness.bits(key, (6, max_segments))

  def scaled(size: int) -> int:
    return size * side * _SUBPIXELS // 256

  num_strokes = _integers(
    bits[0, 0], preset.min_strokes, preset.max_strokes + 1
  )
  num_segments = _integers(
    bits[0, 1 : preset.max_strokes + 1], 1, _MAX_SEGMENTS + 1
  )
  # The segments of all strokes form one sequence: the loop draws only as many
  # as there are, with the memory of one mask.
  after_last = jnp.cumsum(num_segments, dtype=jnp.int32)
  first = after_last - num_segments
  total = after_last[num_strokes - 1]

  # Strokes start at the centre of a pixel: the first segment makes a hole.
  start_y = _integers(bits[1], 0, height)
  start_x = _integers(bits[2], 0, width)
  starts = jnp.stack([start_y, start_x], axis=1) * _SUBPIXELS
  angles = 2 * np.pi * np.arange(_NUM_ANGLES) / _NUM_ANGLES
  units = np.stack([np.sin(angles), np.cos(angles)], axis=1)
  directions = jnp.asarray(np.round(_UNIT * units).astype(np.int32))
  directions = directions[_integers(bits[3], 0, _NUM_ANGLES)]
  lengths = _integers(
    bits[4], scaled(preset.min_length), scaled(preset.max_length) + 1
  )
  radii = _integers(
    bits[5], scaled(preset.min_width) // 2, scaled(preset.max_width) // 2 + 1
  )
  radii = jnp.maximum(radii, _SUBPIXELS // 2)

  rows = _range(height)[:, None] * _SUBPIXELS
  columns = _range(width)[None, :] * _SUBPIXELS
  corner = jnp.array([height - 1, width - 1], jnp.int32) * _SUBPIXELS

  def draw_segment(
    i: jax.Array, state: tuple[jax.Array, jax.Array]
  ) -> tuple[jax.Array, jax.Array]:
    hole, pen = state
    start = jnp.where(jnp.any(first == i), starts[i], pen)
    direction, radius = directions[i], radii[i]
    room = jnp.where(direction > 0, corner - start, start)
    to_border = room * _UNIT // jnp.maximum(jnp.abs(direction), 1)
    to_border = jnp.where(direction == 0, lengths[i], to_border)
    length = jnp.minimum(lengths[i], jnp.min(to_border))
    end = start + length * direction // _UNIT

    y, x = rows - start[0], columns - start[1]
    along = y * direction[0] + x * direction[1]
    across = x * direction[0] - y * direction[1]
    segment = (along >= 0) & (along <= length * _UNIT)
    segment &= jnp.abs(across) <= radius * _UNIT
    segment |= y**2 + x**2 <= radius**2
    segment |= (rows - end[0]) ** 2 + (columns - end[1]) ** 2 <= radius**2

    larger = hole | segment
    fits = 2 * jnp.sum(larger) <= height * width
    return jnp.where(fits, larger, hole), end

  hole = jnp.zeros((height, width), bool)
  hole, _ = jax.lax.fori_loop(0, total, draw_segment, (hole, starts[0]))
  return _to_mask(hole)


def box(
  key: jax.Array, height: int, width: int, brush: str = 'medium'
) -> jax.Array:
  """Draws one rectangle, anywhere inside the image.

  Its area is uniform in [0.05, 0.4] of the image, and its ratio of height to
  width is log-uniform in [1/2, 2] times that of the image; the sides are then
  rounded to pixels.
  """
  del brush
  bits = randomness.bits(key, (4,))
  areas = np.linspace(0.05, 0.4, _NUM_AREAS)[:, None]
  aspects = 2.0 ** np.linspace(-1, 1, _NUM_ASPECTS)[None, :]
  heights = np.round(height * np.sqrt(areas * aspects)).astype(np.int32)
  widths = np.round(width * np.sqrt(areas / aspects)).astype(np.int32)
  area = _integers(bits[0], 0, _NUM_AREAS)
  aspect = _integers(bits[1], 0, _NUM_ASPECTS)
  box_height = jnp.asarray(heights)[area, aspect]
  box_width = jnp.asarray(widths)[area, aspect]
  top = _integers(bits[2], 0, height - box_height + 1)
  left = _integers(bits[3], 0, width - box_width + 1)
  return _to_mask(
    _rectangle(height, width, top, left, top + box_height, left + box_width)
  )


def border(
  key: jax.Array, height: int, width: int, brush: str = 'medium'
) -> jax.Array:
  """Draws bands along the sides of the image, for outpainting.

  The sides are a uniform non-empty subset of the four; the known pixels are a
  rectangle that touches exactly the other sides. The area of the hole is
  uniform in [0.05, 0.6] of the image, before the sides of the rectangle are
  rounded to pixels. With bands on neighbouring sides the rectangle has the
  shape of the image. Two opposite bands share their width at random; each band
  is at least one pixel wide.
  """
  del brush
  bits = randomness.bits(key, (4,))
  known = 1 - np.linspace(0.05, 0.6, _NUM_AREAS)
  # Row 1 is for bands in both directions, which share the area.
  parts = np.stack([known, np.sqrt(known)])
  heights = jnp.asarray(np.round(height * parts).astype(np.int32))
  widths = jnp.asarray(np.round(width * parts).astype(np.int32))

  sides = _integers(bits[0], 1, 16)
  top, bottom, left, right = [(sides >> i) & 1 for i in range(4)]
  area = _integers(bits[1], 0, _NUM_AREAS)
  known_height = heights[left | right, area]
  known_width = widths[top | bottom, area]

  def interval(
    bits: jax.Array,
    length: int,
    known: jax.Array,
    before: jax.Array,
    after: jax.Array,
  ) -> tuple[jax.Array, jax.Array]:
    hole = jnp.maximum(length - known, before + after)
    share = _integers(bits, 1, jnp.maximum(hole, 2))
    start = jnp.where(before & after, share, before * hole)
    stop = jnp.where(after, start + length - hole, length)
    return start, stop

  y0, y1 = interval(bits[2], height, known_height, top, bottom)
  x0, x1 = interval(bits[3], width, known_width, left, right)
  return _to_mask(~_rectangle(height, width, y0, x0, y1, x1))


def mixture(
  key: jax.Array, height: int, width: int, brush: str = 'medium'
) -> jax.Array:
  """Draws stamps, strokes, a box or a border, with probability 1/4 each.

  Under vmap all four are drawn and one is kept: a mixture costs as much as the
  four kinds together.
  """
  kinds = (stamps, strokes, box, border)
  kind_key, mask_key = randomness.split(key, 2)
  kind = _integers(randomness.bits(kind_key), 0, len(kinds))
  branches = [lambda key, f=f: f(key, height, width, brush) for f in kinds]
  return jax.lax.switch(kind, branches, mask_key)


MASKS: dict[str, Callable[..., jax.Array]] = {
  'stamps': stamps,
  'strokes': strokes,
  'box': box,
  'border': border,
  'mixture': mixture,
}


def create_sampler(config: ml_collections.ConfigDict) -> Sampler:
  """Returns the sampler that the `masks` section of a config describes.

  Args:
    config: the section: `kind`, a name in MASKS, or files, masks of the folder
      `source`; and `strokes`, a name in BRUSHES.

  Returns:
    A pure function (keys [B], height, width) -> masks [B, height, width, 1]
    float32. For training, `keys` is `randomness.split(step_key, B)`.

  Raises:
    errors.UserError: one of the names is unknown; or there is no such folder,
      or no mask in it. The function raises it for a file that is no mask.
  """
  errors.check_name([*MASKS, mask_folder.FILES], config.kind, 'masks.kind')
  source = config.get('source', '')
  if config.kind == mask_folder.FILES:
    return _file_sampler(mask_folder.list_files(source))
  if source:
    raise errors.UserError(
      f'masks.source={source} has no effect with masks.kind={config.kind}; add '
      'masks.kind=files to use these masks, or leave masks.source empty'
    )
  draw, brush = MASKS[config.kind], config.strokes
  errors.check_name(BRUSHES, brush, 'masks.strokes')

  def draw_one(key: jax.Array, height: int, width: int) -> jax.Array:
    mask = draw(key, height, width, brush)
    maker = f'the mask {config.kind}'
    errors.check_shape(mask, (height, width, 1), maker)
    # Kinds of one's own may return bool, or 255.
    return (mask > 0).astype(jnp.float32)

  def sampler(keys: jax.Array, height: int, width: int) -> jax.Array:
    return jax.vmap(lambda key: draw_one(key, height, width))(keys)

  return sampler


def check(config: ml_collections.ConfigDict, side: int) -> None:
  """Raises a UserError if `masks` of a config cannot be used.

  Args:
    side: side in pixels of the images; masks from files are read for it.
  """
  create_sampler(config)
  if config.kind == mask_folder.FILES:
    mask_folder.read(mask_folder.list_files(config.source), side, side)


def _file_sampler(paths: tuple[pathlib.Path, ...]) -> Sampler:
  """Returns a sampler that takes each mask from a random file."""

  def sampler(keys: jax.Array, height: int, width: int) -> jax.Array:
    packed = jnp.asarray(mask_folder.read(paths, height, width))
    bits = jax.vmap(randomness.bits)(keys)
    rows = packed[_integers(bits, 0, len(packed))]
    holes = jnp.unpackbits(rows, axis=1, count=height * width)
    return holes.reshape(-1, height, width, 1).astype(jnp.float32)

  return sampler


def evaluation_masks(
  sampler: Sampler,
  seed: jax.typing.ArrayLike,
  index: jax.typing.ArrayLike,
  height: int,
  width: int,
) -> jax.Array:
  """Draws the validation or test masks of some images.

  The mask of an image depends only on the seed, the index and the size: it is
  the same in every epoch and run, for every batch size, and on every machine.

  Args:
    seed: `config.eval_seed`.
    index: [B] integers, the images' indices within their split.

  Returns:
    [B, height, width, 1] float32 in {0, 1}.
  """
  keys = jax.vmap(jax.random.fold_in, (None, 0))(
    randomness.create_key(seed), index
  )
  return sampler(keys, height, width)


def _integers(
  bits: jax.Array, low: int, high: jax.typing.ArrayLike
) -> jax.Array:
  """Maps uniform uint32 to uniform integers in [low, high).

  This is as good as jax.random.randint for ranges far below 2**32. A mask takes
  all its bits from one call of the generator, so that the step compiles much
  faster.
  """
  span = jnp.asarray(high - low, jnp.uint32)
  return low + (bits % span).astype(jnp.int32)


def _range(size: int) -> jax.Array:
  # int32 even if JAX_ENABLE_X64 is set.
  return jnp.arange(size, dtype=jnp.int32)


def _rectangle(
  height: int,
  width: int,
  top: jax.Array,
  left: jax.Array,
  bottom: jax.Array,
  right: jax.Array,
) -> jax.Array:
  y, x = _range(height)[:, None], _range(width)[None, :]
  return (y >= top) & (y < bottom) & (x >= left) & (x < right)


def _to_mask(hole: jax.Array) -> jax.Array:
  return hole[:, :, None].astype(jnp.float32)
