"""Feeding: the same batches from disk, memory and devices."""

import jax
import ml_collections
import numpy as np
import pytest

from inpaint_jax.system import errors, sharding
from inpaint_jax.training import feed


class _Source:
  """Counts how often its pictures are read."""

  def __init__(self, count, size=8):
    shape = (count, size, size, 3)
    self.images = np.random.RandomState(0).randint(0, 256, shape, np.uint8)
    self.reads = np.zeros(count, int)

  def __len__(self):
    return len(self.images)

  def __getitem__(self, index):
    self.reads[index] += 1
    return {'image': self.images[index], 'photo': 'a.jpg'}


def _config(**fields):
  return ml_collections.ConfigDict(
    {
      'flip': True,
      'rotate': True,
      'num_threads': 2,
      'image_size': 8,
      'cache': 'auto',
      **fields,
    }
  )


def _batches(source, cache, count, start_step=0):
  config = _config()
  found = feed.Feed(
    feed.keep(source, config, cache) if cache == 'host' else source,
    config,
    sharding.create_mesh(),
    seed=3,
    batch_size=4,
    start_step=start_step,
    cache=cache,
  )
  return [jax.tree.map(np.asarray, found.next()) for _ in range(count)]


@pytest.mark.parametrize('cache', ['device', 'host'])
def test_batches_are_the_same_wherever_pictures_are_kept(cache):
  """Over two epochs and a later start: order, flips, turns, all fields."""
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
  turned = {
    bool((x == source.images[i]).all())
    for batch in wanted
    for x, i in zip(batch['image'], batch['index'], strict=True)
  }
  # Some are as they were and some are not, or this would show nothing.
  assert turned == {True, False}


@pytest.mark.parametrize('cache', ['none', 'host', 'device'])
def test_what_is_kept_is_read_once(cache):
  source = _Source(8)
  # More than three epochs.
  _batches(source, cache, 7)
  if cache == 'none':
    assert source.reads.max() >= 3
  else:
    # The first once more, by what pads the last chunk.
    assert source.reads.max() == (1 if cache == 'host' else 2)


def test_a_split_larger_than_a_chunk_arrives_whole(monkeypatch):
  monkeypatch.setattr(feed, '_CHUNK', 4)
  source = _Source(10)
  pictures = feed.upload(source, _config(), sharding.create_mesh())
  np.testing.assert_array_equal(np.asarray(pictures), source.images)


class _Mesh:
  """A mesh of one device, which tells of its memory."""

  def __init__(self, memory):
    self.local_devices = [self]
    self._memory = memory

  def memory_stats(self):
    return {'bytes_limit': self._memory} if self._memory else None


@pytest.mark.parametrize(
  ('memory', 'count', 'wanted'),
  [
    (None, 1000, 'host'),
    (None, 10**7, 'none'),
    (10**9, 1000, 'device'),
    (10**6, 4000, 'host'),
    (10**9, 10**7, 'none'),
  ],
)
def test_auto_takes_the_first_that_has_room(memory, count, wanted):
  # A picture is 192 bytes.
  assert feed.choose(_config(), count, _Mesh(memory)) == wanted


def test_several_processes_do_not_choose_devices(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  assert feed.choose(_config(), 1000, _Mesh(10**9)) == 'host'


def test_what_is_named_is_taken_if_it_can_be():
  config = _config(cache='device')
  assert feed.choose(config, 1000, _Mesh(None)) == 'device'
  with pytest.raises(
    errors.UserError, match=r'cache=device wants 0\.2 GB .* choose host or none'
  ):
    feed.choose(config, 10**6, _Mesh(10**6))
  with pytest.raises(
    errors.UserError, match=r'cache=disk is unknown; choose: auto, device'
  ):
    feed.check(_config(cache='disk'))
