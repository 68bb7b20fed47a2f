"""Paths as users write them."""

import os
import pathlib
import re
import urllib.parse
import urllib.request

from inpaint_jax.system import errors


def local(path: str | os.PathLike[str], name: str = '') -> pathlib.Path:
  """Returns the path of a file or folder on this machine.

  A leading ~ is the home folder, and file://... is the path that it names.

  Args:
    name: the field that holds the path, such as `workdir`, for errors; '' =
      none.

  Raises:
    errors.UserError: `path` is an address of another place, such as gs://...,
      or there is no home folder.
  """
  text = os.fspath(path)
  shown = f'{name}={text}' if name else text
  # At least two letters: one is a drive of Windows. pathlib keeps one slash.
  scheme = re.match(r'([A-Za-z][A-Za-z0-9+.-]+):/', text)
  if scheme:
    with errors.error_as(f'{shown} is no address', kind=ValueError):
      parts = urllib.parse.urlsplit(text)
    if parts.scheme != 'file' or parts.netloc not in ('', 'localhost'):
      raise errors.UserError(
        f'{shown} is not on this machine; mount or copy it, and name its path'
      )
    text = urllib.request.url2pathname(parts.path)
  try:
    return pathlib.Path(text).expanduser()
  except RuntimeError as error:
    raise errors.UserError(
      f'{shown}: there is no home folder here; name the path without ~'
    ) from error


def check_utf8(path: pathlib.Path, name: str) -> None:
  """Raises a UserError unless the libraries in C++ can use a path.

  They need UTF-8. Names in other encodings fail, and so do all names beyond
  ASCII if Python was told that names are ASCII.
  """
  try:
    str(path.absolute()).encode()
  except UnicodeEncodeError as error:
    raise errors.UserError(
      f'{name}={path} is not UTF-8; name another folder, or set PYTHONUTF8=1'
    ) from error
