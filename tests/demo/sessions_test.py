"""Whose files there are, and when they are deleted."""

import contextlib

import pytest

from inpaint_jax.demo.sessions import MAX_UPLOADS, Sessions
from inpaint_jax.system import errors
from tests.demo.inputs import put_upload


@pytest.fixture
def sessions(tmp_path):
  return Sessions(tmp_path)


def load_photo(sessions, page):
  with sessions.new_photo(page) as photo:
    (photo.folder / 'photo').write_text('x')
  return photo


def test_a_path_that_is_no_upload_is_not_taken(sessions, tmp_path):
  sessions.open_page('page', 'browser')
  upload = put_upload(tmp_path, 'photo.png', b'x')
  sessions.add_uploads('browser', [str(upload)])
  assert sessions.find_upload({'path': str(upload)}) == upload
  example = tmp_path / 'example.png'
  example.write_text('x')
  for path in (example, '/etc/passwd', upload.parent, 'https://x.y/z'):
    with pytest.raises(errors.UserError, match='load it again'):
      sessions.find_upload({'path': str(path)})
  for file in (None, {}, {'path': None}, [str(upload)]):
    with pytest.raises(errors.UserError, match='load it again'):
      sessions.find_upload(file)
  upload.unlink()
  with pytest.raises(errors.UserError, match='load it again'):
    sessions.find_upload({'path': str(upload)})


def test_files_go_with_their_page(sessions, tmp_path):
  sessions.open_page('one', 'browser')
  sessions.open_page('two', 'browser')
  first, second = load_photo(sessions, 'one'), load_photo(sessions, 'two')
  upload = put_upload(tmp_path, 'copy.png', b'x')
  sessions.add_uploads('browser', [str(upload)])
  sessions.close_page('one')
  assert not first.folder.exists()
  with (
    pytest.raises(errors.UserError, match='no photo is open'),
    sessions.use_photo('one'),
  ):
    pass
  assert second.folder.exists()
  # The upload may belong to either page.
  assert upload.exists()
  sessions.close_page('two')
  assert not second.folder.exists()
  assert not upload.parent.exists()


def test_nothing_is_kept_that_comes_after_the_page_was_closed(
  sessions, tmp_path
):
  sessions.open_page('page', 'browser')
  with (
    pytest.raises(errors.UserError, match='closed'),
    sessions.new_photo('page') as photo,
  ):
    sessions.close_page('page')
  assert not photo.folder.exists()
  upload = put_upload(tmp_path, 'late.png', b'x')
  sessions.add_uploads('browser', [str(upload)])
  assert not upload.parent.exists()


def test_a_new_photo_replaces_the_old_one(sessions):
  sessions.open_page('page', 'browser')
  first = load_photo(sessions, 'page')
  second = load_photo(sessions, 'page')
  assert not first.folder.exists()
  with sessions.use_photo('page') as photo:
    assert photo is second
  # A photo that cannot be read does not replace it.
  with contextlib.suppress(ValueError), sessions.new_photo('page') as third:
    raise ValueError
  assert not third.folder.exists()
  assert second.folder.exists()
  with sessions.use_photo('page') as photo:
    assert photo is second


def test_uploads_do_not_pile_up(sessions, tmp_path):
  sessions.open_page('page', 'browser')
  paths = [
    put_upload(tmp_path, 'copy.png', b'x', f'{n:064x}')
    for n in range(MAX_UPLOADS + 1)
  ]
  for path in paths[:-1]:
    sessions.add_uploads('browser', [str(path)])
  assert all(path.exists() for path in paths)
  # Uploaded once more, the first is no longer the oldest.
  sessions.add_uploads('browser', [str(paths[0])])
  sessions.add_uploads('browser', [str(paths[-1])])
  assert [path for path in paths if not path.exists()] == [paths[1]]


def test_an_equal_upload_belongs_to_who_sent_it_last(sessions, tmp_path):
  for browser in ('one', 'two'):
    sessions.open_page(browser, browser)
  upload = put_upload(tmp_path, 'shared.png', b'x')
  for browser in ('one', 'two'):
    sessions.add_uploads(browser, [str(upload)])
  sessions.close_page('one')
  assert upload.exists()
  sessions.close_page('two')
  assert not upload.parent.exists()
