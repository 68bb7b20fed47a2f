"""comparison/peers.py: peers that are installed keep known pixels."""

import sys

import numpy as np
import pytest

from inpaint_jax.comparison import peers


@pytest.mark.slow
@pytest.mark.parametrize('name', peers.PEERS)
def test_fills_the_hole_alone_and_does_not_see_into_it(name):
  if wanted := peers.missing(name):
    pytest.skip(wanted)
  image = np.zeros((96, 112, 3), np.uint8)
  image[:, np.arange(112) % 8 < 4] = [250, 120, 60]
  hole = np.zeros((96, 112), bool)
  hole[40:56, 40:60] = True
  marked = np.where(hole[..., None], np.uint8([0, 255, 0]), image)
  filled = peers.PEERS[name](marked, hole)
  assert filled.dtype == np.uint8
  np.testing.assert_array_equal(filled[~hole], image[~hole])
  # None of the green that the hole hides is in the result.
  green = filled[hole][:, 1].astype(int) - filled[hole].max(axis=1)
  assert (green < 0).mean() > 0.4
  assert (filled[hole] == [0, 255, 0]).all(axis=1).mean() == 0


def test_what_is_missing_is_said(monkeypatch):
  monkeypatch.setattr(peers.importlib.util, 'find_spec', lambda name: None)
  assert peers.missing('mean') == ''
  assert peers.missing('gmic') == 'pip install gmic'
  assert 'opencv-contrib-python-headless' in peers.missing('shiftmap')


def test_a_missing_parent_package_is_no_error(monkeypatch):
  monkeypatch.setitem(sys.modules, 'cv2', None)
  assert peers.missing('shiftmap')
