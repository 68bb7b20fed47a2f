"""The package can be imported where the POSIX modules are missing."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Imports each module of the package while its imports of POSIX modules fail.
# Other packages may import them: they ask the platform, which is not Windows.
_PROGRAM = """
import builtins, importlib, os, pathlib, signal, sys
# Patch nothing while these are imported.
from absl import flags
import filelock, jax, platformdirs, tensorflow_datasets

MISSING = {'fcntl', 'grp', 'pwd', 'resource', 'termios'}
for module, names in (
  (os, 'fork getuid geteuid killpg sched_getaffinity sched_setaffinity setsid'),
  (signal, 'SIGALRM SIGHUP SIGKILL SIGUSR1 pthread_sigmask'),
):
  for name in names.split():
    delattr(module, name)
real = builtins.__import__

def import_module(name, globals=None, *args, **kwargs):
  importer = (globals or {}).get('__name__', '')
  if name in MISSING and importer.startswith('inpaint_jax'):
    raise ImportError(f'{importer} imports {name}')
  return real(name, globals, *args, **kwargs)

builtins.__import__ = import_module
for path in sorted(pathlib.Path('inpaint_jax').rglob('*.py')):
  # Two commands may have the same flag.
  for flag in list(flags.FLAGS):
    delattr(flags.FLAGS, flag)
  name = '.'.join(path.with_suffix('').parts).removesuffix('.__init__')
  try:
    importlib.import_module(name)
  except ModuleNotFoundError as error:
    if error.name.startswith('inpaint_jax'):
      raise
    # One of the optional packages is not installed.
  except Exception as error:
    print(f'{name}: {error}', file=sys.stderr)
"""


@pytest.mark.slow
def test_no_module_needs_posix_to_be_imported():
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert (result.stderr, result.returncode) == ('', 0)
