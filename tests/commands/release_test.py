"""The command that releases a model: its flags."""

import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import flagsaver
import pytest

from inpaint_jax.commands import release
from inpaint_jax.release import publishing

ROOT = pathlib.Path(__file__).parents[2]


def test_flags_reach_the_library(monkeypatch):
  called = []
  monkeypatch.setattr(
    publishing, 'publish', lambda *args, **texts: called.append((args, texts))
  )
  texts = {'data': 'D', 'license': 'L', 'notes': 'N', 'output': 'o'}
  given = {'workdir': 'w', 'name': 'x'} | texts
  with flagsaver.flagsaver():
    words = [f'--{name}={value}' for name, value in given.items()]
    release.main(flags.FLAGS(['inpaint-jax-release', *words]))
  assert called == [(('w', 'x'), texts)]


@pytest.mark.slow
def test_a_missing_flag_is_one_line():
  result = subprocess.run(
    [sys.executable, 'scripts/release.py', '--workdir=x', '--name=x'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 1
  assert result.stderr.startswith('error: no --data; name one, as --data=')
  assert result.stderr.count('\n') == 1
