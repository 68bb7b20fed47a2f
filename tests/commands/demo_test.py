"""What the command of the page says about wrong flags, before it starts."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def run(*flags):
  return subprocess.run(
    [sys.executable, str(ROOT / 'scripts' / 'demo.py'), *flags],
    capture_output=True,
    text=True,
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flag', 'message'),
  [('photo.png', "'photo.png' is no flag"), ('--port=0', 'flag --port=0')],
)
def test_a_wrong_flag_ends_with_one_line(flag, message):
  result = run(flag)
  assert result.returncode in (1, 2)
  assert message in result.stderr
  assert result.stderr.count('\n') == 1
