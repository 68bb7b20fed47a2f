"""Which photos a folder holds, in whatever layout."""

import collections
import dataclasses
import hashlib
import os

from inpaint_jax.photos import reading
from inpaint_jax.system import errors

FIELD = 'data.source'


@dataclasses.dataclass(frozen=True)
class Listing:
  """The files below a folder.

  Attributes:
    root: the folder.
    paths: files that may be photos by the ending of their names, relative to
      `root` with forward slashes, sorted.
    sizes: of each of them, in bytes.
    other_files: number of other files by ending, such as {'.txt': 2}.
    unreadable: (path, reason) of folders that cannot be listed.
  """

  root: str
  paths: list[str]
  sizes: list[int]
  other_files: dict[str, int]
  unreadable: list[tuple[str, str]]

  def fingerprint(self) -> str:
    """Returns 12 hex digits over paths and sizes, not times or the root."""
    digest = hashlib.sha256()
    for path, size in zip(self.paths, self.sizes, strict=True):
      digest.update(os.fsencode(path) + b'\0%d\0' % size)
    return digest.hexdigest()[:12]


def find(root: str) -> Listing:
  """Returns what lies below a folder.

  Hidden files and folders are left out. Links to folders are followed; each
  folder is visited once, so that loops end.

  Raises:
    errors.UserError: `root` is not a folder, or holds no photo.
  """
  if not root:
    raise errors.UserError(
      f"{FIELD}='', and photo_crops needs photos; set {FIELD}=DIR to a folder"
    )
  root = os.path.expanduser(root)
  if not os.path.exists(root):
    raise errors.UserError(
      f'{FIELD}={root} does not exist; set {FIELD} to a folder of photos'
    )
  if not os.path.isdir(root):
    raise errors.UserError(
      f'{FIELD}={root} is a file; set {FIELD} to the folder that holds it'
    )
  files: dict[str, int] = {}
  other: collections.Counter[str] = collections.Counter()
  unreadable = []

  def failed(error: OSError) -> None:
    path = _relative(error.filename, root)
    unreadable.append((path, f'folder: {error.strerror}'))

  visited = set()
  for folder, folders, names in os.walk(root, onerror=failed, followlinks=True):
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in visited:
      folders.clear()
      continue
    visited.add((status.st_dev, status.st_ino))
    folders[:] = sorted(name for name in folders if not name.startswith('.'))
    for name in names:
      if name.startswith('.'):
        continue
      ending = os.path.splitext(name)[1].lower()
      if ending not in reading.extensions():
        other[ending or 'no ending'] += 1
        continue
      path = os.path.join(folder, name)
      try:
        size = os.stat(path).st_size
      except OSError:  # A broken link: reading it will say so.
        size = 0
      files[_relative(path, root)] = size
  if not files:
    found = _count(other) if other else 'no file'
    if unreadable:
      found = f'folders that cannot be read ({unreadable[0][1]}), {found}'
    raise errors.UserError(
      f'{FIELD}={root} holds {found} and no photo (endings such as .jpg, .png, '
      f'.webp, .tif); set {FIELD} to a folder of photos'
    )
  paths = sorted(files)
  sizes = [files[path] for path in paths]
  return Listing(root, paths, sizes, dict(sorted(other.items())), unreadable)


def _relative(path: str, root: str) -> str:
  return os.path.relpath(path, root).replace(os.sep, '/')


def _count(other: dict[str, int]) -> str:
  """Returns such as '3 other files (.txt: 2, .json: 1)'."""
  kinds = ', '.join(f'{ending}: {n}' for ending, n in other.items())
  return f'{sum(other.values())} other files ({kinds})'
