"""The command that fills photos, as a process."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.commands.filling import (
  hole_of,
  noise,
  pixels_of,
)

ROOT = pathlib.Path(__file__).parents[2]

_REPORT_IMPORTS = """
import atexit, runpy, sys
heavy = sys.argv[1].split(',')
sys.argv = ['scripts/inpaint.py', *sys.argv[2:]]
atexit.register(
  lambda: print('imported:', *[x for x in heavy if x in sys.modules])
)
runpy.run_path('scripts/inpaint.py', run_name='__main__')
"""


def process(code, *args):
  return subprocess.run(
    [sys.executable, '-c', code, *map(str, args)],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )


@pytest.mark.slow
def test_a_process_imports_no_training(released, files):
  photo, mask, out = files
  heavy = (
    'inpaint_jax.training.train,inpaint_jax.datasets,tensorboardX,'
    'tensorflow_datasets,matplotlib'
  )
  result = process(
    _REPORT_IMPORTS, heavy, f'--model={released}', photo, mask, out
  )
  assert result.returncode == 0, result.stderr
  assert result.stderr == ''
  assert result.stdout == (f'wrote {out}; 10.0% of it was hole\nimported:\n')


@pytest.mark.slow
def test_without_a_model_jax_is_not_imported(files):
  photo, mask, out = files
  heavy = 'jax,flax,orbax,onnxruntime,inpaint_jax.release.zoo'
  result = process(_REPORT_IMPORTS, heavy, photo, mask, out)
  assert result.stdout == f'wrote {out}; 10.0% of it was hole\nimported:\n'
  assert result.stderr == ''
  after = pixels_of(out)
  np.testing.assert_array_equal(after[~hole_of()], noise()[~hole_of()])


@pytest.mark.slow
def test_errors_of_a_process_are_one_line(files):
  photo, mask, out = files
  script = [sys.executable, 'scripts/inpaint.py']
  for args, code, text in (
    ([photo, mask, photo], 1, 'error: the result'),
    (['--dilate=-1', photo, mask, out], 2, 'error: '),
  ):
    result = subprocess.run(
      [*script, *map(str, args)], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == code
    assert result.stderr.startswith(text)
    assert result.stderr.count('\n') == 1


@pytest.mark.slow
def test_a_file_whose_name_begins_like_a_flag(files):
  photo, mask, out = files
  photo.rename(photo.with_name('-photo.png'))
  result = subprocess.run(
    [sys.executable, ROOT / 'scripts/inpaint.py', '-photo.png', mask, out],
    cwd=photo.parent,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 2
  assert result.stderr.endswith('; the file of that name is ./-photo.png\n')
  assert result.stderr.count('\n') == 1


_SLOW_NET = """
import sys, time
from inpaint_jax.system import command_line
from inpaint_jax import inference
from inpaint_jax.commands import fill
def slow(image, mask, **_):
  print('working', flush=True)
  time.sleep(60)
inference.load = lambda *_, **__: slow
command_line.run(fill.main)
"""


def interrupted(program, line, *args, number=signal.SIGINT):
  """Sends a signal once a program has printed a line; returns its stderr."""
  started = subprocess.Popen(
    [sys.executable, '-c', program, *map(str, args)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  with contextlib.closing(started.stdout):
    assert started.stdout.readline() == line
    started.send_signal(number)
    said = started.stderr.read()
    started.stderr.close()
  assert started.wait() == 128 + number
  return said


@pytest.mark.slow
def test_ctrl_c_is_one_line(folders):
  said = interrupted(_SLOW_NET, 'working\n', *folders)
  assert 'Traceback' not in said
  assert said.endswith('\ninterrupted\n')
  assert os.listdir(folders[2]) == []


_SLOW_WRITING = """
import sys, time
from inpaint_jax.commands import fill
from inpaint_jax.photos import formats
from inpaint_jax.system import command_line
def write_half(file, *_):
  file.write(b'half')
  file.flush()
  print('writing', flush=True)
  time.sleep(60)
formats.FORMATS['PNG'] = formats.FORMATS['PNG']._replace(encode=write_half)
command_line.run(fill.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP'])
def test_a_signal_leaves_no_temporary_file(files, name):
  photo, mask, out = files
  number = getattr(signal, name)
  said = interrupted(_SLOW_WRITING, 'writing\n', *files, number=number)
  by = '' if name == 'SIGINT' else f' by {name}'
  assert said == f'interrupted{by}\n'
  assert {*os.listdir(out.parent)} == {photo.name, mask.name}


_SLOW_IMPORT = """
import sys, time
class Slow:
  def find_spec(self, name, *_):
    if name == 'inpaint_jax.inpainting':
      print('importing', flush=True)
      try:
        time.sleep(60)
      except BaseException:  # As some libraries do.
        pass
sys.meta_path.insert(0, Slow())
sys.argv[0] = 'scripts/inpaint.py'
import runpy
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.slow
def test_a_signal_while_it_imports_is_one_line():
  assert interrupted(_SLOW_IMPORT, 'importing\n') == 'interrupted\n'
  said = interrupted(_SLOW_IMPORT, 'importing\n', number=signal.SIGTERM)
  assert said == 'interrupted by SIGTERM\n'


_KILLED_WHILE_WRITING = """
import os, signal, sys
from inpaint_jax.photos import formats, picture_files
def write_half(file, *_):
  file.write(b'half')
  file.flush()
  os.kill(os.getpid(), signal.SIGKILL)
picture = picture_files.read(sys.argv[1])
formats.FORMATS['PNG'] = formats.FORMATS['PNG']._replace(encode=write_half)
picture_files.write(sys.argv[2], picture)
"""


@pytest.mark.slow
def test_a_kill_leaves_no_half_picture(files):
  photo, _, out = files
  out.write_bytes(b'old')
  result = process(_KILLED_WHILE_WRITING, photo, out)
  assert result.returncode == -signal.SIGKILL
  assert out.read_bytes() == b'old'
