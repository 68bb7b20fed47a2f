"""Interrupted, concurrent, damaged and impossible builds."""

from concurrent import futures
import errno
import itertools
import os
import signal
import sys
import time

from datasets import samples
import ml_collections
import numpy as np
import pytest
from tensorflow_datasets.core import shuffle

from inpaint_jax import datasets
from inpaint_jax.datasets import landscape, storage
from inpaint_jax.system import errors
from inpaint_jax.training import input_pipeline

_BUILD = """
import sys
import ml_collections
from inpaint_jax import datasets
config = ml_collections.ConfigDict(dict(
  dataset='synthetic', source='', split='content', data_dir=sys.argv[1],
  image_size=32, num_train=int(sys.argv[2]), num_val=2, num_test=2))
print(len(datasets.load(config).splits['train']))
"""


@pytest.mark.slow
def test_a_killed_build_is_never_used_and_leaves_nothing(programs, tmp_path):
  folder = tmp_path / 'data'
  process = programs.start('-c', _BUILD, folder, 600)
  while not list(folder.rglob('incomplete.*')):
    assert process.poll() is None, process.communicate()
    time.sleep(0.02)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert list(folder.rglob('incomplete.*'))
  config = samples.data_config(tmp_path, num_train=600, num_val=2, num_test=2)
  assert not (folder / datasets.dataset_name(config)).exists()
  assert len(datasets.load(config).splits['train']) == 600
  assert not list(folder.rglob('incomplete.*'))


@pytest.mark.slow
def test_two_processes_build_once(programs, tmp_path):
  folder = tmp_path / 'data'
  processes = [programs.start('-c', _BUILD, folder, 300) for _ in range(2)]
  results = [process.communicate() for process in processes]
  assert [out.strip() for out, _ in results] == ['300', '300'], results
  assert sum('Building' in err for _, err in results) == 1


def test_threads_that_load_at_once_leave_the_terminal_as_it_was(tmp_path):
  config = samples.data_config(tmp_path, num_train=4, num_val=2, num_test=2)
  before = sys.stdout
  for _ in range(3):
    with futures.ThreadPoolExecutor(4) as pool:
      list(pool.map(datasets.load, [config] * 4))
    assert sys.stdout is before


@pytest.mark.parametrize(
  'damage', ['cut', 'empty', 'missing', 'no info', 'bad info']
)
def test_damaged_files_are_one_line(tmp_path, damage):
  config = samples.data_config(tmp_path)
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


def test_a_damaged_image_is_named_once(tmp_path, monkeypatch):
  config = samples.data_config(tmp_path)
  datasets.load(config)
  monkeypatch.setattr(storage.reading, 'to_rgb', lambda _: 1 / 0)
  with pytest.raises(errors.UserError) as caught:
    datasets.load(config)
  assert str(caught.value).count('the dataset in') == 1


def test_a_flipped_byte_is_one_line_when_its_record_is_read(tmp_path):
  """This holds in a batch, too: Grain lets the error through."""
  config = samples.data_config(tmp_path, num_train=100)
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
  config = samples.data_config(tmp_path, data_dir=str(tmp_path / 'file'))
  with pytest.raises(errors.UserError, match=r'data.data_dir=.*Not a'):
    datasets.load(config)

  def full(*args):
    del args
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(landscape, 'render', full)
  with pytest.raises(errors.UserError, match=r'data_dir=.*No space left'):
    datasets.load(samples.data_config(tmp_path))
  assert not list((tmp_path / 'data').rglob('incomplete*'))


def test_other_errors_of_a_build_are_not_hidden(tmp_path, monkeypatch):
  monkeypatch.setattr(landscape, 'render', lambda *_: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    datasets.load(samples.data_config(tmp_path))


def test_a_split_too_large_for_the_memory_of_tfds_needs_no_tensorflow(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(shuffle, 'MAX_MEM_BUFFER_SIZE', 1000)
  config = samples.data_config(tmp_path)
  assert len(datasets.load(config).splits['train']) == 12


def test_threads_read_the_right_pictures(tmp_path):
  dataset = datasets.load(samples.data_config(tmp_path))
  train = dataset.splits['train']
  expected = samples.pictures(dataset, 'train')
  order = np.random.default_rng(0).integers(len(train), size=400).tolist()
  with futures.ThreadPoolExecutor(8) as pool:
    got = list(pool.map(lambda i: train[i]['image'], order))
  np.testing.assert_array_equal(np.stack(got), expected[order])


def test_default_folder(monkeypatch, tmp_path):
  monkeypatch.setenv('INPAINT_JAX_DATA', str(tmp_path / 'a'))
  assert storage.data_dir('') == tmp_path / 'a'
  assert storage.data_dir(str(tmp_path / 'b')) == tmp_path / 'b'
  monkeypatch.delenv('INPAINT_JAX_DATA')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'c'))
  assert storage.data_dir('') == tmp_path / 'c' / 'inpaint_jax' / 'datasets'
