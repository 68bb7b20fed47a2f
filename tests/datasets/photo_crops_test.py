"""Datasets of crops of photos."""

import os
import pathlib
import shutil

from datasets import samples
import numpy as np
from PIL import Image
import pytest

from inpaint_jax import datasets
from inpaint_jax.datasets import near_duplicates, photo_report
from inpaint_jax.photos import reading
from inpaint_jax.system import errors

LANDSCAPES = pathlib.Path(__file__).parents[3] / 'shared/landscapes/photos'


def test_photos_and_their_copies_stay_in_one_split(tmp_path, source):
  dataset = datasets.load(samples.crops_config(tmp_path, source))
  used = {
    split: set(samples.photos_of(dataset, split)) for split in dataset.splits
  }
  assert [len(dataset.splits[s]) for s in dataset.splits] == [12, 3, 5]
  assert not used['train'] & used['val']
  assert not used['train'] & used['test']
  assert not used['val'] & used['test']
  assert not any('copy' in path for paths in used.values() for path in paths)
  stacked = np.concatenate(
    [samples.pictures(dataset, s) for s in dataset.splits]
  )
  split = np.repeat([0, 1, 2], [12, 3, 5])
  hashes = [
    near_duplicates.perceptual_hash(Image.fromarray(p)) for p in stacked
  ]
  groups = near_duplicates.find_groups(np.stack(hashes))
  for group in set(groups):
    assert len(set(split[groups == group])) == 1


def test_report_lies_beside_the_records(tmp_path, source):
  dataset = datasets.load(samples.crops_config(tmp_path, source))
  report = photo_report.read(dataset.path / 'report.json')
  assert report.photos_found == 26
  assert report.other_files == {'.txt': 1}
  assert report.unreadable == [
    ['text.jpg', 'not an image, or its header is damaged']
  ]
  assert report.near_duplicates == [
    [f'copy {i}.jpg', f'{i % 3}/é {i}.png'] for i in (4, 5, 6)
  ]
  assert report.distinct == 22
  assert report.available == 21 + 6
  assert report.crops == {'train': 12, 'val': 3, 'test': 5}
  text = '\n'.join(report.lines())
  assert 'text.jpg: not an image' in text
  assert 'near-duplicates dropped: 3' in text


def test_two_builds_are_equal_and_a_moved_folder_is_reused(tmp_path, source):
  config = samples.crops_config(tmp_path, source)
  first = datasets.load(config)
  moved = source.rename(tmp_path / 'moved')
  config.source = str(moved)
  assert datasets.dataset_name(config) == first.name
  config.data_dir = str(tmp_path / 'other data')
  second = datasets.load(config)
  assert second.path != first.path
  for split in first.splits:
    np.testing.assert_array_equal(
      samples.pictures(first, split), samples.pictures(second, split)
    )


def test_renamed_photos_are_the_same_dataset(tmp_path, source):
  config = samples.crops_config(tmp_path, source)
  name = datasets.dataset_name(config)
  for i, path in enumerate(sorted(source.rglob('*.png'))):
    path.rename(source / f'{(7 * i) % 23}.png')
  assert datasets.dataset_name(config) == name


def test_other_content_of_the_same_size_and_time_is_another_dataset(
  tmp_path, source
):
  config = samples.crops_config(tmp_path, source)
  first = datasets.load(config)
  path = source / 'large.png'
  before, content = path.stat(), bytearray(path.read_bytes())
  content[-20] ^= 1
  path.write_bytes(content)
  os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
  assert datasets.dataset_name(config) != first.name


def test_numbers_take_the_first_of_a_fixed_order(tmp_path, source):
  """The wanted numbers of images move no photo to another split."""
  few = datasets.load(samples.crops_config(tmp_path, source))
  for numbers in ((14, 2, 4), (3, 3, 5), (100, 100, 100)):
    names = ('num_train', 'num_val', 'num_test')
    wanted = dict(zip(names, numbers, strict=True))
    other = datasets.load(samples.crops_config(tmp_path, source, **wanted))
    for split in few.splits:
      a, b = (samples.pictures(d, split) for d in (few, other))
      shared = min(len(a), len(b))
      np.testing.assert_array_equal(a[:shared], b[:shared])


def test_other_photos_beside_it_move_no_photo(tmp_path, source):
  whole = datasets.load(samples.crops_config(tmp_path, source, num_train=100))
  splits = {
    photo: name
    for name in whole.splits
    for photo in samples.photos_of(whole, name)
  }
  for i in (0, 3, 8, 14):
    (source / f'{i % 3}' / f'é {i}.png').unlink()
  samples.save_scene(source / 'new.png', 40, 90, 70)
  other = datasets.load(samples.crops_config(tmp_path, source, num_train=100))
  for name in other.splits:
    for photo in samples.photos_of(other, name):
      assert splits.get(photo, 'test') == name


def test_a_small_folder_is_told_what_it_lacks(tmp_path):
  for i in range(3):
    samples.save_scene(tmp_path / 'few' / f'{i}.png', i, 90, 70)
  config = samples.crops_config(tmp_path, tmp_path / 'few')
  with pytest.raises(errors.UserError, match='photos: 3 distinct') as caught:
    datasets.load(config)
  message = str(caught.value)
  assert 'each split needs one;' in message
  assert message.endswith('add about 37 photos')
  assert '\n' not in message


def _folders(tmp_path) -> pathlib.Path:
  """Returns a folder of 6 photos, of train, val and test by their folders."""
  folder = tmp_path / 'folders'
  for i, place in enumerate(
    ('Train/a', 'Train/b/c', 'val/d', 'test/e', 'test/f', 'g')
  ):
    path = folder / f'{place}.png'
    samples.save_scene(path, i, 90, 70)
  return folder


