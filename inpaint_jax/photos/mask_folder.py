"""The mask files of a folder, as masks to train and test with."""

import os
import pathlib

import numpy as np

from inpaint_jax.photos import mask_files, reading
from inpaint_jax.system import errors, user_paths


class MaskFolder:
  """The masks in the files of a folder, in the order of their paths."""

  def __init__(self, source: str):
    """Lists the files below a folder; reads none.

    Args:
      source: `config.masks.source`. Hidden files are left out.

    Raises:
      errors.UserError: there is no such folder, or no picture file in it.
    """
    self._root = user_paths.local(source, 'masks.source') if source else None
    if self._root is None or not self._root.is_dir():
      raise errors.UserError(
        f'masks.source={source!r} is no folder; set masks.source=DIR to a '
        'folder of masks, which are white where the hole is'
      )
    self._paths = _list(self._root)
    if not self._paths:
      raise errors.UserError(
        f'masks.source={source} holds no mask (.png, .jpg and others); set '
        'masks.source to a folder of masks'
      )
    self._masks: dict[tuple[int, int], np.ndarray] = {}

  def read(self, height: int, width: int) -> np.ndarray:
    """Returns all masks, packed into bits: uint8 [N, ceil(height*width / 8)].

    A mask of another size is resized; a pixel of the result is hole if it
    overlaps any pixel that is. The first call for a size reads the files.

    Raises:
      errors.UserError: a file cannot be read, has another aspect, no hole, or
        no known pixel.
    """
    size = height, width
    if size not in self._masks:
      self._masks[size] = np.stack([self._pack(x, *size) for x in self._paths])
    return self._masks[size]

  def _pack(self, path: pathlib.Path, height: int, width: int) -> np.ndarray:
    hole, _ = mask_files.read(path, height, width)
    if hole.all() or not hole.any():
      found = 'no known pixel' if hole.all() else 'no hole'
      raise errors.UserError(
        f'the mask {path} has {found} at {width}x{height} pixels; remove it '
        f'from masks.source={self._root}'
      )
    return np.packbits(hole)


def _list(root: pathlib.Path) -> list[pathlib.Path]:
  """Returns the picture files below a folder, sorted."""
  endings = reading.extensions()
  return sorted(
    pathlib.Path(folder, name)
    for folder, _, names in os.walk(root, followlinks=True)
    for name in names
    if os.path.splitext(name)[1].lower() in endings and name[0] != '.'
  )
