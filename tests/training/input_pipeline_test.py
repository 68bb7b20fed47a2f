"""Batches: order, augmentation, padding."""

import itertools
import pathlib

from datasets import samples
import ml_collections
import numpy as np
import pytest

from inpaint_jax.system import errors, json_files
from inpaint_jax.training import input_pipeline


class _Source:
  """A source of random images."""

  def __init__(self, count, size=8):
    self.images = np.random.RandomState(0).randint(
      0, 256, (count, size, size, 3), np.uint8
    )

  def __len__(self):
    return len(self.images)

  def __getitem__(self, index):
    return {'image': self.images[index], 'photo': 'a.jpg'}


def _config(**fields):
  return ml_collections.ConfigDict(
    {'flip': False, 'rotate': False, 'num_threads': 2, **fields}
  )


def _take(count, source, config, seed=0, batch_size=4, start_step=0):
  batches = input_pipeline.train_batches(
    source, config, seed=seed, batch_size=batch_size, start_step=start_step
  )
  return list(itertools.islice(batches, count))


def _indices(batches):
  return [batch['index'].tolist() for batch in batches]


def test_an_epoch_sees_each_picture_at_most_once_and_the_next_another_order():
  batches = _indices(_take(4, _Source(10), _config()))
  first, second = batches[0] + batches[1], batches[2] + batches[3]
  assert len(set(first)) == len(set(second)) == 8
  assert first != second


def test_the_images_are_those_of_the_indices():
  source = _Source(10)
  for batch in _take(3, source, _config()):
    np.testing.assert_array_equal(batch['image'], source.images[batch['index']])
    assert batch['valid'].tolist() == [1] * 4


def test_a_later_start_gives_the_same_batches():
  source, config = _Source(10), _config(flip=True, rotate=True)
  whole = _take(7, source, config)
  rest = _take(4, source, config, start_step=3)
  for ours, theirs in zip(whole[3:], rest, strict=True):
    for name in ours:
      np.testing.assert_array_equal(ours[name], theirs[name])


def test_the_seed_changes_order_and_augmentation():
  source, config = _Source(10), _config()
  assert _indices(_take(2, source, config)) != _indices(
    _take(2, source, config, seed=1)
  )


@pytest.mark.parametrize(
  ('flip', 'rotate', 'count'),
  [(False, False, 1), (True, False, 2), (False, True, 4), (True, True, 8)],
)
def test_augment_makes_each_turn_and_flip_and_no_other(flip, rotate, count):
  image = _Source(1).images[0]
  wanted = {
    np.rot90(x, turns).tobytes()
    for x in ([image, np.fliplr(image)] if flip else [image])
    for turns in (range(4) if rotate else [0])
  }
  rng = np.random.default_rng(0)
  found = []
  for _ in range(400):
    drawn = input_pipeline.draw_augmentation(rng, flip=flip, rotate=rotate)
    found.append(input_pipeline.augment(image, **drawn).tobytes())
  assert set(found) == wanted
  assert len(wanted) == count
  # All are equally likely: a deviation of more than five sigma fails.
  for picture in wanted:
    share = found.count(picture) / len(found)
    assert abs(share - 1 / count) <= 5 * (0.25 / len(found)) ** 0.5


def test_evaluation_batches_are_whole_in_order_and_padded():
  source = _Source(7)
  batches = list(
    input_pipeline.eval_batches(
      source, _config(flip=True, rotate=True), batch_size=4
    )
  )
  assert _indices(batches) == [[0, 1, 2, 3], [4, 5, 6, 0]]
  assert batches[1]['valid'].tolist() == [1, 1, 1, 0]
  images = np.concatenate([batch['image'] for batch in batches])
  np.testing.assert_array_equal(images[:7], source.images)
  assert not images[7].any()


def test_padding_reads_one_image_more():
  reads = []

  class Counted(_Source):
    def __getitem__(self, index):
      reads.append(index)
      return super().__getitem__(index)

  batches = input_pipeline.eval_batches(
    Counted(9), _config(num_threads=0), batch_size=8
  )
  assert len(list(batches)) == 2
  assert sorted(reads) == [0, *range(9)]


def test_fewer_pictures_than_a_batch_is_refused():
  assert input_pipeline.steps_per_epoch(10, 4) == 2
  with pytest.raises(errors.UserError, match=r'batch_size=16 .* 10 training'):
    input_pipeline.steps_per_epoch(10, 16)


