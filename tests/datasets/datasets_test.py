"""Building, naming, reusing and reading datasets."""

from concurrent import futures
import errno
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import ml_collections
import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from inpaint_jax import datasets
from inpaint_jax.datasets import (
  landscape,
  near_duplicates,
  photo_report,
  storage,
)
from inpaint_jax.photos import reading
from inpaint_jax.system import errors
from inpaint_jax.training import input_pipeline

ROOT = pathlib.Path(__file__).parents[2]
LANDSCAPES = ROOT.parent / 'shared' / 'landscapes' / 'photos'


def data_config(tmp_path, **changes) -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict(
    {
      'dataset': 'synthetic',
      'source': '',
      'data_dir': str(tmp_path / 'data'),
      'image_size': 32,
      'num_train': 12,
      'num_val': 3,
      'num_test': 5,
    }
  )
  config.update(changes)
  return config


def save_scene(path: pathlib.Path, index: int, width: int, height: int):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.fromarray(landscape.render(index, 64))
  picture.resize((width, height)).save(path)


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
  """Returns 20 photos, one of which gives 6 crops, copies, and bad files."""
  folder = tmp_path / 'my photos'
  for i in range(19):
    save_scene(folder / f'{i % 3}' / f'é {i}.png', i, 90 + i, 70)
  save_scene(folder / 'large.png', 19, 800, 600)
  for i in (4, 5, 6):
    with Image.open(folder / f'{i % 3}' / f'é {i}.png') as image:
      small = image.resize((64, 50)).point(lambda value: int(0.9 * value))
      small.save(folder / f'copy {i}.jpg', quality=80)
  (folder / 'text.jpg').write_text('no picture')
  (folder / 'notes.txt').write_text('no picture')
  return folder


def crops_config(tmp_path, source, **changes) -> ml_collections.ConfigDict:
  return data_config(
    tmp_path, dataset='photo_crops', source=str(source), **changes
  )


def pictures(dataset: datasets.Dataset, split: str) -> np.ndarray:
  source = dataset.splits[split]
  return np.stack([source[i]['image'] for i in range(len(source))])


def photos_of(dataset: datasets.Dataset, split: str) -> list[str]:
  builder = tfds.builder_from_directory(dataset.path)
  return [x['photo'].decode() for x in builder.as_data_source(split)]


def test_synthetic_splits_hold_the_landscapes_of_disjoint_ranges(tmp_path):
  dataset = datasets.load(data_config(tmp_path))
  assert dataset.name == 'synthetic/32px-12-3-5-seed0/1.0.0'
  ranges = {'train': range(12), 'val': range(12, 15), 'test': range(15, 20)}
  for split, indices in ranges.items():
    names = photos_of(dataset, split)
    assert sorted(map(int, names)) == list(indices)
    for name, picture in zip(names, pictures(dataset, split), strict=True):
      np.testing.assert_array_equal(picture, landscape.render(int(name), 32))


def test_second_load_does_not_build(tmp_path, monkeypatch, capsys):
  config = data_config(tmp_path)
  first = datasets.load(config)
  assert 'Building synthetic/32px' in capsys.readouterr().err
  monkeypatch.setattr(storage, 'build', None)
  second = datasets.load(config)
  np.testing.assert_array_equal(
    pictures(first, 'test'), pictures(second, 'test')
  )
  captured = capsys.readouterr()
  assert captured.out + captured.err == ''


def test_threads_read_the_right_pictures(tmp_path):
  dataset = datasets.load(data_config(tmp_path))
  train = dataset.splits['train']
  expected = pictures(dataset, 'train')
  order = np.random.default_rng(0).integers(len(train), size=400).tolist()
  with futures.ThreadPoolExecutor(8) as pool:
    got = list(pool.map(lambda i: train[i]['image'], order))
  np.testing.assert_array_equal(np.stack(got), expected[order])


def test_photos_and_their_copies_stay_in_one_split(tmp_path, source):
  dataset = datasets.load(crops_config(tmp_path, source))
  used = {split: set(photos_of(dataset, split)) for split in dataset.splits}
  assert [len(dataset.splits[s]) for s in dataset.splits] == [12, 3, 5]
  assert not used['train'] & used['val']
  assert not used['train'] & used['test']
  assert not used['val'] & used['test']
  assert not any('copy' in path for paths in used.values() for path in paths)
  stacked = np.concatenate([pictures(dataset, s) for s in dataset.splits])
  split = np.repeat([0, 1, 2], [12, 3, 5])
  hashes = [
    near_duplicates.perceptual_hash(Image.fromarray(p)) for p in stacked
  ]
  groups = near_duplicates.find_groups(np.stack(hashes))
  for group in set(groups):
    assert len(set(split[groups == group])) == 1


