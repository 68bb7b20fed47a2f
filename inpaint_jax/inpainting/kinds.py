"""Converts images and masks of callers to the form in which they are filled.

They are arrays of NumPy or JAX, or images of Pillow; grey, RGB or RGBA.
"""

from collections.abc import Callable
import sys
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from inpaint_jax.photos import metadata, reading
from inpaint_jax.photos.picture import luma
from inpaint_jax.system import errors

# Pillow's modes that are filled without a conversion.
_MODES = ('L', 'LA', 'RGB', 'RGBA', 'I;16')
_WITH_ALPHA = {'L': 'LA', 'RGB': 'RGBA'}


class Unpacked(NamedTuple):
  """An image in the form in which it is filled.

  Attributes:
    pixels: uint8 or uint16 [H, W, 3]; grey has three equal channels.
    alpha: of the same type [H, W], or None.
    hole: bool [H, W].
    pack: turns filled pixels and alpha into an image of the caller's kind.
  """

  pixels: np.ndarray
  alpha: np.ndarray | None
  hole: np.ndarray
  pack: Callable[[np.ndarray, np.ndarray | None], Any]


def unpack(image: Any, mask: Any) -> Unpacked:
  """Converts a caller's image and mask to the form in which they are used.

  Args:
    image: a NumPy or JAX array, uint8 or uint16 [H, W] or [H, W, C], with C = 1
      for grey, 2 for grey and alpha, 3 for RGB, 4 for RGBA; or a Pillow image.
    mask: see `to_hole`.

  Raises:
    errors.UserError: one of them is something else, or cannot be read.
  """
  if isinstance(image, PIL.Image.Image):
    if image.mode not in _MODES:
      advice = "convert it, as in image.convert('RGB')"
      if image.mode[0] in 'IF':
        # A conversion would cut its numbers at 255.
        advice = 'bring np.asarray(image) to uint8 or uint16'
      raise errors.UserError(
        f'the image is of mode {image.mode}; wanted one of {", ".join(_MODES)}:'
        f' {advice}'
      )
  elif _is_of_jax(image, traced=True):
    raise errors.UserError(
      'the image is traced by JAX; call the inpainter outside of jit and vmap'
    )
  elif not isinstance(image, np.ndarray) and not _is_of_jax(image):
    raise errors.UserError(
      f'the image is a {type(image).__name__}; wanted an array of NumPy or JAX,'
      ' or an image of Pillow'
    )
  # Pillow reads the pixels of a file only now, and the file may be damaged.
  with errors.error_as('the image cannot be read', kind=Exception):
    if isinstance(image, PIL.Image.Image) and 'transparency' in image.info:
      # One of its colours is transparent. A filled pixel may have it, too.
      image = image.convert(_WITH_ALPHA.get(image.mode, image.mode))
    array = np.asarray(image)
  channels = array.shape[2] if array.ndim == 3 else 1
  if (
    array.dtype not in (np.uint8, np.uint16)
    or array.ndim not in (2, 3)
    or not 1 <= channels <= 4
  ):
    hint = ''
    if 'float' in array.dtype.name:
      hint = '; bring floats in [0, 1] to uint8: np.uint8(np.rint(image * 255))'
    elif array.dtype.newbyteorder('=') == np.uint16 != array.dtype:
      hint = '; bring its bytes into the order of this machine, as in '
      hint += f'image.astype({array.dtype.name!r})'
    elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
      hint = '; channels come last: np.moveaxis(image, 0, -1)'
    raise errors.UserError(
      f'the image is {array.dtype} {list(array.shape)}; wanted uint8 or uint16 '
      f'[height, width] or [height, width, 1 to 4]{hint}'
    )
  if not array.size:
    raise errors.UserError(f'the image has no pixels: {list(array.shape)}')
  values = array if array.ndim == 3 else array[..., None]
  is_grey, has_alpha = channels < 3, channels in (2, 4)
  pixels = values[..., :1].repeat(3, axis=2) if is_grey else values[..., :3]

  def pack(pixels: np.ndarray, alpha: np.ndarray | None) -> Any:
    packed = luma(pixels) if is_grey else pixels
    if alpha is not None:
      packed = np.dstack([packed, alpha])
    return _as_kind_of(image, packed.reshape(array.shape))

  is_on_its_side = isinstance(image, PIL.Image.Image) and (
    metadata.orientation(image) in (5, 6, 7, 8)
  )
  hole = to_hole(mask, *array.shape[:2], on_its_side=is_on_its_side)
  return Unpacked(pixels, values[..., -1] if has_alpha else None, hole, pack)


