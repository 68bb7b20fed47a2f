"""What the command of the page says about wrong flags, before it starts."""

import pathlib
import socket
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
def test_a_port_that_is_taken_is_named():
  pytest.importorskip('gradio', reason='needs the extra [demo]')
  with socket.create_server(('127.0.0.1', 0)) as listener:
    port = listener.getsockname()[1]
    result = run(f'--port={port}')
  assert result.returncode == 1
  message = f'nothing can listen at --host=127.0.0.1, --port={port}: it is'
  assert message in result.stderr
  assert 'Traceback' not in result.stderr


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
