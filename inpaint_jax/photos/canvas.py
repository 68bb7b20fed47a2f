"""The canvas that a picture lies on, made larger to paint beyond its edges."""

import numpy as np

from inpaint_jax.photos import reading
from inpaint_jax.system import errors


def expand(
  image: np.ndarray,
  mask: np.ndarray | None = None,
  *,
  left: int = 0,
  top: int = 0,
  right: int = 0,
  bottom: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
  """Extends the canvas; what is new is hole (outpainting).

    image, mask = canvas.expand(image, left=128, right=128)
    result = inpainter(image, mask)

  Args:
    image: [H, W, C] of any type, or [H, W].
    mask: [H, W], bool or uint8 (128 and more is hole), holes that the picture
      has already; None = none.
    left, top, right, bottom: pixels to add on each side.

  Returns:
    The picture, black where it is new, of the same type; and the holes, bool
    [top + H + bottom, left + W + right].

  Raises:
    errors.UserError: an amount is no whole number of 0 or more, the result
      would be too large, or the mask does not fit.
  """
  amounts = {'left': left, 'top': top, 'right': right, 'bottom': bottom}
  for name, amount in amounts.items():
    if not isinstance(amount, int | np.integer) or amount < 0:
      raise errors.UserError(
        f'{name}={amount!r} cannot be added to the picture; give a whole '
        'number of pixels, 0 or more'
      )
  if image.ndim not in (2, 3):
    raise errors.UserError(
      f'the picture has the shape {list(image.shape)}; wanted [height, width, '
      'channels] or [height, width]'
    )
  if mask is not None and (
    mask.shape != image.shape[:2] or mask.dtype not in (np.uint8, bool)
  ):
    raise errors.UserError(
      f'the mask is {mask.dtype} {list(mask.shape)}; wanted bool or uint8 '
      f'{list(image.shape[:2])}, as the picture'
    )
  height = top + image.shape[0] + bottom
  width = left + image.shape[1] + right
  if height * width > reading.MAX_PIXELS:
    raise errors.UserError(
      f'the extended picture would be {width}x{height} pixels; wanted at most '
      f'{reading.MAX_PIXELS // 10**6} megapixels: extend it by less'
    )
  inner = np.s_[top : top + image.shape[0], left : left + image.shape[1]]
  canvas = np.zeros((height, width) + image.shape[2:], image.dtype)
  canvas[inner] = image
  hole = np.ones((height, width), bool)
  if mask is None:
    hole[inner] = False
  else:
    hole[inner] = mask if mask.dtype == bool else mask >= 128
  return canvas, hole
