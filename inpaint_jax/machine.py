"""What the machine at hand is."""

import os
import pathlib
import platform


def num_cores() -> int:
  """Returns how many cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def cpu_name() -> str:
  """Returns the processor's name, or that of its kind."""
  return cpu_field('model name') or platform.processor() or platform.machine()


def cpu_field(name: str) -> str:
  """Returns what Linux says of the first processor, '' if it says nothing.

  Args:
    name: of a line of /proc/cpuinfo, such as `flags`.
  """
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  except OSError:
    return ''
  fields = (line.partition(':') for line in lines)
  return next(
    (text.strip() for key, _, text in fields if key.strip() == name), ''
  )
