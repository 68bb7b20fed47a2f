"""Errors of one line."""

import subprocess
import sys

import pytest

from inpaint_jax.system import errors


def test_choose_returns_what_the_name_stands_for():
  assert errors.choose({'a': 1, 'b': 2}, 'b', '--x') == 2


def test_choose_names_the_flag_and_the_choices():
  with pytest.raises(errors.UserError, match=r"--x='c' is unknown.*: a, b$"):
    errors.choose({'b': 1, 'a': 2}, 'c', '--x')


def test_a_user_error_becomes_one_line_and_exit_code_1(capsys):
  def main():
    raise errors.UserError('mend this')

  with pytest.raises(SystemExit) as exit_info:
    errors.exit_with_line(main)
  assert exit_info.value.code == 1
  assert capsys.readouterr().err == 'error: mend this\n'


@pytest.mark.parametrize(
  ('error', 'reason'),
  [
    (MemoryError(), 'no more from the system'),
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
    errors.exit_with_line(main)
  assert exit_info.value.code == 1
  shown = capsys.readouterr().err
  assert shown.startswith(f'error: memory ran out ({reason}); close other')
  assert shown.count('\n') == 1


@pytest.mark.parametrize('error', [ZeroDivisionError, RuntimeError('INTERNAL')])
def test_another_error_keeps_its_traceback(error):
  def main():
    raise error

  with pytest.raises(error if isinstance(error, type) else RuntimeError):
    errors.exit_with_line(main)


def test_ctrl_c_is_one_line():
  code = (
    'from inpaint_jax.system import errors\n'
    'def main(): raise KeyboardInterrupt\n'
    'errors.exit_with_line(main)'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert (result.returncode, result.stderr) == (130, 'interrupted\n')
