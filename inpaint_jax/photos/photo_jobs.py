"""Which photo is filled by which mask, and where the result goes."""

from collections.abc import Sequence
import pathlib
from typing import NamedTuple

from inpaint_jax.photos import formats, reading
from inpaint_jax.system import errors


class Job(NamedTuple):
  """A photo to fill.

  Attributes:
    photo: its path.
    mask: the path of its mask; None = the hole is what is transparent, or what
      is added around the photo.
    out: the path of the result.
    problem: why it cannot be filled; '' = no reason is known.
  """

  photo: pathlib.Path
  mask: pathlib.Path | None
  out: pathlib.Path
  problem: str = ''


def is_done(job: Job) -> bool:
  """Returns whether a job's result is newer than its photo and its mask."""
  inputs = [path for path in (job.photo, job.mask) if path]
  try:
    newest = max(path.stat().st_mtime_ns for path in inputs)
    return not job.problem and job.out.stat().st_mtime_ns > newest
  except OSError:
    return False


def list_jobs(
  folder: pathlib.Path, masks: pathlib.Path | None, out: pathlib.Path
) -> list[Job]:
  """Returns a job for each photo of a folder, in the order of their names.

  Args:
    folder: of photos; skips hidden files and those with other endings.
    masks: a folder of masks, which have the name of their photo but for the
      ending; one mask for all; or None.
    out: a folder, which need not exist. Photos in formats that cannot be
      written become PNG files there.

  Raises:
    errors.UserError: there are no photos, or the results would be among them.
  """
  if out.exists() and not out.is_dir():
    raise errors.UserError(
      f'{folder} is a folder, and the result {out} is a file; name a folder'
    )
  for taken in (folder, masks):
    if taken and taken.is_dir() and out.exists() and out.samefile(taken):
      raise errors.UserError(
        f'the results in {out} would overwrite inputs; name another folder'
      )
  photos = _list_images(folder)
  if not photos:
    raise errors.UserError(
      f'the folder {folder} has no photos in it; name one that has'
    )
  choices = _list_images(masks) if masks and masks.is_dir() else None
  jobs, results = [], set()
  for photo in photos:
    mask, problem = masks, ''
    if choices is not None:
      mask, problem = _find_mask(photo, choices)
    is_written = photo.suffix.lower() in formats.SUFFIXES
    result = out / (photo.name if is_written else f'{photo.stem}.png')
    if result in results:
      problem = f'another photo has the result {result}, too; rename one'
    results.add(result)
    jobs.append(Job(photo, mask, result, problem))
  return jobs


def _find_mask(
  photo: pathlib.Path, masks: Sequence[pathlib.Path]
) -> tuple[pathlib.Path | None, str]:
  """Returns the mask of a photo, or None and the problem."""
  own = [mask for mask in masks if mask.stem == photo.stem]
  if len(own) == 1:
    return own[0], ''
  if not own:
    return None, f'there is no mask for it, such as {photo.stem}.png'
  names = ', '.join(mask.name for mask in own)
  return None, f'there are {len(own)} masks for it: {names}; keep one'


def _list_images(folder: pathlib.Path) -> list[pathlib.Path]:
  return sorted(
    path
    for path in folder.iterdir()
    if path.suffix.lower() in reading.extensions()
    and not path.name.startswith('.')
    and not path.is_dir()
  )
