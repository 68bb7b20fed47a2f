"""SHA-256 of files, which are read again only when they have changed."""

import contextlib
import hashlib
import os
import pathlib
from typing import Any

from tqdm.contrib import concurrent

from inpaint_jax.system import errors, json_files, machine


def read(root: str, paths: list[str], memory: pathlib.Path) -> list[str]:
  """Returns the digest of each file in hex, '' for one that cannot be read.

  Digests are kept in `memory` with the size, times and inode of each file. A
  file is read again if one of these differs. The system sets the change time,
  so a file with other content cannot pass for the old one.

  Args:
    root: the folder of the files.
    paths: paths of the files, relative to `root`.
    memory: a JSON file; if it cannot be written, every start reads all files.
  """
  known: dict[str, Any] = {}
  with contextlib.suppress(errors.UserError):
    known = json_files.read(memory)
  stamps = {path: _stamp(os.path.join(root, path)) for path in paths}
  changed = [p for p in paths if known.get(p, [''])[1:] != stamps[p]]
  digests = {path: entry[0] for path, entry in known.items()}
  if changed:
    new = concurrent.thread_map(
      lambda path: _digest(os.path.join(root, path)),
      changed,
      max_workers=machine.num_cores(),
      desc='reading files',
      unit='',
      disable=None,
    )
    digests.update(zip(changed, new, strict=True))
  entries = {path: [digests[path], *stamps[path]] for path in paths}
  if entries != known:
    with contextlib.suppress(OSError):
      memory.parent.mkdir(parents=True, exist_ok=True)
      json_files.write(memory, entries)
  return [digests[path] for path in paths]


def _stamp(path: str) -> list[int]:
  try:
    status = os.stat(path)
  except OSError:  # A broken link.
    return [-1]
  return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _digest(path: str) -> str:
  try:
    with open(path, 'rb') as file:
      return hashlib.file_digest(file, 'sha256').hexdigest()
  except OSError:
    return ''
