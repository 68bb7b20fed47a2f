"""Folders for downloaded, built and compiled files."""

import hashlib
import os
import pathlib
import platform

import platformdirs

from inpaint_jax.system import errors, machine, user_paths


def folder(variable: str, name: str) -> pathlib.Path:
  """Returns a folder in the user's cache, which may not exist yet.

  Args:
    variable: environment variable; if it is set, it names the folder.
    name: name of the folder in inpaint_jax/ in the user's cache folder, on
      Linux $XDG_CACHE_HOME or ~/.cache.

  Raises:
    errors.UserError: the variable holds no local path, or there is no home
      folder.
  """
  if setting := os.environ.get(variable):
    return user_paths.local(setting, variable).absolute()
  try:
    return platformdirs.user_cache_path('inpaint_jax', appauthor=False) / name
  except RuntimeError as error:
    raise errors.UserError(
      f'there is no home folder to keep files in; set HOME or {variable} to a '
      'folder'
    ) from error


def compilation() -> dict[str, str]:
  """Returns environment variables that let JAX keep compiled programs.

  The next start of the same run then compiles almost nothing. Each kind of
  processor has its own folder, since programs for one may use instructions that
  another lacks, and machines may share a home folder.

  Returns:
    The variables; {} if the folder cannot be written to, since JAX would warn
    for each program, or if the user names a bucket, which is left to JAX.
  """
  variable = 'JAX_COMPILATION_CACHE_DIR'
  if '://' in os.environ.get(variable, ''):
    return {}
  try:
    # x86 and Arm name the field differently.
    parts = platform.machine(), *map(machine.cpu_field, ('flags', 'Features'))
    processor = hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]
    path = folder(variable, f'compiled/{processor}')
    path.mkdir(parents=True, exist_ok=True)
  except (OSError, errors.UserError):
    return {}
  if not os.access(path, os.W_OK):
    return {}
  return {
    variable: str(path),
    # Programs that compile in less time are not worth a file.
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.2',
  }
