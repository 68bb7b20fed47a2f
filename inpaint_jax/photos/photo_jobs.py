"""Decides which photo is filled by which mask, and where the result goes."""

import collections
from collections.abc import Sequence
import pathlib
from typing import NamedTuple

from inpaint_jax.photos import file_names, formats, reading, unread_files
from inpaint_jax.system import errors

# The most files that are named in a line.
_MAX_NAMES = 10


class Job(NamedTuple):
  """A photo to fill.

  Attributes:
    mask: path of the mask; None = the hole is the transparent part of the
      photo, or what is added around it.
    problem: why the photo cannot be filled; '' = no reason is known.
  """

  photo: pathlib.Path
  mask: pathlib.Path | None
  out: pathlib.Path
  problem: str = ''


def is_done(job: Job, outs: Sequence[pathlib.Path]) -> bool:
  """Returns whether all results of a job are newer than its files."""
  inputs = [path for path in (job.photo, job.mask) if path]
  try:
    newest = max(path.stat().st_mtime_ns for path in inputs)
    oldest = min(path.stat().st_mtime_ns for path in outs)
    return not job.problem and oldest > newest
  except OSError:
    return False


def list_jobs(
  folder: pathlib.Path, masks: pathlib.Path | None, out: pathlib.Path
) -> tuple[list[Job], list[str]]:
  """Returns a job for each photo of a folder, in the order of their names.

  Args:
    folder: folder of photos. NAME_mask next to the photo NAME is a mask.
    masks: a folder of masks, each called NAME or NAME_mask for the photo NAME
      (in the same folder, always NAME_mask); or one mask for all; or None.
    out: folder of the results, which need not exist. Photos in formats that
      cannot be written become PNG files there.

  Returns:
    The jobs, and lines that name the files that are passed by.

  Raises:
    errors.UserError: there are no photos or no masks, or the results would
      overwrite inputs.
  """
  if out.exists() and not out.is_dir():
    raise errors.UserError(
      f'{folder} is a folder, and the result {out} is a file; name a folder'
    )
  for taken in (folder, masks):
    if taken and taken.is_dir() and _is_same(out, taken):
      raise errors.UserError(
        f'the results in {out} would overwrite inputs; name another folder'
      )
  photos, choices, lines = _sort_files(folder, masks)
  jobs, results = [], set()
  by_photo = _by_photo(choices or [])
  lone = set(choices or [])
  for photo in photos:
    mask, problem = masks, ''
    if choices is not None:
      named = by_photo.get(file_names.key(photo.stem), [])
      lone -= {path for _, path in named}
      mask, problem = _choose_mask(photo, named)
    is_written = photo.suffix.lower() in formats.SUFFIXES
    result = out / (photo.name if is_written else f'{photo.stem}.png')
    if result in results:
      problem = f'another photo has the result {result}, too; rename one'
    results.add(result)
    jobs.append(Job(photo, mask, result, problem))
  if lone:
    names = _list_names(sorted(lone), 'mask')
    lines.append(f'left out {names} without a photo')
  return jobs, lines


