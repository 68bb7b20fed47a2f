"""Which guide fills an image, and where."""

import threading

import jax
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

    def explain(image, hole, **options):
      assert options == {'seed': 1}
      with lock:
        busy[device] += 1
        most.append(busy[device])
      together.wait()
      with lock:
        busy[device] -= 1
      return inference.Filling(image + 1, None)

    return explain

  pool = workers.Workers({'model': 'the source'}, ['one', 'two'], load)
  # The guide of the first device is loaded before it is needed.
  assert loaded == [('the source', 'one')]
  assert pool.count == 2
  zeros = np.zeros((2, 2, 3), np.uint8)
  results = []
  threads = [
    threading.Thread(
      target=lambda: results.append(
        pool('model', zeros, zeros[..., 0] > 0, seed=1)
      )
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
  none = {workers.NO_MODEL: 'none'}
  models = {'a': 'a', 'b': 'b'}
  for named, wanted in (
    ('', none | models),
    ('none', none | models),
    ('b', {'b': 'b'} | none | models),
    ('/home/me/runs/unet/', {'unet': '/home/me/runs/unet/'} | none | models),
  ):
    guides = workers.list_guides(named)
    assert guides == wanted
    assert list(guides) == list(wanted)
  address = 'https://example.com/nets/c.safetensors?x=1#sha256=00'
  assert workers.list_guides(address)['c.safetensors'] == address


@pytest.mark.slow
def test_what_is_loaded_fills():
  explain = workers.load_onto('none', jax.local_devices()[0])
  image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
  hole = np.zeros((60, 70), bool)
  hole[20:30, 20:30] = True
  filling = explain(image, hole, seed=2)
  np.testing.assert_array_equal(filling.image[~hole], image[~hole])
  assert (filling.origins[hole] >= 0).all()
