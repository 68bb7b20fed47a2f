"""Which photos a folder holds."""

import os

import pytest

from inpaint_jax.datasets import photo_folder
from inpaint_jax.system import errors


def test_any_layout_is_searched(tmp_path, tmp_path_factory):
  deep = tmp_path / 'a b' / 'ü' / 'deep'
  deep.mkdir(parents=True)
  (tmp_path / '.hidden').mkdir()
  (tmp_path / '.hidden' / 'no.jpg').touch()
  for path in (deep / 'X y.JPG', tmp_path / 'é.png', tmp_path / '.no.jpg'):
    path.touch()
  (deep / 'notes.txt').touch()
  (deep / 'loop').symlink_to(tmp_path, target_is_directory=True)
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (elsewhere / 'far.webp').touch()
  (tmp_path / 'link').symlink_to(elsewhere, target_is_directory=True)
  listing = photo_folder.list_photos(str(tmp_path))
  assert listing.paths == ['a b/ü/deep/X y.JPG', 'link/far.webp', 'é.png']
  assert listing.other_files == {'.txt': 1}


def test_masks_beside_their_photos_are_no_photos(tmp_path):
  deep = tmp_path / 'deep'
  deep.mkdir()
  for path in (
    'a.jpg',
    'a_mask.png',
    'b_mask.png',
    'deep/b.jpg',
    'c.cr2',
    'c_mask.png',
  ):
    (tmp_path / path).touch()
  listing = photo_folder.list_photos(str(tmp_path))
  assert listing.paths == ['a.jpg', 'b_mask.png', 'deep/b.jpg']
  assert listing.other_files == {'.cr2': 1, 'masks of photos': 2}


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='needs pipes')
def test_a_pipe_named_like_a_photo_is_never_opened(tmp_path):
  (tmp_path / 'a.jpg').touch()
  os.mkfifo(tmp_path / 'b.jpg')
  (tmp_path / 'broken.jpg').symlink_to(tmp_path / 'nothing')
  listing = photo_folder.list_photos(str(tmp_path))
  assert listing.paths == ['a.jpg', 'broken.jpg']
  assert listing.unreadable == [('b.jpg', 'not a regular file')]
  (tmp_path / 'a.jpg').unlink()
  (tmp_path / 'broken.jpg').unlink()
  with pytest.raises(errors.UserError, match=r'cannot be read .not a'):
    photo_folder.list_photos(str(tmp_path))


def test_a_source_of_photos_that_are_not_read(tmp_path):
  for name in ('a.CR2', 'b.cr2', 'c.txt'):
    (tmp_path / name).touch()
  with pytest.raises(errors.UserError) as caught:
    photo_folder.list_photos(str(tmp_path))
  advice = 'types that are not read: .cr2: 2; save these as JPEG, PNG or TIFF; '
  assert advice in str(caught.value)


def test_a_source_without_photos_is_one_line(tmp_path):
  (tmp_path / 'file').touch()
  empty = tmp_path / 'empty'
  empty.mkdir()
  for source, found in (
    ('', r"data.source='', and photos are needed"),
    (str(tmp_path / 'missing'), 'does not exist'),
    (str(tmp_path / 'file'), 'is a file'),
    (str(empty), 'holds no file'),
    (str(tmp_path), 'no extension: 1'),
  ):
    with pytest.raises(errors.UserError, match=found) as caught:
      photo_folder.list_photos(source)
    assert 'data.source=' in str(caught.value)
    assert '\n' not in str(caught.value)
