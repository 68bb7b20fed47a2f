"""What the machine at hand is, and how a program uses its memory."""

import ctypes
import os
import pathlib
import platform

# Of mallopt, from glibc's malloc.h.
_M_MXFAST, _M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = 1, -1, -4, -8

_DEVICES = pathlib.Path('/dev')


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


def has_accelerator() -> bool:
  """Returns whether Linux has a device of NVIDIA, AMD or Google TPU."""
  names = ('nvidia[0-9]*', 'kfd', 'accel[0-9]*', 'vfio/[0-9]*')
  return any(any(_DEVICES.glob(name)) for name in names)


def keep_memory() -> bool:
  """Lets a program keep the memory that it frees, for its next allocation.

  For programs that allocate the same large arrays again and again, before JAX
  is imported. XLA takes the memory of a step anew in each, on a CPU; as glibc
  has it, gigabytes go back to the system and come again page by page, which
  took a quarter of the time of a training step. With one heap, from which
  nothing is mapped apart and nothing is returned, it takes none. The price is
  that a process stays as large as it once was, with holes between what the
  threads that read pictures have freed: 4.3 GB instead of 2.1 with 4,500 crops
  of 256x256 and a tiny net.

  Does nothing where the environment sets an allocator (LD_PRELOAD) or how it
  works (MALLOC_..., GLIBC_TUNABLES), without glibc, or beside an accelerator,
  whose memory is what a step then takes.

  Returns:
    Whether memory is kept.
  """
  if any(
    name.startswith('MALLOC_') or name in ('GLIBC_TUNABLES', 'LD_PRELOAD')
    for name in os.environ
  ):
    return False
  if platform.libc_ver()[0] != 'glibc' or has_accelerator():
    return False
  libc = ctypes.CDLL(None)
  options = {
    _M_ARENA_MAX: 1,
    _M_MMAP_MAX: 0,
    _M_TRIM_THRESHOLD: -1,
    # Else the splinters that an aligned block leaves at its ends are kept apart
    # from it: glibc before 2.38 then does not find the freed block large enough
    # for the next one of its size, and the process grows to twice as much.
    _M_MXFAST: 0,
  }
  return all(libc.mallopt(name, value) for name, value in options.items())