@pytest.fixture
def photos(tmp_path) -> pathlib.Path:
  """Returns a folder of 3 photos for train, 1 for val and 1 for test."""
  folder = tmp_path / 'photos'
  for i in (0, 2, 3, 1, 11):
    samples.save_scene(folder / f'{i}.png', i, 64, 64)
  return folder


@pytest.fixture
def run(tmp_path, photos) -> tuple[ml_collections.ConfigDict, pathlib.Path]:
  """Returns the config and the record of a run on `photos`."""
  config = samples.crops_config(
    tmp_path, photos, num_train=3, num_val=1, num_test=1
  )
  record = tmp_path / 'run' / 'dataset.json'
  record.parent.mkdir()
  dataset = input_pipeline.load(config, record)
  assert json_files.read(record) == {'name': dataset.name}
  return config, record


def test_a_run_goes_on_without_its_photos(run, photos, tmp_path, capsys):
  config, record = run
  photos.rename(tmp_path / 'elsewhere')
  capsys.readouterr()
  dataset = input_pipeline.load(config, record)
  assert f'photos does not exist: the run goes on with {dataset.name}' in (
    capsys.readouterr().err
  )
  config.source = str(tmp_path / 'elsewhere')
  assert input_pipeline.load(config, record).name == dataset.name
  config.source = ''
  assert input_pipeline.load(config, record).name == dataset.name
  assert capsys.readouterr().err == ''


def test_a_record_of_something_else_is_one_line(run):
  config, record = run
  record.write_text('{}')
  with pytest.raises(errors.UserError, match='names no dataset; delete it'):
    input_pipeline.load(config, record)


def test_a_run_does_not_go_on_with_other_photos(
  run, photos, tmp_path, monkeypatch
):
  config, record = run
  monkeypatch.setenv('HOME', str(tmp_path))
  config.source = '~/photos'
  name = input_pipeline.load(config, record).name
  samples.save_scene(photos / 'more.png', 4, 64, 64)
  with pytest.raises(
    errors.UserError, match=r"source='~/photos' holds other .*source='' to go"
  ) as caught:
    input_pipeline.load(config, record)
  assert name in str(caught.value)
  # The advice in the error works.
  config.source = ''
  assert input_pipeline.load(config, record).name == name


def test_a_run_and_its_dataset_that_were_moved(run, photos, tmp_path):
  config, record = run
  moved = tmp_path / 'moved'
  pathlib.Path(config.data_dir).rename(moved)
  photos.rename(tmp_path / 'my photos')
  name = json_files.read(record)['name']
  with pytest.raises(
    errors.UserError, match=rf'set data\.data_dir to the folder .*{name}'
  ):
    input_pipeline.load(config, record)
  config.data_dir = str(moved)
  assert input_pipeline.load(config, record).name == name
  config.data_dir = str(tmp_path / 'again')
  config.source = str(tmp_path / 'my photos')
  assert input_pipeline.load(config, record).name == name


def test_fewer_pictures_than_wanted_are_one_line(run, capsys):
  config, _ = run
  config.update({'num_train': 9, 'num_test': 2})
  capsys.readouterr()
  input_pipeline.load(config)
  assert capsys.readouterr().err.endswith(
    'fewer images than wanted: train has 3 of 9, test has 1 of 2\n'
  )


def test_processes_read_parts_of_the_same_batches():
  """This holds over the end of an epoch, and with padding in the last batch."""
  source, settings = _Source(20), _config(flip=True, rotate=True)

  def train_batches(rows):
    batches = input_pipeline.train_batches(
      source, settings, seed=1, batch_size=6, start_step=1, rows=rows
    )
    return [next(batches) for _ in range(5)]

  def eval_batches(rows):
    return [
      *input_pipeline.eval_batches(source, settings, batch_size=6, rows=rows)
    ]

  for batches in (train_batches, eval_batches):
    whole = batches(None)
    parts = [batches(rows) for rows in (slice(0, 2), slice(2, 6))]
    for batch, *shares in zip(whole, *parts, strict=True):
      for name, values in batch.items():
        joined = np.concatenate([share[name] for share in shares])
        np.testing.assert_array_equal(joined, values)
