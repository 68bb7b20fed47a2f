"""From the command line to a main function, with errors of one line."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# A program with a config, which prints what it was given.
_PROGRAM = """
from absl import flags
from ml_collections import config_flags
from inpaint_jax.system import command_line, errors

CONFIG = config_flags.DEFINE_config_file('config')

def main(argv):
  if 'fail' in argv:
    raise errors.UserError('mend this')
  print(CONFIG.value.loss, CONFIG.value.model.features, argv[1:])

command_line.run(main, 'configs/smoke.py')
"""


def _run(*flags):
  return subprocess.run(
    [sys.executable, '-c', _PROGRAM, *flags],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


@pytest.mark.parametrize(
  ('flags', 'printed'),
  [
    ([], 'mse (4, 8, 16) []'),
    (['--config.loss=l1', 'a'], "l1 (4, 8, 16) ['a']"),
    (['--config=configs/unet.py'], 'mse (64, 128, 256) []'),
    (['--config', 'configs/unet.py'], 'mse (64, 128, 256) []'),
    (['--config.model.features=(1,2,3)'], 'mse (1, 2, 3) []'),
  ],
)
def test_flags_and_overrides(flags, printed):
  result = _run(*flags)
  assert (result.stdout.strip(), result.returncode) == (printed, 0)


@pytest.mark.parametrize('config', [[], ['--config', 'configs/smoke.py']])
def test_a_misspelt_field_names_the_choices(config):
  result = _run(*config, '--config.los=l1')
  assert result.returncode == 2
  assert result.stderr.count('\n') == 1
  assert 'the fields of --config are: accumulate_steps' in result.stderr


def test_a_user_error_is_one_line():
  result = _run('fail')
  assert (result.stderr, result.returncode) == ('error: mend this\n', 1)


def test_help_does_not_wait_for_jax():
  code = (
    'import sys; sys.argv = ["main.py", "--help"]; import runpy\n'
    'try: runpy.run_path("main.py", run_name="__main__")\n'
    'except SystemExit: print("jax" in sys.modules)'
  )
  result = subprocess.run(
    [sys.executable, '-c', code],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.endswith('False\n')
