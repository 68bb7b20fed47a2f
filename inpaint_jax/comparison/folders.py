"""Fillings made elsewhere: folders of photos, of masks and of results."""

from collections.abc import Iterator, Mapping, Sequence
import os
import pathlib

import numpy as np

from inpaint_jax.comparison import cases
from inpaint_jax.photos import file_names, mask_files, photo_jobs, reading
from inpaint_jax.system import errors


def read(
  photos: pathlib.Path,
  masks: pathlib.Path,
  results: Sequence[pathlib.Path],
) -> Iterator[tuple[cases.Case, dict[str, np.ndarray]]]:
  """Yields cases in the order of their names, with the fillings of each.

  The known pixels of a filling are those of its photo. Photos whose masks have
  no hole are left out, with a line.

  Args:
    photos: a folder of photos.
    masks: a folder of masks, each called NAME or NAME_mask for the photo NAME;
      or one mask for all.
    results: folders of fillings, each called like its photo.

  Yields:
    A case, and {str(result): uint8 [H, W, 3]}.

  Raises:
    errors.UserError: a photo has no mask or no filling, these cannot be read
      or have another size, or no photo is left.
  """
  _check_folder(photos, 'photos')
  by_name = {str(folder): _by_name(folder) for folder in results}
  # Nothing is written, so that any folder that does not exist will do.
  jobs, _ = photo_jobs.list_jobs(photos, masks, photos / 'no such folder')
  are_left = False
  for job in jobs:
    if job.problem or job.mask is None:
      raise errors.UserError(f'{job.photo}: {job.problem or "no mask"}')
    truth = _read(job.photo)
    hole, _ = mask_files.read(job.mask, *truth.shape[:2], photo=truth)
    if not hole.any():
      print(f'{job.photo.name} is left out: {job.mask} has no hole')
      continue
    are_left = True
    case = cases.Case(job.photo.stem, truth, hole)
    yield case, {x: _filling(case, x, by_name[x]) for x in by_name}
  if not are_left:
    raise errors.UserError(
      f'no mask of masks={masks} has a hole; masks are white where it is'
    )


def _filling(
  case: cases.Case, folder: str, paths: Mapping[str, pathlib.Path]
) -> np.ndarray:
  path = paths.get(file_names.key(case.name))
  if path is None:
    raise errors.UserError(
      f'filled={folder} has no filling of {case.name}; add {case.name}.png, or '
      'take the photo away'
    )
  filled = _read(path)
  if filled.shape != case.truth.shape:
    height, width = case.truth.shape[:2]
    raise errors.UserError(
      f'{path} is {filled.shape[1]}x{filled.shape[0]} pixels, its photo '
      f'{width}x{height}; bring the filling to the size of its photo'
    )
  return np.where(case.hole[..., None], filled, case.truth)


def _read(path: pathlib.Path) -> np.ndarray:
  """Returns the pixels of a photo, uint8 [H, W, 3]."""
  with reading.unreadable_as_user_error(str(path)):
    return np.asarray(reading.read(str(path)))


def _by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns the images of a folder by the keys of their names."""
  _check_folder(folder, 'filled')
  endings = reading.extensions()
  return {
    file_names.key(path.stem): path
    for path in sorted(folder.iterdir())
    if path.suffix.lower() in endings
  }


def _check_folder(folder: pathlib.Path, name: str) -> None:
  if not os.path.isdir(folder):
    raise errors.UserError(f'{name}={folder} is no folder; name one')
