"""Which photo is filled by which mask, and what is done already."""

import os
import time

import pytest

from inpaint_jax.photos import photo_jobs
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.system import errors


@pytest.fixture
def folders(tmp_path):
  """Photos, masks, and a name for the results; the files are empty."""
  photos, masks = tmp_path / 'photos', tmp_path / 'masks'
  (photos / 'deeper.jpg').mkdir(parents=True)
  masks.mkdir()
  for name in ('a.jpg', 'b \xe9.png', 'c.gif', 'notes.txt', '.hidden.jpg'):
    (photos / name).touch()
  for name in ('a.png', 'b \xe9.jpg', 'c.png', 'other.png'):
    (masks / name).touch()
  return photos, masks, tmp_path / 'out'


def test_each_photo_has_its_mask_and_result(folders):
  photos, masks, out = folders
  jobs, lines = photo_jobs.list_jobs(*folders)
  assert jobs == [
    Job(photos / 'a.jpg', masks / 'a.png', out / 'a.jpg'),
    Job(photos / 'b \xe9.png', masks / 'b \xe9.jpg', out / 'b \xe9.png'),
    # Animations are not written.
    Job(photos / 'c.gif', masks / 'c.png', out / 'c.png'),
  ]
  assert lines == [
    'passed by 1 other file (notes.txt)',
    'passed by 1 folder (deeper.jpg)',
    'left out 1 mask (other.png) without a photo',
  ]


def test_one_mask_for_all_or_none(folders):
  photos, masks, out = folders
  for mask in (masks / 'other.png', None):
    jobs, _ = photo_jobs.list_jobs(photos, mask, out)
    assert [job.mask for job in jobs] == [mask] * 3


def test_problems_of_single_photos(folders):
  photos, masks, out = folders
  (masks / 'c.png').unlink()
  (masks / 'a.tif').touch()
  (photos / 'b \xe9.gif').touch()
  result = out / 'b \xe9.png'
  jobs, _ = photo_jobs.list_jobs(*folders)
  problems = [job.problem for job in jobs]
  assert problems == [
    'there are 2 masks for it: a.png, a.tif; keep one',
    '',
    f'another photo has the result {result}, too; rename one',
    'there is no mask for it, such as c.png or c_mask.png',
  ]


@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (lambda p, m, o: (p, m, p), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, m), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, linked(o, p)), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, m / 'a.png'), 'is a file; name a folder'),
    (lambda p, m, o: (p / 'deeper.jpg', m, o), 'has no photos in it; name'),
    (lambda p, m, o: (p.parent, m, o), r'no photos .*; passed by 2 folders \('),
    (lambda p, m, o: (p, p / 'deeper.jpg', o), 'has no masks in it'),
    (lambda p, m, o: (p, p, o), 'has no masks in it; a mask has the name of'),
  ],
)
def test_folders_that_cannot_be_filled(folders, spoil, message):
  with pytest.raises(errors.UserError, match=message):
    photo_jobs.list_jobs(*spoil(*folders))


@pytest.mark.parametrize(
  'form',
  ['{}_mask.png', '{}-mask.jpg', '{}.mask.png', '{} (Mask).PNG', 'mask_{}.png']
  + ['{}_mask001.png', '{}_masks.tif'],
)
def test_masks_beside_their_photos(tmp_path, form):
  folder, out = tmp_path / 'both', tmp_path / 'out'
  folder.mkdir()
  photos = [folder / name for name in ('a.png', 'b_1.jpg', 'the mask.jpg')]
  masks = [folder / form.format(photo.stem) for photo in photos]
  for path in photos + masks:
    path.touch()
  wanted = [
    Job(photo, mask, out / photo.name)
    for photo, mask in zip(photos, masks, strict=True)
  ]
  for mask_folder in (folder, linked(tmp_path / 'link', folder)):
    jobs, lines = photo_jobs.list_jobs(folder, mask_folder, out)
    assert [job._replace(mask=job.mask.name) for job in jobs] == [
      job._replace(mask=job.mask.name) for job in wanted
    ]
    assert len(lines) == 1
    assert lines[0].startswith('left out 3 masks (')
  # Without a folder of masks, the masks in the photos' folder are no photos.
  for mask in (None, masks[0]):
    jobs, lines = photo_jobs.list_jobs(folder, mask, out)
    assert [(job.photo, job.mask) for job in jobs] == [
      (photo, mask) for photo in photos
    ]
    assert lines[0].startswith('left out 3 masks (')


@pytest.mark.parametrize('mask_folder', [None, 'here'])
def test_a_mask_beside_a_photo_that_is_not_read(tmp_path, mask_folder):
  folder = tmp_path / 'photos'
  folder.mkdir()
  for name in ('a.CR2', 'a_mask.png'):
    (folder / name).touch()
  with pytest.raises(errors.UserError, match=r'no photos .*1 file \(a\.CR2\)'):
    photo_jobs.list_jobs(folder, mask_folder and folder, tmp_path / 'out')


