"""Fillings made elsewhere: folders of photos, of masks and of results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import os
import pathlib

import numpy as np
from PIL import ImageOps

from inpaint_jax.comparison import cases
from inpaint_jax.photos import file_names, mask_files, photo_jobs, reading
from inpaint_jax.system import errors


def read(
  photos: pathlib.Path, masks: pathlib.Path, results: Sequence[pathlib.Path]
) -> Iterator[tuple[cases.Case, dict[str, np.ndarray]]]:
  """Returns cases in the order of their names, with the fillings of each.

  All files are checked before the first case is read. The known pixels of a
  filling are those of its photo. Photos whose masks have no hole are left out,
  with a line, and so are files that are passed by.

  Args:
    photos: a folder of photos.
    masks: a folder of masks, each called NAME or NAME_mask for the photo NAME;
      or one mask for all.
    results: folders of fillings, each called like its photo.

  Returns:
    Cases, each with {str(result): uint8 [H, W, 3]}. To take the next one raises
    a UserError if a filling is transparent in its hole.

  Raises:
    errors.UserError: a photo has no mask or no filling, these cannot be read
      or have another size, two photos or fillings have the same name, or no
      photo is left.
  """
  _check_folder(photos, 'photos')
  # Nothing is written, so that any folder that does not exist will do.
  jobs, lines = photo_jobs.list_jobs(photos, masks, photos / 'no such folder')
  for line in lines:
    print(line)
  _by_name(job.photo for job in jobs)
  by_name = {str(folder): _list_fillings(folder) for folder in results}
  checked = []
  for job in jobs:
    if job.problem or job.mask is None:
      raise errors.UserError(f'{job.photo}: {job.problem or "no mask"}')
    size = _size(job.photo)
    hole, _ = mask_files.read(job.mask, *size)
    if not hole.any():
      print(f'{job.photo.name} is left out: {job.mask} has no hole')
      continue
    found = {x: _find(job.photo, size, x, by_name[x]) for x in by_name}
    checked.append((job.photo, job.mask, found))
  if not checked:
    raise errors.UserError(
      f'no mask of masks={masks} has a hole; masks are white where it is'
    )
  return (_read_case(*files) for files in checked)


def _find(
  photo: pathlib.Path,
  size: tuple[int, int],
  folder: str,
  paths: Mapping[str, pathlib.Path],
) -> pathlib.Path:
  """Returns the filling of a photo of a size (height, width)."""
  name = photo.stem
  path = paths.get(file_names.key(name))
  if path is None:
    raise errors.UserError(
      f'filled={folder} has no filling of {name}; add {name}.png, or take the '
      'photo away'
    )
  height, width = _size(path)
  if (height, width) != size:
    raise errors.UserError(
      f'{path} is {width}x{height} pixels, its photo {size[1]}x{size[0]}; '
      'bring the filling to the size of its photo'
    )
  return path


def _read_case(
  photo: pathlib.Path, mask: pathlib.Path, found: Mapping[str, pathlib.Path]
) -> tuple[cases.Case, dict[str, np.ndarray]]:
  truth, is_clear = _read(photo)
  hole, _ = mask_files.read(mask, *truth.shape[:2], photo=truth)
  fillings = {}
  for folder, path in found.items():
    filled, is_unfilled = _read(path)
    # A photo may be transparent itself.
    if (is_unfilled & ~is_clear & hole).any():
      raise errors.UserError(
        f'{path} is transparent in the hole, as if it were not filled; fill '
        'it, or save it without transparency'
      )
    fillings[folder] = np.where(hole[..., None], filled, truth)
  return cases.Case(photo.stem, truth, hole), fillings


def _read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Returns a photo over white, uint8 [H, W, 3], and where it is transparent.

  The latter is bool [H, W], True = less than half opaque.
  """
  with (
    reading.unreadable_as_user_error(str(path)),
    reading.opened(str(path)) as image,
  ):
    # In place: a copy would have no tags, which say whether white is 0.
    ImageOps.exif_transpose(image, in_place=True)
    pixels = np.asarray(reading.to_rgb(image))
    if not image.has_transparency_data:
      return pixels, np.zeros(pixels.shape[:2], bool)
    # Over black, each channel is darker by 255 minus alpha.
    black = np.asarray(reading.to_rgb(image, 'black'))
    return pixels, (pixels - black)[..., 0] > 127


def _size(path: pathlib.Path) -> tuple[int, int]:
  with reading.unreadable_as_user_error(str(path)):
    return reading.size(str(path))


def _list_fillings(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns the images of a folder by the keys of their names."""
  _check_folder(folder, 'filled')
  endings = reading.extensions()
  images = (x for x in folder.iterdir() if x.suffix.lower() in endings)
  return _by_name(sorted(images))


def _by_name(paths: Iterable[pathlib.Path]) -> dict[str, pathlib.Path]:
  """Returns files by the keys of their names, which must differ."""
  by_name: dict[str, pathlib.Path] = {}
  for path in paths:
    other = by_name.setdefault(file_names.key(path.stem), path)
    if other is not path:
      raise errors.UserError(
        f'{other} and {path.name} have the same name, by which photos and '
        'fillings are matched; rename or remove one'
      )
  return by_name


def _check_folder(folder: pathlib.Path, name: str) -> None:
  if not os.path.isdir(folder):
    raise errors.UserError(f'{name}={folder} is no folder; name one')
