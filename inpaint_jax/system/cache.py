"""Where what was downloaded, built or compiled is kept."""

import hashlib
import os
import pathlib
import platform

from inpaint_jax.system import machine


def folder(variable: str, name: str) -> pathlib.Path:
  """Returns a folder of the user's cache, which need not exist yet.

  Args:
    variable: of the environment; if it is set, it names the folder.
    name: of the folder within inpaint_jax/ in the user's cache folder, which is
      $XDG_CACHE_HOME or ~/.cache.
  """
  setting = os.environ.get(variable, '')
  if setting:
    return pathlib.Path(setting).expanduser().absolute()
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(home) / 'inpaint_jax' / name


def compilation() -> dict[str, str]:
  """Returns environment variables that let JAX keep what it compiles.

  A second start of the same run then compiles next to nothing. A folder belongs
  to one kind of processor: a home folder may be shared by several, and programs
  of one may have instructions that another lacks.

  Returns:
    {} if the folder cannot be written to, of which JAX would warn at each
    program.
  """
  place = folder('JAX_COMPILATION_CACHE_DIR', f'compiled/{_processor()}')
  try:
    place.mkdir(parents=True, exist_ok=True)
  except OSError:
    return {}
  if not os.access(place, os.W_OK):
    return {}
  return {
    'JAX_COMPILATION_CACHE_DIR': str(place),
    # In seconds; what compiles faster is not worth a file.
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.2',
  }


def _processor() -> str:
  """Returns a few digits that tell apart processors of other instructions."""
  # Named so on x86, and on Arm.
  parts = platform.machine(), *map(machine.cpu_field, ('flags', 'Features'))
  return hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]
