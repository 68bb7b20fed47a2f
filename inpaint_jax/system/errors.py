"""Errors that a user can fix."""

from collections.abc import Collection, Iterator, Mapping, Sequence
import contextlib
import importlib.util
import os
from typing import Any, TypeVar

T = TypeVar('T')


class UserError(ValueError):
  """Something that the user can fix.

  The message is one line: what was found, what was wanted, what to change. It
  names fields, as `loss=x` or `data.source`; the command-line programs replace
  these by their flags (see command_line.add_flags), print the line without a
  traceback and exit with 1.
  """


def choose(registry: Mapping[str, T], name: str, field: str) -> T:
  """Returns `registry[name]`, or raises a UserError that lists the names."""
  check_name(registry, name, field)
  return registry[name]


def check_name(names: Collection[str], name: str, field: str) -> None:
  """Raises a UserError that lists the names if `name` is none of them."""
  if name not in names:
    known = ', '.join(sorted(names))
    raise UserError(f'{field}={name!r} is unknown; choose one of: {known}')


def check_shape(array: Any, shape: Sequence[int], maker: str) -> None:
  """Raises a UserError unless `maker` returned an array of this shape.

  For functions in registries: another shape may broadcast to wrong numbers.
  """
  found = getattr(array, 'shape', None)
  if found is None or tuple(found) != tuple(shape):
    what = type(array).__name__ if found is None else f'the shape {list(found)}'
    raise UserError(f'{maker} returns {what}; return an array {list(shape)}')


def check_installed(package: str, user: str, extra: str) -> None:
  """Raises a UserError if a package that `user` needs is not installed."""
  if importlib.util.find_spec(package) is None:
    raise UserError(
      f'{user} needs the package {package}, which is not installed: pip '
      f"install 'inpaint_jax[{extra}]'"
    )


@contextlib.contextmanager
def error_as(
  message: str,
  advice: str = '',
  kind: type[Exception] | tuple[type[Exception], ...] = OSError,
) -> Iterator[None]:
  """Makes an error in the block a UserError: message, reason, advice.

  The reason is one line, cut if it is long, but for that of a UserError, which
  ends with advice.

  Args:
    kind: the types of errors.
  """
  try:
    yield
  except kind as error:
    reason = getattr(error, 'strerror', None) or one_line(error)
    if isinstance(error, UserError):
      reason = str(error)
    raise UserError(f'{message}: {reason}{advice}') from error


def of_system(error: OSError) -> str:
  """Returns an error of the system as one line: the file and the reason."""
  if error.filename is not None:
    return f'{error.filename}: {error.strerror}'
  if is_folder_gone():
    return 'the current folder does not exist any more; change to another one'
  return error.strerror or one_line(error)


def is_folder_gone() -> bool:
  """Returns whether the current folder was deleted."""
  try:
    os.getcwd()
  except FileNotFoundError:
    return True
  return False


def one_line(error: object, limit: int = 200) -> str:
  """Returns the text of an error as one line of at most `limit` characters.

  An error without a text is named by its type.
  """
  return ' '.join(str(error).split())[:limit] or type(error).__name__
