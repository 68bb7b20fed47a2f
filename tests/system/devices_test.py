"""Whether there is a device to compute on."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
from inpaint_jax.system import command_line, sharding
command_line.run(lambda argv: sharding.create_mesh())
"""


# JAX without CUDA fails for `cuda` in another way than for unknown platforms.
@pytest.mark.parametrize('platform', ['cuda', 'gpu', 'nothing'])
def test_no_such_device_is_one_line(platform):
  result = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    env={**os.environ, 'JAX_PLATFORMS': platform, 'CUDA_VISIBLE_DEVICES': ''},
    capture_output=True,
    text=True,
    check=False,
  )
  lines = [x for x in result.stderr.splitlines() if x.startswith('error: ')]
  assert len(lines) == 1
  assert lines[0].startswith(f'error: JAX_PLATFORMS={platform}: there is no')
  assert 'unset JAX_PLATFORMS' in lines[0]
  assert (result.returncode, 'Traceback' in result.stderr) == (1, False)
