"""Flags, configs and errors of the commands."""

import os
import pathlib
import subprocess
import sys

import pytest

from inpaint_jax.system import command_line, errors

ROOT = pathlib.Path(__file__).parents[2]

# A program with a config, which prints what it was given.
_PROGRAM = """
from absl import flags
from ml_collections import config_flags
from inpaint_jax.system import command_line, errors

CONFIG = config_flags.DEFINE_config_file(
  'config', sys_argv=command_line.arguments
)
flags.DEFINE_integer('port', None, 'A flag that is no field.')
flags.DEFINE_float('share', None, 'Another one.')
flags.DEFINE_bool('quick', False, 'A third one.')

def main(argv):
  if 'fail' in argv:
    raise errors.UserError(argv[-1])
  print(CONFIG.value.loss, CONFIG.value.model.features, argv[1:])

command_line.run(main, 'configs/smoke.py')
"""


def _run(*flags, cwd=ROOT):
  return subprocess.run(
    [sys.executable, '-c', _PROGRAM, *flags],
    cwd=cwd,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
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


_OWN_CONFIG = """
from configs import default

def get_config(loss):
  config = default.get_config()
  config.loss = loss
  return config
"""


@pytest.mark.parametrize(
  ('flags', 'printed'),
  [
    ([], 'mse (4, 8, 16) []'),
    (['--config=configs/unet.py:landscapes'], 'mse (64, 128, 256) []'),
    (['--config', 'configs/unet.py'], 'mse (64, 128, 256) []'),
    (['--config=configs/own.py:l1'], 'l1 (64, 128, 256) []'),
  ],
)
def test_configs_are_found_in_any_folder(tmp_path, flags, printed):
  """Ours have their path in the checkout; the user's own come first."""
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / 'own.py').write_text(_OWN_CONFIG)
  result = _run(*flags, cwd=tmp_path)
  assert result.stderr == ''
  assert result.stdout.strip() == printed


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--config.data=1', 'is a section; set one of its fields: cache'),
    ("--config.masks={'kind': 'box'}", '--config.masks is a section; set one'),
    ('--config.model={}', 'set one of its fields: base, conv, dtype'),
    ('--config.loss.x=1', '--config.loss is a value, without fields'),
    ('--config.seed=a', 'wanted int, as 0 is'),
    ('--config.ema_decay=a', 'wanted float, as 0.0 is'),
    ('--config.data.flip=maybe', 'wanted true or false'),
    ('--config=configs/no.py', 'No such file or directory'),
    ('--config=configs/unet.py:no', "preset 'no' is unknown; choose"),
    ('--config', 'empty string'),
    ('--flagfile=no', 'Unable to open flagfile: [Errno 2] No such file'),
    ('--nothing=1', "Unknown command line flag 'nothing'; --help shows the"),
  ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(flag, message):
  result = _run(flag)
  assert result.returncode == 2
  assert result.stderr.startswith('error: ')
  assert message in result.stderr
  assert result.stderr.count('\n') == 1


@pytest.mark.parametrize(
  ('line', 'message', 'code'),
  [
    ('return missing', "NameError: name 'missing' is not defined", 1),
    ('return len(3)', "TypeError: object of type 'int' has no len()", 1),
    (
      'return int("x")',
      "ValueError: invalid literal for int() with base 10: 'x'",
      1,
    ),
    ('raise ValueError("no")', 'error: no', 2),
    ('pass', 'its get_config returns no ConfigDict; return one', 2),
    ('return {}', 'its get_config returns no ConfigDict; return one', 2),
  ],
)
def test_a_mistake_in_a_config_file_is_shown_with_its_line(
  tmp_path, line, message, code
):
  path = tmp_path / 'own.py'
  path.write_text(f'def get_config():\n  {line}\n')
  result = _run(f'--config={path}')
  assert result.returncode == code
  assert result.stderr.endswith(f'{message}\n')
  assert (f'"{path}", line 2' in result.stderr) == (code == 1)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ('--config.seed 5 --nothing=1', "Unknown command line flag 'nothing'"),
    ('--config.seed 5 --port=x', '--port=x: wanted a whole number'),
    ('--port=1e3', '--port=1e3: wanted a whole number'),
    ('--share=x', '--share=x: wanted a number'),
    ('--quick=maybe', '--quick=maybe: wanted true or false'),
    ('--config.data.flip --port', 'Missing value for flag --port'),
    ('--config.seed x --port=1', '--config.seed=x: wanted int, as 0 is'),
    ('--config.seed=0x10 --config.loss.x=1', '--config.loss.x is no field'),
    ('--config.data.flip --config.loss.x=1', '--config.loss.x is no field'),
    (
      '--config.model.features=8 --config.model.features 4',
      '--config.model.features is given 2 times',
    ),
  ],
)
def test_the_flag_that_is_wrong_is_named(flags, message):
  result = _run(*flags.split())
  assert result.returncode == 2
  assert result.stderr.startswith(f'error: {message}')
  assert result.stderr.count('\n') == 1


