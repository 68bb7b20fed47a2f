"""The processor of this machine, and memory in large pages."""

import contextlib
import os
import pathlib
import platform
import sys


def num_cores() -> int:
  """Returns the number of cores that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def cpu_name() -> str:
  """Returns the name of the processor, or of its architecture."""
  return cpu_field('model name') or platform.processor() or platform.machine()


def cpu_field(name: str) -> str:
  """Returns a field of /proc/cpuinfo, such as `flags`; '' if it is missing."""
  return _read_field('/proc/cpuinfo', name)


def peak_bytes(pid: int | str = 'self') -> int | None:
  """Returns the peak memory of a process, None if it is not known.

  Only Linux reports it. This is not ru_maxrss, which a process inherits from
  the one that started it.
  """
  # A process that has ended, but was not waited for, has no such line.
  kilobytes = _read_field(f'/proc/{pid}/status', 'VmHWM').removesuffix(' kB')
  return int(kilobytes) * 1024 if kilobytes else None


def _read_field(path: str, name: str) -> str:
  """Returns the value of the first line NAME: VALUE, '' if there is none."""
  with contextlib.suppress(OSError):
    for line in pathlib.Path(path).read_text().splitlines():
      key, _, value = line.partition(':')
      if key.strip() == name:
        return value.strip()
  return ''


def use_huge_pages() -> None:
  """Restarts this program with memory in pages of 2 MB, on Linux with glibc.

  That saves a third of a training step. glibc reads the setting only when a
  process starts. The restart keeps process id and arguments.

  Call this before anything else. It does nothing in a debugger, or if
  GLIBC_TUNABLES is set, as it is after the restart.
  """
  if 'GLIBC_TUNABLES' in os.environ or sys.gettrace():
    return
  if platform.libc_ver()[0] == 'glibc' and sys.executable:
    # Ignored by glibc before 2.35, and if the system has no such pages.
    os.environ['GLIBC_TUNABLES'] = 'glibc.malloc.hugetlb=1'
    # Some interpreters, embedded in other programs, cannot be started.
    with contextlib.suppress(OSError):
      os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
