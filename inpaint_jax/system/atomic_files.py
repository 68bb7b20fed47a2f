"""Files that are written completely or not at all."""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
import csv
import io
import os
import pathlib
import secrets
import shutil
import tempfile
from typing import Any

from inpaint_jax.system import errors


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields a temporary path, and renames it to `path` after the block.

  After an error in the block, the old file is still there. The same holds after
  a kill, which can also leave the hidden temporary file. If several processes
  write the same file at once, the last one wins. A symbolic link stays one, and
  the new file gets the permissions of the old one.
  """
  path = pathlib.Path(os.path.realpath(path))
  # Not a longer form of the name, which the file system may refuse, nor a
  # process id, which may occur twice on machines that share the folder.
  temporary = path.with_name(f'.{secrets.token_hex(8)}.tmp')
  try:
    yield temporary
    with contextlib.suppress(OSError):  # Such as: there is no old file.
      shutil.copymode(path, temporary)
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


def write(path: pathlib.Path, content: bytes) -> None:
  """Writes a file completely or not at all."""
  with replacing(path) as temporary:
    temporary.write_bytes(content)


def write_csv(
  path: pathlib.Path, header: Sequence[str], lines: Iterable[Sequence[Any]]
) -> None:
  """Writes a table, completely or not at all; None is an empty cell."""
  text = io.StringIO()
  csv.writer(text, lineterminator='\n').writerows([header, *lines])
  write(path, text.getvalue().encode())


def check_writable(path: pathlib.Path, name: str) -> None:
  """Raises a UserError unless a file can be written to `path`.

  Args:
    name: what errors call the path, such as `output=x.png`.
  """
  if path.is_dir():
    raise errors.UserError(f'{name} is a folder; name a file')
  advice = '; name a file in a folder that can be written to'
  with errors.error_as(f'{name} cannot be written', advice):
    tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))).close()
