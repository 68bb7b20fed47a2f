"""Files that are written whole or not at all."""

import pytest

from inpaint_jax.system import atomic_files, errors


def _fail_halfway(path):
  with atomic_files.replacing(path) as temporary:
    temporary.write_text('half')
    raise KeyError


def test_the_new_file_takes_the_place_of_the_old(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_text('old')
  with atomic_files.replacing(path) as temporary:
    temporary.write_text('new')
    assert path.read_text() == 'old'
  assert path.read_text() == 'new'
  assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_alone(tmp_path):
  path = tmp_path / 'a.txt'
  atomic_files.write(path, b'old')

  with pytest.raises(KeyError):
    _fail_halfway(path)
  assert path.read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


def test_where_no_file_can_be_written(tmp_path):
  atomic_files.check_writable(tmp_path / 'a.txt', 'it')
  assert not list(tmp_path.iterdir())
  with pytest.raises(errors.UserError, match='it is a folder; name a file'):
    atomic_files.check_writable(tmp_path, 'it')
  with pytest.raises(errors.UserError, match='it cannot be written: No such'):
    atomic_files.check_writable(tmp_path / 'no' / 'a.txt', 'it')