def test_masks_of_another_folder(tmp_path):
  photos, masks, out = (tmp_path / name for name in ('p', 'm', 'out'))
  for folder in (photos, masks):
    folder.mkdir()
  for name in ('gas.jpg', 'gas mask.jpg', 'a.jpg', 'a_mask.png', 'one.jpg'):
    (photos / name).touch()
  for name in ('gas.png', 'gas mask.png', 'a_mask.png', 'one.png'):
    (masks / name).touch()
  (photos / 'mask.png').hardlink_to(masks / 'one.png')
  jobs, _ = photo_jobs.list_jobs(photos, masks, out)
  assert [(job.photo.name, job.mask and job.mask.name) for job in jobs] == [
    ('a.jpg', 'a_mask.png'),
    ('gas mask.jpg', 'gas mask.png'),
    ('gas.jpg', 'gas.png'),
    ('mask.png', None),
    ('one.jpg', 'one.png'),
  ]
  # The single mask for all photos is no photo.
  jobs, _ = photo_jobs.list_jobs(photos, masks / 'one.png', out)
  assert [job.photo.name for job in jobs] == ['a.jpg', 'gas.jpg', 'one.jpg']


def test_spellings_of_one_name(tmp_path):
  photos, masks, out = (tmp_path / name for name in ('p', 'm', 'out'))
  for folder in (photos, masks):
    folder.mkdir()
  apart, composed = 'e\u0301', '\xe9'
  for name in (f'{apart}.jpg', f'{composed}2.png', 'B.jpg', 'b.jpg', 'IMG.JPG'):
    (photos / name).touch()
  for name in ('img.png', 'B.png', 'b.png', f'{apart}2_mask.png'):
    (masks / name).touch()
  (masks / f'{composed}.png').touch()
  jobs, _ = photo_jobs.list_jobs(photos, masks, out)
  assert {job.photo.name: job.mask.name for job in jobs} == {
    f'{apart}.jpg': f'{composed}.png',
    'IMG.JPG': 'img.png',
    'B.jpg': 'B.png',
    'b.jpg': 'b.png',
    f'{composed}2.png': f'{apart}2_mask.png',
  }


def test_two_spellings_that_are_both_there(tmp_path):
  photos, out = tmp_path / 'p', tmp_path / 'out'
  photos.mkdir()
  for stem in ('e\u0301', '\xe9'):
    (photos / f'{stem}.jpg').touch()
    (photos / f'{stem}_mask.png').touch()
  jobs, _ = photo_jobs.list_jobs(photos, photos, out)
  assert [job.mask.name for job in jobs] == [
    f'{job.photo.stem}_mask.png' for job in jobs
  ]
  assert len({job.out for job in jobs}) == 2


def test_what_is_passed_by_is_counted_and_named(tmp_path):
  folder = tmp_path / 'photos'
  folder.mkdir()
  for i in range(12):
    (folder / f'{i:02d}.CR2').touch()
  for name in ('a.dng', 'b.svg', 'plan', '.DS_Store', 'x.mov'):
    (folder / name).touch()
  with pytest.raises(errors.UserError) as caught:
    photo_jobs.list_jobs(folder, None, tmp_path / 'out')
  (folder / 'a.jpg').touch()
  jobs, lines = photo_jobs.list_jobs(folder, None, tmp_path / 'out')
  assert [job.photo.name for job in jobs] == ['a.jpg']
  names = ', '.join(f'{i:02d}.CR2' for i in range(10))
  assert lines == [
    f'passed by 14 files ({names}, ...), of types that are not read; save '
    'these as JPEG, PNG or TIFF',
    'passed by 2 other files (plan, x.mov)',
  ]
  assert str(caught.value) == (
    f'the folder {folder} has no photos in it; {"; ".join(lines)}; name one '
    'that has'
  )


def linked(out, target):
  out.symlink_to(target, target_is_directory=True)
  return out


def test_a_job_is_done_while_its_result_is_the_newest(tmp_path):
  job = Job(tmp_path / 'a.jpg', tmp_path / 'm.png', tmp_path / 'out.jpg')
  for path in job[:2]:
    path.touch()
  assert not photo_jobs.is_done(job, [job.out])
  job.out.touch()
  later = time.time_ns() + 10**9
  os.utime(job.out, ns=(later, later))
  assert photo_jobs.is_done(job, [job.out])
  assert photo_jobs.is_done(job._replace(mask=None), [job.out])
  assert not photo_jobs.is_done(job, [job.out, tmp_path / 'out_2.jpg'])
  assert not photo_jobs.is_done(job._replace(problem='two masks'), [job.out])
  os.utime(job.mask, ns=(later + 1, later + 1))
  assert not photo_jobs.is_done(job, [job.out])
