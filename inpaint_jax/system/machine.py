"""What the machine at hand is, and memory in large pages."""

import contextlib
import os
import pathlib
import platform
import sys


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


def use_huge_pages() -> None:
  """Starts this program anew with memory in pages of 2 MB, where that helps.

  For programs that run long on a CPU, before they do anything. XLA takes the
  memory of a step anew in each, gigabytes, and gives it back; in pages of 4 KB
  a fifth of a training step went by in fetching them, on two cores of an AMD
  EPYC 9004. On many Linux systems a program has to ask for larger ones, and
  glibc, whose memory it is, takes the wish from the environment alone, as a
  process starts.

  A process started anew keeps its number and its arguments. Does nothing where
  the environment has a say in it (GLIBC_TUNABLES), as it has after the new
  start; without glibc; and in a debugger, which would lose the program.
  """
  if 'GLIBC_TUNABLES' in os.environ or sys.gettrace():
    return
  if platform.libc_ver()[0] != 'glibc' or not sys.executable:
    return
  # Names that it does not know are passed over by glibc before 2.35, and pages
  # stay as they are where the system has no others.
  os.environ['GLIBC_TUNABLES'] = 'glibc.malloc.hugetlb=1'
  # An interpreter that may not be started from within some other program.
  with contextlib.suppress(OSError):
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
