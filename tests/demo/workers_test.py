"""Which model fills a picture, and where."""

import threading

import numpy as np
import pytest

from inpaint_jax import inference
from inpaint_jax.demo import workers
from inpaint_jax.system import errors


def test_each_device_works_on_one_picture_at_a_time():
  busy, most, lock = {'one': 0, 'two': 0}, [], threading.Lock()
  together = threading.Barrier(2, timeout=120)
  loaded = []

  def load(source, device):
    loaded.append((source, device))

    def inpaint(pixels, hole):
      with lock:
        busy[device] += 1
        most.append(busy[device])
      together.wait()
      with lock:
        busy[device] -= 1
      return pixels + 1

    return inpaint

  pool = workers.Workers({'model': 'the source'}, ['one', 'two'], load)
  # The first, before it is asked for.
  assert loaded == [('the source', 'one')]
  assert pool.count == 2
  zeros = np.zeros((2, 2, 3), np.uint8)
  results = []
  threads = [
    threading.Thread(
      target=lambda: results.append(pool('model', zeros, zeros[..., 0] > 0))
    )
    for _ in range(6)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(results) == 6
  assert max(most) == 1
  assert sorted(loaded) == [('the source', 'one'), ('the source', 'two')]
  with pytest.raises(errors.UserError, match='choose one of: model'):
    pool('other', zeros, zeros[..., 0] > 0)


def test_the_page_shows_the_last_part_of_a_models_path(monkeypatch):
  monkeypatch.setattr(inference, 'list_models', lambda: ['a', 'b'])
  assert workers.list_sources('b') == {'b': 'b', 'a': 'a'}
  assert list(workers.list_sources('/home/me/runs/unet/')) == ['unet', 'a', 'b']
  address = 'https://example.com/nets/c.safetensors?x=1#sha256=00'
  assert workers.list_sources(address)['c.safetensors'] == address