def find_photos(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the photos of a folder, without masks, in the order of their names.

  Raises:
    errors.UserError: there are no photos.
  """
  return _sort_files(folder, None)[0]


def _sort_files(
  folder: pathlib.Path, masks: pathlib.Path | None
) -> tuple[list[pathlib.Path], list[pathlib.Path] | None, list[str]]:
  """Returns photos, masks to choose from, and lines on what is passed by.

  There are no masks to choose from (None) if all photos have the same mask, or
  none.
  """
  images, unread, lines = _scan(folder)
  mask_names = file_names.find_masks(
    [image.stem for image in images], [file.stem for file in unread]
  )
  here = [image for image in images if image.stem in mask_names]
  left_out, choices = _part_masks(images, here, folder, masks)
  if choices == []:
    raise errors.UserError(
      f'the folder {masks} has no masks in it; a mask has the name of its '
      'photo, or NAME_mask beside the photo NAME'
    )
  photos = sorted(set(images) - set(left_out))
  if not photos:
    found = '; '.join(['no photos in it', *lines])
    raise errors.UserError(
      f'the folder {folder} has {found}; name one that has'
    )
  if left_out:
    lines.append(f'left out {_list_names(left_out, "mask")}')
    if masks is None:
      lines[-1] += f'; to fill by them, name {folder} as that of the masks, too'
  return photos, choices, lines


def _part_masks(
  images: list[pathlib.Path],
  here: list[pathlib.Path],
  folder: pathlib.Path,
  masks: pathlib.Path | None,
) -> tuple[list[pathlib.Path], list[pathlib.Path] | None]:
  """Returns the images that are masks, and the masks to choose from.

  There is no choice (None) if all photos have the same mask, or none.
  """
  if masks and masks.is_file():
    same = {image for image in images if _is_same(image, masks)}
    return sorted(same.union(here)), None
  if masks is None or not masks.is_dir():
    return here, None
  if masks.samefile(folder):
    return here, here
  choices = _scan(masks)[0]
  names = {file_names.key(mask.stem) for mask in choices}
  # 'gas mask.jpg' next to gas.jpg is a photo if both have masks of their names.
  left_out = [
    image
    for image in here
    if file_names.key(image.stem) not in names
    or not file_names.is_mask(image.stem, names)
  ]
  return left_out, choices


def _is_same(path: pathlib.Path, other: pathlib.Path) -> bool:
  return path.exists() and path.samefile(other)


def _by_photo(
  masks: Sequence[pathlib.Path],
) -> dict[str, list[tuple[str, pathlib.Path]]]:
  """Returns masks by the key of their photo's name, each with that name.

  If there are masks of exactly that name, those called NAME_mask are left out.
  """
  own, marked = collections.defaultdict(list), collections.defaultdict(list)
  for mask in masks:
    own[file_names.key(mask.stem)].append((mask.stem, mask))
    for name in file_names.list_photos(mask.stem):
      marked[file_names.key(name)].append((name, mask))
  return marked | own


def _choose_mask(
  photo: pathlib.Path, named: Sequence[tuple[str, pathlib.Path]]
) -> tuple[pathlib.Path | None, str]:
  """Returns the mask of a photo, or None and the problem.

  `named` is what `_by_photo` has of it.
  """
  # The mask whose name is spelt in the same way is preferred.
  for spell in (str, file_names.composed, file_names.key):
    own = [mask for name, mask in named if spell(name) == spell(photo.stem)]
    if own:
      break
  if len(own) == 1:
    return own[0], ''
  if not own:
    return None, (
      f'there is no mask for it, such as {photo.stem}.png or '
      f'{photo.stem}_mask.png'
    )
  names = ', '.join(mask.name for mask in own)
  return None, f'there are {len(own)} masks for it: {names}; keep one'


def _scan(
  folder: pathlib.Path,
) -> tuple[list[pathlib.Path], list[pathlib.Path], list[str]]:
  """Returns images, photos of unread types, and lines on all but the images."""
  images, unread, other, folders = [], [], [], []
  for path in sorted(folder.iterdir()):
    ending = path.suffix.lower()
    if path.name.startswith('.'):
      continue
    if path.is_dir():
      folders.append(path)
    elif ending in reading.extensions():
      images.append(path)
    elif ending[1:] in unread_files.ENDINGS:
      unread.append(path)
    else:
      other.append(path)
  lines = []
  if unread:
    lines.append(
      f'passed by {_list_names(unread, "file")}, of types that are not read; '
      + unread_files.remedy(file.suffix for file in unread)
    )
  if other:
    lines.append(f'passed by {_list_names(other, "other file")}')
  if folders:
    lines.append(f'passed by {_list_names(folders, "folder")}')
  return images, unread, lines


def _list_names(paths: Sequence[pathlib.Path], kind: str) -> str:
  """Returns a text such as '2 masks (a.png, b.png)', which may end on '...'."""
  names = [path.name for path in paths[:_MAX_NAMES]]
  names += ['...'] * (len(paths) > _MAX_NAMES)
  return f'{len(paths)} {kind}{"s" * (len(paths) > 1)} ({", ".join(names)})'
