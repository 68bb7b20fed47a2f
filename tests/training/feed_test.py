"""Training batches: the same wherever images are kept."""

import jax
import ml_collections
import numpy as np
import pytest

from inpaint_jax.system import errors, sharding
from inpaint_jax.training import feed


class _Source:
  """A source that counts how often its images are read."""

  def __init__(self, count, size=8):
    shape = (count, size, size, 3)
    self.images = np.random.RandomState(0).randint(0, 256, shape, np.uint8)
    self.reads = np.zeros(count, int)

  def __len__(self):
    return len(self.images)

  def __getitem__(self, index):
    self.reads[index] += 1
    return {'image': self.images[index], 'photo': 'a.jpg'}


class _Count:
  """A source that has only a number of images."""

  def __init__(self, count):
    self._count = count

  def __len__(self):
    return self._count


def _config(cache='auto'):
  return ml_collections.ConfigDict(
    {
      'seed': 3,
      'batch_size': 4,
      'data': {
        'flip': True,
        'rotate': True,
        'num_threads': 2,
        'image_size': 8,
        'cache': cache,
      },
    }
  )


def _cache(source, cache):
  splits = {'train': source, 'val': _Source(2), 'test': _Source(2)}
  mesh = sharding.create_mesh()
  return feed.cache_splits(splits, _config(cache).data, mesh)


def _batches(source, cache, count, start_step=0):
  train = _cache(source, cache)['train']
  mesh = sharding.create_mesh()
  found = feed.device_batches(train, _config(), mesh, start_step=start_step)
  return [jax.tree.map(np.asarray, next(found)[0]) for _ in range(count)]


@pytest.mark.parametrize('cache', ['device', 'host'])
def test_batches_are_the_same_wherever_images_are_kept(cache):
  """Compares all fields over two epochs and after a later start."""
  source = _Source(22)
  wanted = _batches(source, 'none', 10)
  for found, theirs in (
    (_batches(source, cache, 10), wanted),
    (_batches(source, cache, 3, start_step=7), wanted[7:]),
  ):
    for ours, other in zip(found, theirs, strict=True):
      assert ours.keys() == other.keys()
      for name in ours:
        assert ours[name].dtype == other[name].dtype
        np.testing.assert_array_equal(ours[name], other[name])
  is_unchanged = {
    bool((x == source.images[i]).all())
    for batch in wanted
    for x, i in zip(batch['image'], batch['index'], strict=True)
  }
  # Some images are augmented and some are not, so this compares augmentation.
  assert is_unchanged == {True, False}


@pytest.mark.parametrize('cache', ['none', 'host', 'device'])
def test_what_is_cached_is_read_once(cache):
  source = _Source(8)
  # This is more than three epochs.
  _batches(source, cache, 7)
  if cache == 'none':
    assert source.reads.max() >= 3
  else:
    assert source.reads.max() == 1


@pytest.mark.parametrize(
  ('cache', 'train', 'val'),
  [
    ('none', _Source, _Source),
    ('host', feed.HostCache, feed.HostCache),
    ('device', feed.DeviceCache, feed.HostCache),
  ],
)
def test_each_split_has_its_place(cache, train, val):
  splits = _cache(_Source(4), cache)
  assert {name: type(split) for name, split in splits.items()} == {
    'train': train,
    'val': val,
    'test': _Source,
  }
  assert {name: len(split) for name, split in splits.items()} == {
    'train': 4,
    'val': 2,
    'test': 2,
  }


class _Mesh:
  """A mesh of one device that reports a given size of memory."""

  def __init__(self, memory):
    self.local_devices = [self]
    self._memory = memory

  def memory_stats(self):
    return {'bytes_limit': self._memory} if self._memory else None


def _place(count, memory, cache='auto', val=0):
  """Returns the type of the training split's cache, None if it has none."""
  splits = {'train': _Count(count), 'val': _Count(val), 'test': _Count(1)}
  cached = feed.cache_splits(splits, _config(cache).data, _Mesh(memory))
  if cached['train'] is splits['train']:
    return None
  return type(cached['train'])


@pytest.mark.parametrize(
  ('memory', 'count', 'wanted'),
  [
    (None, 1000, feed.HostCache),
    (None, 10**7, None),
    (10**9, 1000, 'on the devices'),
    (10**6, 4000, feed.HostCache),
    (10**9, 10**7, None),
  ],
)
def test_auto_takes_the_first_that_has_room(monkeypatch, memory, count, wanted):
  monkeypatch.setattr(feed, 'DeviceCache', lambda *_: 'on the devices')
  # An image takes 192 bytes.
  found = _place(count, memory)
  assert found is (str if wanted == 'on the devices' else wanted)


def test_validation_images_need_no_room_on_a_device(monkeypatch):
  monkeypatch.setattr(feed, 'DeviceCache', lambda *_: 'on the devices')
  for cache in ('auto', 'device'):
    assert _place(1000, 10**6, cache, val=5000) is str
  # Without a device they need room in the memory of the host.
  assert _place(1000, None, val=10**7) is None


def test_validation_images_need_room_in_the_host(monkeypatch):
  monkeypatch.setattr(feed, 'DeviceCache', lambda *_: 'on the devices')
  for cache, is_kept in ('auto', False), ('device', True):
    splits = {name: _Count(10**7) for name in ('train', 'val', 'test')}
    cached = feed.cache_splits(splits, _config(cache).data, _Mesh(10**12))
    assert cached['train'] == 'on the devices'
    assert (cached['val'] is not splits['val']) == is_kept


def test_several_processes_do_not_choose_devices(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  assert _place(1000, 10**9) is feed.HostCache


def test_a_device_that_is_too_small_is_an_error():
  with pytest.raises(
    errors.UserError, match=r'cache=device wants 0\.2 GB .* choose host or none'
  ):
    _place(10**6, 10**6, cache='device')
