"""Memory of a process, as Linux counts it."""

import pathlib


def peak(pid: int | str = 'self') -> int | None:
  """Returns the most bytes that a process has had in memory, so far.

  Not ru_maxrss, in which a process inherits what the one that started it had.
  None where the system does not tell: only Linux does.
  """
  return _field(pid, 'VmHWM')


def resident(pid: int | str = 'self') -> int | None:
  """Returns the bytes that a process has in memory now, None as in `peak`."""
  return _field(pid, 'VmRSS')


def _field(pid: int | str, name: str) -> int | None:
  try:
    lines = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
  except OSError:
    return None
  for line in lines:
    if line.startswith(f'{name}:'):
      return int(line.split()[1]) * 1024
  return None  # A process that has ended, but was not waited for.