def test_report_lies_beside_the_records(tmp_path, source):
  dataset = datasets.load(crops_config(tmp_path, source))
  report = photo_report.read(dataset.path / 'report.json')
  assert report.photos_found == 24
  assert report.other_files == {'.txt': 1}
  assert report.unreadable == [
    ('text.jpg', 'not a picture, or its header is damaged')
  ]
  assert report.near_duplicates == [
    (f'copy {i}.jpg', f'{i % 3}/é {i}.png') for i in (4, 5, 6)
  ]
  assert report.distinct == 20
  assert report.available == 19 + 6
  assert report.crops == {'train': 12, 'val': 3, 'test': 5}
  text = '\n'.join(report.lines())
  assert 'text.jpg: not a picture' in text
  assert 'near-duplicates dropped: 3' in text


def test_two_builds_are_equal_and_a_moved_folder_is_reused(tmp_path, source):
  config = crops_config(tmp_path, source)
  first = datasets.load(config)
  moved = source.rename(tmp_path / 'moved')
  config.source = str(moved)
  assert datasets.dataset_name(config) == first.name
  config.data_dir = str(tmp_path / 'other data')
  second = datasets.load(config)
  assert second.path != first.path
  for split in first.splits:
    np.testing.assert_array_equal(
      pictures(first, split), pictures(second, split)
    )


def test_renaming_photos_moves_none_to_another_split(tmp_path, source):
  first = datasets.load(crops_config(tmp_path, source))
  for i, path in enumerate(sorted(source.rglob('*.png'))):
    path.rename(source / f'{(7 * i) % 23}.png')
  second = datasets.load(crops_config(tmp_path, source))
  assert second.name != first.name
  for split in first.splits:
    a, b = ({p.tobytes() for p in pictures(d, split)} for d in (first, second))
    assert a == b


def test_known_name_is_opened_without_its_source(tmp_path, source):
  config = crops_config(tmp_path, source)
  name = datasets.load(config).name
  source.rename(tmp_path / 'gone')
  with pytest.raises(errors.UserError, match='does not exist'):
    datasets.load(config)
  assert datasets.load(config, name=name).name == name
  config.image_size = 64
  with pytest.raises(errors.UserError, match='image_size=32'):
    datasets.load(config, name=name)


def test_fewer_crops_than_wanted_keep_proportions(tmp_path, source):
  config = crops_config(
    tmp_path, source, num_train=800, num_val=100, num_test=100
  )
  dataset = datasets.load(config)
  sizes = [len(split) for split in dataset.splits.values()]
  assert 15 <= sizes[0] <= 20
  assert sizes[1:] == [2, 2]
  report = photo_report.read(dataset.path / 'report.json')
  assert 'fewer crops than wanted' in report.lines()[-1]


def test_each_split_needs_a_photo_of_its_own(tmp_path):
  folder = tmp_path / 'two'
  save_scene(folder / 'a.png', 0, 600, 600)
  save_scene(folder / 'b.png', 1, 600, 600)
  with pytest.raises(errors.UserError, match='gives 2 distinct photos'):
    datasets.load(crops_config(tmp_path, folder))
  assert not list((tmp_path / 'data').rglob('incomplete*'))


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
    datasets.load(crops_config(tmp_path, source))


@pytest.mark.skipif(not LANDSCAPES.is_dir(), reason='needs the photographs')
def test_real_photographs(tmp_path):
  folder = tmp_path / 'photos'
  folder.mkdir()
  for path in sorted(LANDSCAPES.iterdir())[:30]:
    (folder / path.name).symlink_to(path)
  config = crops_config(
    tmp_path, folder, image_size=64, num_train=80, num_val=20, num_test=20
  )
  dataset = datasets.load(config)
  assert [len(s) for s in dataset.splits.values()] == [80, 20, 20]
  report = photo_report.read(dataset.path / 'report.json')
  assert report.distinct >= 28
  assert not report.unreadable
  assert len({p.tobytes() for p in pictures(dataset, 'train')}) == 80


# Interrupted, concurrent, damaged and impossible builds.

_BUILD = """
  import sys
  import ml_collections
  from inpaint_jax import datasets
  config = ml_collections.ConfigDict(dict(
    dataset='synthetic', source='', data_dir=sys.argv[1], image_size=32,
    num_train=int(sys.argv[2]), num_val=2, num_test=2))
  print(len(datasets.load(config).splits['train']))
"""