@pytest.mark.parametrize(
  ('flags', 'printed'),
  [
    ('--flagfile={}', 'l1 (64, 128, 256) []'),
    ('--flagfile={} --config=configs/smoke.py', 'l1 (4, 8, 16) []'),
    ('--config.loss=mse --flagfile {} a', "l1 (64, 128, 256) ['a']"),
    ('--flagfile={} --config.loss=mse', 'mse (64, 128, 256) []'),
  ],
)
def test_flagfile_with_config_and_overrides(tmp_path, flags, printed):
  path = tmp_path / 'flags'
  path.write_text('--config=configs/unet.py\n# Two lines.\n--config.loss=l1\n')
  result = _run(*flags.format(path).split())
  assert (result.stdout.strip(), result.stderr) == (printed, '')


@pytest.mark.parametrize('config', [[], ['--config', 'configs/smoke.py']])
def test_a_misspelt_field_names_the_choices(config):
  result = _run(*config, '--config.los=l1')
  assert result.returncode == 2
  assert result.stderr.count('\n') == 1
  assert 'the fields of --config are: accumulate_steps' in result.stderr


@pytest.mark.parametrize(
  ('message', 'shown'),
  [
    ('mend this', 'mend this'),
    ("loss='x' is unknown", "--config.loss='x' is unknown"),
    ('raise data.num_train.', 'raise --config.data.num_train.'),
    ('data.nothing=1 in data.txt', 'data.nothing=1 in data.txt'),
    ('verbosity=1, --loss=2', '--verbosity=1, --loss=2'),
    (
      'runs/loss=1/data.source/x is no file',
      'runs/loss=1/data.source/x is no file',
    ),
  ],
)
def test_a_user_error_is_one_line_with_flags(message, shown):
  result = _run('fail', message)
  assert (result.stderr, result.returncode) == (f'error: {shown}\n', 1)


def test_a_user_error_becomes_one_line_and_exit_code_1(capsys):
  def main():
    raise errors.UserError('mend this')

  with pytest.raises(SystemExit) as exit_info:
    command_line.exit_with_line(main)
  assert exit_info.value.code == 1
  assert capsys.readouterr().err == 'error: mend this\n'


@pytest.mark.parametrize(
  ('error', 'reason'),
  [
    (MemoryError(), 'MemoryError'),
    (MemoryError('Unable to allocate 9 GiB'), 'Unable to allocate 9 GiB'),
    (
      RuntimeError('RESOURCE_EXHAUSTED: Out of memory\nallocating 9 bytes.'),
      'RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.',
    ),
  ],
)
def test_an_end_of_memory_is_one_line(capsys, error, reason):
  def main():
    raise error

  with pytest.raises(SystemExit) as exit_info:
    command_line.exit_with_line(main)
  assert exit_info.value.code == 1
  shown = capsys.readouterr().err
  assert shown.startswith(f'error: memory ran out ({reason}); close other')
  assert shown.count('\n') == 1


def test_a_current_folder_that_is_gone_is_one_line(
  tmp_path, monkeypatch, capsys
):
  folder = tmp_path / 'gone'
  folder.mkdir()
  monkeypatch.chdir(folder)
  folder.rmdir()
  with pytest.raises(SystemExit) as exit_info:
    command_line.exit_with_line(lambda: print(os.path.abspath('x')))
  assert exit_info.value.code == 1
  shown = capsys.readouterr().err
  assert shown.startswith('error: the current folder does not exist any more;')
  assert shown.count('\n') == 1


@pytest.mark.parametrize('error', [ZeroDivisionError, RuntimeError('INTERNAL')])
def test_another_error_keeps_its_traceback(error):
  def main():
    raise error

  with pytest.raises(error if isinstance(error, type) else RuntimeError):
    command_line.exit_with_line(main)


def test_ctrl_c_is_one_line():
  code = (
    'from inpaint_jax.system import command_line\n'
    'def main(): raise KeyboardInterrupt\n'
    'command_line.exit_with_line(main)'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert (result.returncode, result.stderr) == (130, 'interrupted\n')


def test_programs_are_kept_though_jax_was_imported_first(tmp_path):
  program = """
import jax
from inpaint_jax.system import command_line
command_line.run(lambda argv: print(jax.config.jax_compilation_cache_dir))
"""
  env = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path)}
  env.pop('JAX_COMPILATION_CACHE_DIR', None)
  shown = subprocess.check_output([sys.executable, '-c', program], env=env)
  assert str(tmp_path).encode() in shown
