"""The help of each command."""

import ast
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import inpaint_jax

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']

_PROGRAM = """
import sys
from inpaint_jax.commands import start
try:
  start.{command}()
except SystemExit:
  print('jax' in sys.modules or 'numba' in sys.modules)
"""


@pytest.mark.parametrize('flag', ['--help', '-h', '--helpfull', '--version'])
def test_what_only_tells_something_ends_with_0(flag):
  result = subprocess.run(
    [sys.executable, ROOT / 'scripts' / 'inpaint.py', flag],
    capture_output=True,
    text=True,
    check=True,
  )
  version = f'inpaint-jax {inpaint_jax.__version__}\n'
  assert (result.stdout == version) == (flag == '--version')
  assert ('photo.jpg' in result.stdout) == (flag != '--version')


def test_the_package_as_a_program_fills_photos():
  result = subprocess.run(
    [sys.executable, '-m', 'inpaint_jax', '--help'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.startswith('Fills the holes of photos')


@pytest.mark.parametrize('name', PROJECT['scripts'])
def test_help_shows_the_docstring_and_the_flags_without_jax(name):
  """Importing JAX or numba takes up to a second, too long for a help."""
  command = PROJECT['scripts'][name].rpartition(':')[2]
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM.format(command=command), '--help'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  source = (ROOT / f'inpaint_jax/commands/{command}.py').read_text()
  doc = ast.get_docstring(ast.parse(source))
  assert result.stdout.startswith(doc)
  assert name in doc
  # Their examples are those of a checkout.
  assert ('checkout' in doc) == (command in ('fill', 'train'))
  assert all(len(line) <= 80 for line in doc.splitlines())
  flags = re.findall(r"DEFINE_\w+\(\s*'(\w+)'", source)
  shown = re.findall(r'--(?:\[no\])?(\w+)', result.stdout.removeprefix(doc))
  assert flags
  assert set(flags) <= set(shown)
  assert result.stdout.endswith('False\n')
