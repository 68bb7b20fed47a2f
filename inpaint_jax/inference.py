"""From a trained run to filled pictures.

  from inpaint_jax import inference
  inpainter = inference.load('runs/unet')
  result = inpainter(image, mask)

Imports neither training nor datasets.
"""

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import errors, trained, windows


def load(workdir: str | os.PathLike[str]) -> 'Inpainter':
  """Returns an inpainter with the best checkpoint of a run.

  Args:
    workdir: the folder of the run.

  Raises:
    errors.UserError: no run, or no checkpoint that can be read.
  """
  return Inpainter(trained.load_run(workdir))


class Inpainter:
  """Fills the holes of pictures of any size."""

  def __init__(self, net: trained.Trained):
    """Prepares a net for use.

    Args:
      net: what trained.load_run returned.
    """
    self._size = net.config.data.image_size

    # The variables are an argument: as constants they would be compiled in.
    @jax.jit
    def fill(variables, image, mask):
      outputs = net.model.apply(variables, image, mask, train=False)
      output = jnp.clip(net.loss.to_image(outputs), 0, 1)
      return mask * output + (1 - mask) * image

    self._fill = functools.partial(fill, net.variables)

  def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fills the holes of one picture.

    Holes that lie far apart are filled one by one. A hole is seen with its
    surroundings, at full resolution where they fit the size that the net was
    trained at, and reduced to it where they do not.

    Args:
      image: uint8 [H, W, 3], any H and W.
      mask: [H, W], bool or uint8: True, or 128 and more, is hole.

    Returns:
      uint8 [H, W, 3]; known pixels are those of `image`, bit for bit.

    Raises:
      errors.UserError: a type or shape does not fit, or there is no hole or
        nothing but hole.
    """
    hole = check(image, mask)
    result, missing = image.copy(), hole.copy()
    for window in windows.find(hole, self._size):
      part, part_mask = windows.cut(result, missing, window, self._size)
      filled = self._fill(part[None], part_mask[None])[0]
      windows.paste(result, np.asarray(filled), window)
      # The next window sees what this one was filled with, and goes on with it.
      missing[window.rows, window.columns] = False
    return result


def check(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Returns the hole as bool [H, W]; raises a UserError on what does not fit.

  Args:
    image: uint8 [H, W, 3].
    mask: [H, W], bool or uint8.
  """
  if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
    raise errors.UserError(
      f'the picture is {image.dtype} {list(image.shape)}; wanted uint8 '
      '[height, width, 3]'
    )
  if mask.dtype not in (np.uint8, bool) or mask.ndim != 2:
    raise errors.UserError(
      f'the mask is {mask.dtype} {list(mask.shape)}; wanted bool or uint8 '
      '[height, width]'
    )
  if mask.shape != image.shape[:2]:
    raise errors.UserError(
      f'the picture is {image.shape[1]}x{image.shape[0]} pixels, the mask '
      f'{mask.shape[1]}x{mask.shape[0]}; bring the mask to the size of the '
      'picture'
    )
  hole = mask if mask.dtype == bool else mask >= 128
  if not hole.any():
    raise errors.UserError(
      'the mask has no hole, so there is nothing to fill; paint it white (255) '
      'where the hole is'
    )
  if hole.all():
    raise errors.UserError(
      'the mask is nothing but hole, so there is nothing to go by; white is '
      'hole and black is known'
    )
  return hole
