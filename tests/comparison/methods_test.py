"""comparison/methods.py: names, and what the engine is given."""

import numpy as np
import pytest
import random_models

from inpaint_jax import inference
from inpaint_jax.comparison import methods, peers
from inpaint_jax.release import zoo
from inpaint_jax.system import errors


def test_a_missing_peer_is_left_out_with_a_line(monkeypatch, capsys):
  monkeypatch.setattr(
    peers, 'missing', lambda name: 'pip install x' * (name == 'gmic')
  )
  assert methods.installed(['gmic', 'mean', 'engine']) == ['mean', 'engine']
  assert capsys.readouterr().out == (
    'gmic is left out: pip install x adds it\n'
  )


def test_no_method_at_all_is_an_error(monkeypatch):
  monkeypatch.setattr(peers, 'missing', lambda name: 'pip install x')
  for names in ([], ['gmic']):
    with pytest.raises(errors.UserError, match='no method that can run; name'):
      methods.installed(names)


def test_an_unknown_method_is_named():
  with pytest.raises(errors.UserError, match="methods='nobody'"):
    methods.installed(['nobody'])


def test_the_engine_gets_its_options_and_a_blank_hole(monkeypatch):
  calls = []

  def load(source):
    def inpainter(image, hole, **options):
      calls.append((source, image, options))
      return image

    return inpainter

  monkeypatch.setattr(inference, 'load', load)
  monkeypatch.setitem(methods.ENGINE, 'engine-x', {'seed': 7})
  hole = np.zeros((4, 4), bool)
  hole[1, 1] = True
  methods.create('engine-x', 'my-model')(np.full((4, 4, 3), 9, np.uint8), hole)
  ((source, image, options),) = calls
  assert source == 'my-model'
  assert options == {'seed': 7}
  np.testing.assert_array_equal(image[..., 0], 9 * ~hole)


def test_a_model_alone_paints_the_hole_and_nothing_else(monkeypatch):
  monkeypatch.setattr(zoo, 'list_models', lambda: ['tiny'])
  monkeypatch.setattr(zoo, 'load', lambda name: random_models.create_model())
  image = np.full((19, 26, 3), 200, np.uint8)
  hole = np.zeros((19, 26), bool)
  hole[4:9, 20:] = True
  paint = methods.create('tiny', '')
  filled = paint(image, hole)
  np.testing.assert_array_equal(filled[~hole], image[~hole])
  assert (filled[hole] != 200).any()
  # What the hole hides has no effect.
  image[hole] = 0
  np.testing.assert_array_equal(paint(image, hole)[hole], filled[hole])