def test_folders_can_name_the_splits(tmp_path):
  folder = _folders(tmp_path)
  # A larger copy of a tested photo, and a photo called like a split.
  samples.save_scene(folder / 'Train' / 'copy.png', 3, 180, 140)
  samples.save_scene(folder / 'test.png', 7, 90, 70)
  config = samples.crops_config(tmp_path, folder, split='folders')
  dataset = datasets.load(config)
  found = {
    name: set(samples.photos_of(dataset, name)) for name in dataset.splits
  }
  assert found == {
    'train': {'Train/a.png', 'Train/b/c.png'},
    'val': {'val/d.png'},
    'test': {'test/e.png', 'test/f.png'},
  }
  report = photo_report.read(dataset.path / 'report.json')
  assert report.other_files == {'photos in none of train, val and test': 2}
  assert report.near_duplicates == [['Train/copy.png', 'test/e.png']]


def test_a_photo_in_another_split_folder_makes_another_dataset(tmp_path):
  folder = _folders(tmp_path)
  config = samples.crops_config(tmp_path, folder, split='folders')
  name = datasets.dataset_name(config)
  (folder / 'Train/a.png').rename(folder / 'Train/b/z.png')
  (folder / 'g.png').unlink()
  assert datasets.dataset_name(config) == name
  (folder / 'test/e.png').rename(folder / 'val/e.png')
  assert datasets.dataset_name(config) != name


def test_a_split_folder_that_is_missing_is_named(tmp_path):
  folder = _folders(tmp_path)
  (folder / 'val').rename(folder / 'holdout')
  config = samples.crops_config(tmp_path, folder, split='folders')
  with pytest.raises(
    errors.UserError,
    match=r'val: 0.*each split needs one.*put photos into the folders',
  ):
    datasets.load(config)


def test_a_test_needs_no_other_photos(tmp_path):
  folder = _folders(tmp_path)
  config = samples.crops_config(tmp_path, folder, split='folders')
  whole = datasets.load(config)
  # What was built for a training is used again.
  assert datasets.load(config, test_only=True).name == whole.name
  (folder / 'Train').rename(folder / 'holdout')
  (folder / 'val/d.png').unlink()
  with pytest.raises(errors.UserError, match='train: 0, val: 0, test: 2'):
    datasets.load(config)
  part = datasets.load(config, test_only=True)
  assert list(part.splits) == ['test']
  np.testing.assert_array_equal(
    samples.pictures(part, 'test'), samples.pictures(whole, 'test')
  )
  shutil.rmtree(folder / 'test')
  with pytest.raises(
    errors.UserError,
    match='test: 0, and the test needs one; to test on all of them, put',
  ):
    datasets.load(config, test_only=True)


def test_fewer_crops_than_wanted(tmp_path, source):
  config = samples.crops_config(
    tmp_path, source, num_train=800, num_val=100, num_test=5
  )
  dataset = datasets.load(config)
  assert [len(split) for split in dataset.splits.values()] == [19, 3, 5]
  report = photo_report.read(dataset.path / 'report.json')
  assert 'fewer crops than wanted' in report.lines()[-1]


def test_each_split_needs_a_photo_of_its_own(tmp_path):
  folder = tmp_path / 'two'
  samples.save_scene(folder / 'a.png', 0, 600, 600)
  samples.save_scene(folder / 'b.png', 1, 600, 600)
  with pytest.raises(errors.UserError, match='train: 1, val: 1, test: 0, '):
    datasets.load(samples.crops_config(tmp_path, folder))
  assert not list((tmp_path / 'data').rglob('incomplete*'))


def test_what_this_program_writes_below_the_source_is_no_photo(
  tmp_path, source
):
  """These are sample grids of runs, plots of studies, and datasets."""
  config = samples.crops_config(tmp_path, source, data_dir=str(source / 'data'))
  name = datasets.load(config).name
  run = source / 'runs' / 'a'
  samples.save_scene(run / 'samples' / 'epoch_001.png', 50, 90, 70)
  (run / 'config.json').touch()
  (run / '.lock').touch()
  study = source / 'study'
  samples.save_scene(study / 'plot.png', 51, 90, 70)
  (study / 'study.json').touch()
  (study / 'dataset.json').touch()
  samples.save_scene(source / 'data' / 'downloads' / 'a.png', 52, 90, 70)
  assert datasets.dataset_name(config) == name


def test_a_photo_that_vanishes_during_the_build_is_one_line(
  tmp_path, source, monkeypatch
):
  read = reading.read

  def fail(path, at_least=0):
    if not at_least:  # The second reading.
      raise reading.UnreadableError('gone')
    return read(path, at_least)

  monkeypatch.setattr(reading, 'read', fail)
  with pytest.raises(errors.UserError, match=r'changed while .*\(gone\)'):
    datasets.load(samples.crops_config(tmp_path, source))


@pytest.mark.skipif(not LANDSCAPES.is_dir(), reason='needs the photographs')
def test_real_photographs(tmp_path):
  folder = tmp_path / 'photos'
  folder.mkdir()
  for path in sorted(LANDSCAPES.iterdir())[:30]:
    (folder / path.name).symlink_to(path)
  config = samples.crops_config(
    tmp_path, folder, image_size=64, num_train=80, num_val=20, num_test=20
  )
  dataset = datasets.load(config)
  sizes = {name: len(split) for name, split in dataset.splits.items()}
  assert sizes['train'] == 80
  report = photo_report.read(dataset.path / 'report.json')
  assert report.distinct >= 28
  assert not report.unreadable
  assert len({p.tobytes() for p in samples.pictures(dataset, 'train')}) == 80
