"""Errors of one line."""

import subprocess
import sys

import pytest

from inpaint_jax import errors


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


def test_another_error_keeps_its_traceback():
  def main():
    raise ZeroDivisionError

  with pytest.raises(ZeroDivisionError):
    errors.exit_with_line(main)


def test_ctrl_c_is_one_line():
  code = (
    'from inpaint_jax import errors\n'
    'def main(): raise KeyboardInterrupt\n'
    'errors.exit_with_line(main)'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert (result.returncode, result.stderr) == (130, 'interrupted\n')
