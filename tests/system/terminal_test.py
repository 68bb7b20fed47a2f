"""Programs whose output may be of any encoding, closed, or full."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import os, sys
from inpaint_jax.system import command_line

def main(argv):
  print('h\\xe4user', os.fsdecode(b'\\xff'))
  print('fehler: \\xe4', file=sys.stderr)
  with open(argv[1], 'w') as file:
    os.write(1, b'1')
    os.write(2, b'2')
    file.write('whole')

command_line.run(main)
"""

_ENDLESS = """
from inpaint_jax.system import command_line

def main(argv):
  try:
    while True:
      print('line')
  except Exception:
    raise AssertionError('taken for an error of its own')

command_line.run(main)
"""


_BRIEF = """
from inpaint_jax.system import command_line
command_line.run(lambda argv: print('line'))
"""


@pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'utf-8'])
def test_characters_that_cannot_be_shown_are_escaped(tmp_path, encoding):
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM, tmp_path / 'file'],
    env={**os.environ, 'PYTHONIOENCODING': encoding},
    capture_output=True,
    check=True,
  )
  shown = 'h\xe4user'.encode(encoding, 'backslashreplace')
  assert result.stdout.replace(b'1', b'') == shown + b' \\udcff\n'


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='of Linux')
@pytest.mark.parametrize('program', [_ENDLESS, _BRIEF])
def test_a_full_disk_is_one_line(program):
  with open('/dev/full', 'wb') as full:
    result = subprocess.run(
      [sys.executable, '-c', program],
      stdout=full,
      stderr=subprocess.PIPE,
      text=True,
    )
  assert result.returncode == 1
  assert result.stderr == 'error: standard output: No space left on device\n'


@pytest.mark.parametrize('closed', ['>&-', '2>&-', '<&- >&- 2>&-'])
def test_nothing_is_written_to_files_in_place_of_closed_output(
  tmp_path, closed
):
  path = tmp_path / 'file'
  subprocess.run(
    ['sh', '-c', f'"$0" "$@" {closed}', sys.executable, '-c', _PROGRAM, path],
    capture_output=True,
    check=True,
  )
  assert path.read_text() == 'whole'


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_closed_pipe_ends_the_program_quietly(unbuffered):
  with subprocess.Popen(
    [sys.executable, '-c', _ENDLESS],
    env={**os.environ, 'PYTHONUNBUFFERED': unbuffered},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  ) as process:
    assert process.stdout.readline() == b'line\n'
    process.stdout.close()
    assert process.stderr.read() == b''
  assert process.returncode == 141
