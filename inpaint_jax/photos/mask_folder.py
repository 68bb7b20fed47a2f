"""The mask files of a folder, as masks to train and test with."""

import functools
import hashlib
import os
import pathlib

import ml_collections
import numpy as np

from inpaint_jax.photos import folder_walk, mask_files, reading
from inpaint_jax.system import errors, user_paths

# The value of masks.kind for masks from files.
FILES = 'files'


def list_files(source: str) -> tuple[pathlib.Path, ...]:
  """Returns the masks below a folder, sorted; see folder_walk for which.

  Args:
    source: `config.masks.source`.

  Raises:
    errors.UserError: there is no such folder, or no mask in it.
  """
  root = user_paths.local(source, 'masks.source') if source else None
  if root is None or not root.is_dir():
    raise errors.UserError(
      f'masks.source={source!r} is no folder; set masks.source=DIR to a folder '
      'of masks, which are white where the hole is'
    )

  def fail(error: OSError) -> None:
    raise errors.UserError(
      f'masks.source={source}: {error.filename} cannot be listed '
      f'({error.strerror}); name a folder that can'
    )

  endings = reading.extensions()
  paths = sorted(
    pathlib.Path(folder, name)
    for folder, names in folder_walk.walk(str(root), fail)
    for name in names or ()
    if os.path.splitext(name)[1].lower() in endings and name[0] != '.'
  )
  if not paths:
    raise errors.UserError(
      f'masks.source={source} holds no mask (.png, .jpg and others); set '
      'masks.source to a folder of masks'
    )
  return tuple(paths)


def with_digest(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Returns a run's config with `masks.digest`, '' unless masks are from files.

  The digest is of the content of all files in the order of their paths: a run
  cannot continue with other masks, but their folder may move.

  Raises:
    errors.UserError: as `list_files`, or a file cannot be read.
  """
  is_of_files = config.masks.kind == FILES
  if not (is_of_files or config.masks.digest):
    return config
  config = config.copy_and_resolve_references()
  config.masks.digest = ''
  if not is_of_files:
    return config
  made = hashlib.sha256()
  for path in list_files(config.masks.source):
    advice = '; remove it from masks.source'
    with (
      errors.error_as(f'the mask {path} cannot be read', advice),
      path.open('rb') as file,
    ):
      made.update(hashlib.file_digest(file, 'sha256').digest())
  config.masks.digest = made.hexdigest()[:12]
  return config


def read(
  paths: tuple[pathlib.Path, ...], height: int, width: int
) -> np.ndarray:
  """Returns masks, packed into bits: uint8 [N, ceil(height * width / 8)].

  A mask of another size is resized; a pixel of the result is hole if it
  overlaps any pixel that is. What is odd about masks is printed, once.

  Raises:
    errors.UserError: a file cannot be read, has another aspect, no hole, or no
      known pixel.
  """
  stats = (path.stat() for path in paths)
  changed = tuple((x.st_mtime_ns, x.st_size) for x in stats)
  return _read(paths, changed, height, width)


@functools.lru_cache(maxsize=4)
def _read(
  paths: tuple[pathlib.Path, ...], changed: object, height: int, width: int
) -> np.ndarray:
  """Reads masks that have not `changed`; see `read`."""
  del changed
  odd: list[str] = []
  packed = [_pack(path, height, width, odd) for path in paths]
  if odd:
    print(f'{odd[0]}; {len(odd)} of {len(paths)} masks have such lines')
  return np.stack(packed)


def _pack(
  path: pathlib.Path, height: int, width: int, odd: list[str]
) -> np.ndarray:
  hole, notes = mask_files.read(path, height, width, of='each image')
  if not hole.any():
    raise errors.UserError(f'the mask {notes[-1]}; remove it, or mend it')
  if hole.all():
    raise errors.UserError(
      f'the mask {path} has no known pixel at {width}x{height} pixels; remove '
      'it from masks.source'
    )
  odd += notes[:1]
  return np.packbits(hole)