def start_build(folder: pathlib.Path, num_train: int) -> subprocess.Popen:
  code = textwrap.dedent(_BUILD)
  return subprocess.Popen(
    [sys.executable, '-c', code, str(folder), str(num_train)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_a_killed_build_is_never_used_and_leaves_nothing(tmp_path):
  folder = tmp_path / 'data'
  process = start_build(folder, 600)
  while not list(folder.rglob('incomplete.*')):
    assert process.poll() is None, process.communicate()
    time.sleep(0.02)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert list(folder.rglob('incomplete.*'))
  config = data_config(tmp_path, num_train=600, num_val=2, num_test=2)
  assert not (folder / datasets.dataset_name(config)).exists()
  assert len(datasets.load(config).splits['train']) == 600
  assert not list(folder.rglob('incomplete.*'))


def test_two_processes_build_once(tmp_path):
  processes = [start_build(tmp_path / 'data', 300) for _ in range(2)]
  results = [process.communicate() for process in processes]
  assert [out.strip() for out, _ in results] == ['300', '300'], results
  assert sum('Building' in err for _, err in results) == 1


@pytest.mark.parametrize(
  'damage', ['cut', 'empty', 'missing', 'no info', 'bad info']
)
def test_damaged_files_are_one_line(tmp_path, damage):
  config = data_config(tmp_path)
  path = datasets.load(config).path
  records = next(path.glob('*train*'))
  info = path / 'dataset_info.json'
  if damage == 'cut':
    os.truncate(records, records.stat().st_size // 2)
  elif damage == 'empty':
    os.truncate(records, 0)
  elif damage == 'missing':
    records.unlink()
  elif damage == 'no info':
    info.unlink()
  else:
    info.write_text('{')
  with pytest.raises(errors.UserError, match='is damaged') as caught:
    datasets.load(config)
  assert '\n' not in str(caught.value)
  assert f'{path}' in str(caught.value)


def test_a_flipped_byte_is_one_line_when_its_record_is_read(tmp_path):
  """In a batch, too: Grain lets the error through."""
  config = data_config(tmp_path, num_train=300)
  path = datasets.load(config).path
  records = next(path.glob('*train*'))
  content = bytearray(records.read_bytes())
  middle = len(content) // 2
  content[middle : middle + 40] = bytes(40)
  records.write_bytes(content)
  train = datasets.load(config).splits['train']
  settings = ml_collections.ConfigDict(
    {'flip': True, 'rotate': True, 'num_threads': 2}
  )
  batches = input_pipeline.train_batches(train, settings, seed=0, batch_size=4)
  with pytest.raises(errors.UserError, match=r'is damaged .* delete that f'):
    list(itertools.islice(batches, len(train)))


def test_unwritable_folder_is_one_line(tmp_path, monkeypatch):
  (tmp_path / 'file').touch()
  config = data_config(tmp_path, data_dir=str(tmp_path / 'file'))
  with pytest.raises(errors.UserError, match=r'--config.data.data_dir.*Not a'):
    datasets.load(config)

  def full(*args):
    del args
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(landscape, 'render', full)
  with pytest.raises(errors.UserError, match=r'data_dir=.*No space left'):
    datasets.load(data_config(tmp_path))
  assert not list((tmp_path / 'data').rglob('incomplete*'))


def test_other_errors_of_a_build_are_not_hidden(tmp_path, monkeypatch):
  monkeypatch.setattr(landscape, 'render', lambda *_: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    datasets.load(data_config(tmp_path))


@pytest.mark.parametrize(
  ('field', 'value', 'text'),
  [
    ('image_size', 48, '32, 64, 128, 256'),
    ('num_val', 0, 'leaves a split empty'),
    ('dataset', 'no_such_set', 'photo_crops, synthetic'),
  ],
)
def test_wrong_fields_are_one_line(tmp_path, field, value, text):
  config = data_config(tmp_path, **{field: value})
  with pytest.raises(errors.UserError, match=f'{field}=.*{text}'):
    datasets.load(config)


def test_a_source_that_would_be_ignored_is_one_line(tmp_path, source):
  config = data_config(tmp_path, source=str(source))
  with pytest.raises(errors.UserError, match=r'add --config\.data\.dataset=p'):
    datasets.load(config)


def test_default_folder(monkeypatch, tmp_path):
  monkeypatch.setenv('INPAINT_JAX_DATA', str(tmp_path / 'a'))
  assert storage.data_dir('') == tmp_path / 'a'
  assert storage.data_dir(str(tmp_path / 'b')) == tmp_path / 'b'
  monkeypatch.delenv('INPAINT_JAX_DATA')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'c'))
  assert storage.data_dir('') == tmp_path / 'c' / 'inpaint_jax' / 'datasets'


# Datasets of tensorflow-datasets.
