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
  assert photo_jobs.list_jobs(*folders) == [
    Job(photos / 'a.jpg', masks / 'a.png', out / 'a.jpg'),
    Job(photos / 'b \xe9.png', masks / 'b \xe9.jpg', out / 'b \xe9.png'),
    # Animations are not written.
    Job(photos / 'c.gif', masks / 'c.png', out / 'c.png'),
  ]


def test_one_mask_for_all_or_none(folders):
  photos, masks, out = folders
  for mask in (masks / 'other.png', None):
    jobs = photo_jobs.list_jobs(photos, mask, out)
    assert [job.mask for job in jobs] == [mask] * 3


def test_problems_of_single_photos(folders):
  photos, masks, out = folders
  (masks / 'c.png').unlink()
  (masks / 'a.tif').touch()
  (photos / 'b \xe9.gif').touch()
  result = out / 'b \xe9.png'
  problems = [job.problem for job in photo_jobs.list_jobs(*folders)]
  assert problems == [
    'there are 2 masks for it: a.png, a.tif; keep one',
    '',
    f'another photo has the result {result}, too; rename one',
    'there is no mask for it, such as c.png',
  ]


@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (lambda p, m, o: (p, m, p), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, m), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, linked(o, p)), 'would overwrite inputs'),
    (lambda p, m, o: (p, m, m / 'a.png'), 'is a file; name a folder'),
    (lambda p, m, o: (p / 'deeper.jpg', m, o), 'has no photos in it'),
  ],
)
def test_folders_that_cannot_be_filled(folders, spoil, message):
  with pytest.raises(errors.UserError, match=message):
    photo_jobs.list_jobs(*spoil(*folders))


def linked(out, target):
  out.symlink_to(target, target_is_directory=True)
  return out


def test_a_job_is_done_while_its_result_is_the_newest(tmp_path):
  job = Job(tmp_path / 'a.jpg', tmp_path / 'm.png', tmp_path / 'out.jpg')
  for path in job[:2]:
    path.touch()
  assert not photo_jobs.is_done(job)
  job.out.touch()
  later = time.time_ns() + 10**9
  os.utime(job.out, ns=(later, later))
  assert photo_jobs.is_done(job)
  assert photo_jobs.is_done(job._replace(mask=None))
  assert not photo_jobs.is_done(job._replace(problem='two masks'))
  os.utime(job.mask, ns=(later + 1, later + 1))
  assert not photo_jobs.is_done(job)
