"""Errors that a user can mend, and how they reach the terminal."""

from collections.abc import Callable, Mapping
import os
import sys
from typing import Any, TypeVar

T = TypeVar('T')


class UserError(ValueError):
  """Something that the user can mend.

  The message is one line: what was found, what was wanted, what to change. The
  command-line programs print it without a traceback and exit with 1.
  """


def choose(registry: Mapping[str, T], name: str, flag: str) -> T:
  """Returns `registry[name]`, or raises a UserError that lists the names.

  Args:
    registry: what there is to choose from.
    name: the user's choice.
    flag: what the user sets to choose, such as `--config.loss`.
  """
  if name not in registry:
    known = ', '.join(sorted(registry))
    raise UserError(f'{flag}={name!r} is unknown; choose one of: {known}')
  return registry[name]


def exit_with_line(main: Callable[..., Any], *args: Any) -> Any:
  """Calls `main(*args)`; a UserError becomes one line and exit code 1.

  So does an end of memory. Ctrl-C becomes one line and exit code 130.
  """
  try:
    return main(*args)
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    sys.exit(1)
  except (MemoryError, RuntimeError) as error:
    # XLA's errors are RuntimeErrors that begin with a code.
    reason = ' '.join(str(error).split())[:200]
    if not (
      isinstance(error, MemoryError) or reason.startswith('RESOURCE_EXHAUSTED')
    ):
      raise
    print(
      f'error: memory ran out ({reason or "no more from the system"}); close '
      'other programs, or ask for less, see "When memory or patience runs out" '
      'in README.md',
      file=sys.stderr,
    )
    sys.exit(1)
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a compilation that is under way crashes as Python winds up.
    os._exit(130)
