"""Walks through a folder of photos or masks that a user names."""

from collections.abc import Callable, Iterator
import os
import pathlib

# A folder with all files of one of these sets was written by this program.
_OURS = (
  {'config.json', '.lock'},  # A run, from its start on.
  {'config.json', 'metrics.csv'},
  {'study.json', 'dataset.json'},
  {'dataset_info.json', 'features.json'},
)


def walk(
  root: str,
  onerror: Callable[[OSError], None],
  data_dir: pathlib.Path | None = None,
) -> Iterator[tuple[str, list[str] | None]]:
  """Yields each folder and the names of its files, from the root down.

  Hidden folders are left out. Links to folders are followed; each folder is
  visited once, so loops end.

  Args:
    onerror: called for a folder that cannot be listed.
    data_dir: the folder of built datasets.

  Yields:
    The folder, and its files; None for a folder that this program has written
    to (runs, studies and datasets), whose files and subfolders are left out.
  """
  visited = set()
  for folder, folders, names in os.walk(
    root, onerror=onerror, followlinks=True
  ):
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in visited:
      folders.clear()
      continue
    visited.add((status.st_dev, status.st_ino))
    if folder != root and (
      any(found <= {*names} for found in _OURS)
      or (data_dir and data_dir.is_dir() and data_dir.samefile(folder))
    ):
      folders.clear()
      yield folder, None
      continue
    folders[:] = sorted(name for name in folders if not name.startswith('.'))
    yield folder, names
