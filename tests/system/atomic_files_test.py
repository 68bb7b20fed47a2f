"""Files that are written completely or not at all."""

import contextlib

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


@pytest.mark.parametrize('name', ['a' * 255, '\xe9' * 127, 'a' * 249 + '.txt'])
def test_the_longest_names_can_be_written(tmp_path, name):
  path = tmp_path / name
  atomic_files.write(path, b'old')
  atomic_files.write(path, b'new')
  assert path.read_bytes() == b'new'
  assert list(tmp_path.iterdir()) == [path]


def test_two_files_at_once_do_not_meet(tmp_path):
  paths = [tmp_path / f'{"a" * 240}{i}' for i in range(2)]
  with contextlib.ExitStack() as stack:
    for path in paths:
      stack.enter_context(atomic_files.replacing(path)).write_text(path.name)
  assert [path.read_text() for path in paths] == [path.name for path in paths]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
  """This holds even for equal process ids, in containers that share a disk."""
  path = tmp_path / 'a'
  with atomic_files.replacing(path) as one, atomic_files.replacing(path) as two:
    one.write_text('one')
    two.write_text('two')
  assert path.read_text() == 'one'
  assert list(tmp_path.iterdir()) == [path]


def test_where_no_file_can_be_written(tmp_path):
  atomic_files.check_writable(tmp_path / 'a.txt', 'it')
  assert not list(tmp_path.iterdir())
  with pytest.raises(errors.UserError, match='it is a folder; name a file'):
    atomic_files.check_writable(tmp_path, 'it')
  with pytest.raises(errors.UserError, match='it cannot be written: No such'):
    atomic_files.check_writable(tmp_path / 'no' / 'a.txt', 'it')


def test_a_link_and_permissions_survive(tmp_path):
  path, link = tmp_path / 'folder' / 'file', tmp_path / 'link'
  path.parent.mkdir()
  path.write_bytes(b'old')
  path.chmod(0o600)
  link.symlink_to(path)
  atomic_files.write(link, b'new')
  assert link.is_symlink()
  assert path.read_bytes() == b'new'
  assert path.stat().st_mode & 0o777 == 0o600
