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


@pytest.mark.parametrize(
  ('error', 'line'),
  [
    (OSError(28, 'No space left', 'some path'), 'some path: No space left'),
    (OSError(28, 'No space left'), 'No space left'),
    (OSError('no\nreason'), 'no reason'),
    # Such as that of a socket: no folder is gone.
    (OSError(2, 'No such file'), 'No such file'),
  ],
)
def test_an_error_of_the_system_names_its_file_if_it_has_one(error, line):
  assert errors.of_system(error) == line


@pytest.mark.parametrize(
  ('error', 'reason'),
  [
    (OSError(28, 'No space left', 'some path'), 'No space left'),
    (ValueError('b\n' * 300), ('b ' * 100)[:200]),
    # Advice comes last, and must not be cut.
    (errors.UserError('c' * 300 + '; do this'), 'c' * 300 + '; do this'),
  ],
)
def test_an_error_gets_its_place_and_advice(error, reason):
  with (
    pytest.raises(errors.UserError) as found,
    errors.error_as('a', '; end', kind=Exception),
  ):
    raise error
  assert str(found.value) == f'a: {reason}; end'