def is_one(image: Any, mask: Any) -> bool:
  """Returns whether a caller gives one image rather than several."""
  if isinstance(image, list | tuple):
    return False
  shape = tuple(getattr(image, 'shape', ()))
  # A batch of grey images has as many axes as one image in colour, also if it
  # has channels first.
  is_of_one = getattr(mask, 'ndim', 3) == 2 and (
    mask.shape != shape[1:] or shape[0] in (1, 3, 4)
  )
  is_grey_batch = len(shape) == 3 and shape[2] > 4 and not is_of_one
  return len(shape) != 4 and not is_grey_batch


def stack(image: Any, results: list[Any]) -> Any:
  """Returns several results in the form of `image`: an array, or a list."""
  if isinstance(image, list | tuple):
    return results
  return _as_kind_of(image, np.stack([np.asarray(x) for x in results]))


def to_hole(
  mask: Any,
  height: int,
  width: int,
  *,
  whole: bool = False,
  on_its_side: bool = False,
) -> np.ndarray:
  """Returns the hole as bool [H, W]; it may be the mask itself, not a copy.

  Args:
    mask: [H, W] or [H, W, 1], bool, uint8 or float in [0, 1], or a Pillow
      image; True, or at least half of the largest value, is hole.
    whole: whether the mask may be all hole, or have none.
    on_its_side: whether EXIF says that the image's sides are to be swapped.

  Raises:
    errors.UserError: the mask's type or shape is wrong; or, unless `whole`, it
      has no hole, or no known pixel.
  """
  if isinstance(mask, PIL.Image.Image):
    if mask.mode not in ('1', 'L') or mask.has_transparency_data:
      mask = reading.to_rgb(mask, background='black')
    mask = mask.convert('L')
  with errors.error_as('the mask cannot be read as an array', kind=Exception):
    array = np.asarray(mask)
  if array.ndim == 3 and array.shape[2] == 1:
    array = array[..., 0]
  # By its name, since bfloat16 is of no kind of NumPy's own.
  is_float = 'float' in array.dtype.name
  is_known_type = array.dtype in (np.uint8, bool) or is_float
  if not is_known_type or array.ndim != 2:
    hint = 'mask[..., 0] > 0' if array.ndim == 3 else 'mask > 0'
    found = f'{array.dtype} {list(array.shape)}'
    if not array.ndim:
      found = f'a {type(mask).__name__}'
    raise errors.UserError(
      f'the mask is {found}; wanted bool, uint8 or float [height, width], such '
      f'as {hint}'
    )
  if array.shape != (height, width):
    remedy = 'bring the mask to the size of the image'
    if on_its_side and array.shape == (width, height):
      remedy = (
        'the image lies on its side, as its EXIF says: turn it by '
        'PIL.ImageOps.exif_transpose(image)'
      )
    raise errors.UserError(
      f'the image is {width}x{height} pixels, the mask '
      f'{array.shape[1]}x{array.shape[0]}; {remedy}'
    )
  if array.dtype == np.uint8:
    if array.max(initial=0) == 1:
      raise errors.UserError(
        'the mask is uint8 with 1 as its largest value; give mask > 0, or 255 '
        'where the hole is'
      )
    hole = array >= 128
  elif array.dtype == bool:
    hole = array
  elif np.all((array >= 0) & (array <= 1)):
    hole = array >= 0.5
  else:
    raise errors.UserError(
      f'the mask is {array.dtype} with values outside of [0, 1]; give a bool '
      'mask, such as mask > 0'
    )
  if not whole and array.dtype == np.uint8 and not hole.any():
    raise errors.UserError(
      f'the mask has no hole: its largest value is {array.max(initial=0)} of '
      '255; give 255 where the hole is, or such as mask > 0'
    )
  if not whole:
    check_hole(hole)
  return hole


def check_hole(hole: np.ndarray) -> None:
  """Raises a UserError if bool [H, W] has no hole or no known pixel."""
  if not hole.any():
    raise errors.UserError(
      'the mask has no hole, so there is nothing to fill; paint it white (255) '
      'where the hole is'
    )
  if hole.all():
    raise errors.UserError(
      'the mask marks the whole image as the hole, so there is nothing to copy '
      'from; paint the hole white and the rest black'
    )


def _as_kind_of(image: Any, array: np.ndarray) -> Any:
  if isinstance(image, PIL.Image.Image):
    result = PIL.Image.fromarray(array)
    kept = ('icc_profile', 'dpi')
    result.info = {k: image.info[k] for k in kept if k in image.info}
    # The orientation stays: the pixels were not turned.
    if exif := metadata.exif_unturned(image):
      result.info['exif'] = exif
    return result
  if _is_of_jax(image):
    return sys.modules['jax'].device_put(array, image.sharding)
  return array


def _is_of_jax(image: Any, *, traced: bool = False) -> bool:
  """Returns whether an image is a JAX array, without importing JAX.

  The import takes a second, and callers without JAX arrays may not need it.
  """
  jax = sys.modules.get('jax')
  return jax is not None and isinstance(
    image, jax.core.Tracer if traced else jax.Array
  )
