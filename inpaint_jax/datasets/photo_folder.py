"""Which photos a folder holds, in any layout."""

import collections
import dataclasses
import os
import pathlib

from inpaint_jax.photos import file_names, folder_walk, reading, unread_files
from inpaint_jax.system import errors, user_paths


@dataclasses.dataclass(frozen=True)
class Listing:
  """The files below a folder.

  Attributes:
    root: the folder.
    paths: sorted paths of the files with the extension of a photo, relative to
      `root`, with forward slashes.
    other_files: number of other files by extension, such as {'.txt': 2}; also
      of masks that lie next to their photos, and of folders left out.
    unreadable: (path, reason) of folders that cannot be listed, and of pipes
      and other special files with the extension of a photo.
  """

  root: str
  paths: list[str]
  other_files: dict[str, int]
  unreadable: list[tuple[str, str]]


def list_photos(
  root: str,
  data_dir: pathlib.Path | None = None,
  field: str = 'data.source',
) -> Listing:
  """Lists the photos below a folder.

  Hidden files and folders are left out, and so are the folders that this
  program has written to: runs, studies and built datasets. Links to folders
  are followed; each folder is visited once, so loops end.

  Args:
    root: the folder.
    data_dir: see `folder_walk.walk`.
    field: the field that holds the folder, for errors.

  Raises:
    errors.UserError: `root` is not a folder, or holds no photo.
  """
  root = root and str(user_paths.local(root, field))
  _check_folder(root, field)
  paths: list[str] = []
  other: collections.Counter[str] = collections.Counter()
  unreadable: list[tuple[str, str]] = []

  def add_unreadable(error: OSError) -> None:
    path = _relative(error.filename, root)
    unreadable.append((path, f'folder: {error.strerror}'))

  for folder, names in folder_walk.walk(root, add_unreadable, data_dir):
    if names is None:
      other['folders of runs and datasets'] += 1
      continue
    photos = _choose_photos(names, other)
    for name in photos:
      path = os.path.join(folder, name)
      # Opening a pipe would block until somebody writes to it.
      if os.path.exists(path) and not os.path.isfile(path):
        unreadable.append((_relative(path, root), 'not a regular file'))
      else:
        paths.append(_relative(path, root))
  if not paths:
    raise errors.UserError(_describe_none(root, field, other, unreadable))
  return Listing(root, sorted(paths), dict(sorted(other.items())), unreadable)


def _check_folder(root: str, field: str) -> None:
  if os.path.isdir(root):
    return
  found = f'{field}={root}'
  if not root:
    found = f"{field}='', and photos are needed"
  elif os.path.exists(root):
    found += ' is a file'
  else:
    found += ' does not exist'
  raise errors.UserError(f'{found}; set {field}=DIR to a folder of photos')


def _choose_photos(
  names: list[str], other: collections.Counter[str]
) -> list[str]:
  """Returns those files of a folder that are photos, and counts the others."""
  photos, unread = [], []
  for name in names:
    stem, extension = os.path.splitext(name)
    if name.startswith('.'):
      continue
    if extension.lower() in reading.extensions():
      photos.append((stem, name))
    else:
      other[extension.lower() or 'no extension'] += 1
      if extension.lower()[1:] in unread_files.ENDINGS:
        unread.append(stem)
  mask_names = file_names.find_masks([stem for stem, _ in photos], unread)
  kept = [name for stem, name in photos if stem not in mask_names]
  if mask_names:
    other['masks of photos'] += len(photos) - len(kept)
  return kept


def _describe_none(
  root: str,
  field: str,
  other: collections.Counter[str],
  unreadable: list[tuple[str, str]],
) -> str:
  """Returns a line on a folder without photos."""
  kinds = ', '.join(f'{ending}: {n}' for ending, n in other.items())
  found = f'{other.total()} other files ({kinds})' if other else 'no file'
  advice = unread_files.advise(other)
  if unreadable:
    found = f'what cannot be read ({unreadable[0][1]}), {found}'
  return (
    f'{field}={root} holds {found} and no photo (.jpg, .png, .webp, .tif and '
    'others); '
    + (f'{advice}; ' if advice else '')
    + f'set {field} to a folder of photos'
  )


def _relative(path: str, root: str) -> str:
  return os.path.relpath(path, root).replace(os.sep, '/')
