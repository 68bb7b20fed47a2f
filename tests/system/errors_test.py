"""Errors that a user can fix."""

import pytest

from inpaint_jax.system import errors


def test_choose_returns_what_the_name_stands_for():
  assert errors.choose({'a': 1, 'b': 2}, 'b', 'x') == 2


def test_choose_names_the_field_and_the_choices():
  with pytest.raises(errors.UserError, match=r"^x='c' is unknown.*: a, b$"):
    errors.choose({'b': 1, 'a': 2}, 'c', 'x')


def test_a_name_may_be_of_any_collection():
  errors.check_name(['b', 'a'], 'a', 'x')
  with pytest.raises(errors.UserError, match=r"^x='c' is unknown.*: a, b$"):
    errors.check_name(('b', 'a'), 'c', 'x')


def test_one_line_joins_cuts_and_names():
  assert errors.one_line(ValueError('a\n  b')) == 'a b'
  assert errors.one_line(ValueError('abcdef'), limit=3) == 'abc'
  assert errors.one_line(MemoryError()) == 'MemoryError'
