"""comparison/holes.py: what each kind promises."""

import numpy as np
import pytest
from scipy import ndimage

from inpaint_jax.comparison import holes
from inpaint_jax.system import errors

SIZE = 192, 288


def drawn(kind, count=12, size=SIZE):
  return [holes.draw(kind, 0, i, *size) for i in range(count)]


@pytest.mark.parametrize('kind', holes.KINDS)
def test_a_hole_depends_on_kind_seed_number_and_size_alone(kind):
  hole = holes.draw(kind, 3, 5, *SIZE)
  assert hole.shape == SIZE
  assert hole.dtype == bool
  assert hole.any()
  assert not hole.all()
  np.testing.assert_array_equal(hole, holes.draw(kind, 3, 5, *SIZE))
  assert (hole != holes.draw(kind, 4, 5, *SIZE)).any()
  assert (hole != holes.draw(kind, 3, 6, *SIZE)).any()


@pytest.mark.parametrize('kind', holes.KINDS)
@pytest.mark.parametrize('size', [(40, 300), (64, 64), (60, 2000)])
def test_every_size_gets_a_hole_and_known_pixels(kind, size):
  for hole in drawn(kind, 6, size):
    assert hole.any()
    assert not hole.all()


def test_things_are_few_and_of_their_size():
  counts = set()
  for hole in drawn('things', 30):
    assert 0.005 < hole.mean() < 0.15
    _, count = ndimage.label(hole)
    counts.add(count)
  assert counts <= {1, 2, 3}
  assert len(counts) > 1


def test_wires_are_thin_and_cross_the_whole_width():
  for hole in drawn('wires', 12, (600, 400)):
    # Nearly every column is crossed, by at most four lines of 6 px, which are
    # higher where they are steep.
    assert hole.any(axis=0).mean() > 0.99
    assert hole.sum(axis=0).max() <= 4 * 8
    # Lines are thicker only where they cross.
    inner = ndimage.binary_erosion(hole, np.ones((9, 9)))
    assert inner.mean() < 0.001


def test_borders_lie_at_the_sides():
  counts = set()
  for hole in drawn('borders', 30):
    rows, columns = ~hole.all(axis=1), ~hole.all(axis=0)
    # The known pixels are a rectangle.
    np.testing.assert_array_equal(~hole, rows[:, None] & columns)
    depths = [
      line.argmax() / len(line)
      for line in (rows, rows[::-1], columns, columns[::-1])
    ]
    taken = [depth for depth in depths if depth]
    assert all(0.055 < depth < 0.145 for depth in taken)
    counts.add(len(taken))
  assert counts == {1, 2, 3, 4}


def test_text_is_many_letters():
  for hole in drawn('text', 6):
    _, count = ndimage.label(hole)
    assert count > 15
    assert 0.02 < hole.mean() < 0.25


def test_specks_are_small_and_everywhere():
  for hole in drawn('specks', 4):
    assert not ndimage.binary_erosion(hole, np.ones((13, 13))).any()
    quarters = [x for half in np.split(hole, 2) for x in np.split(half, 2, 1)]
    assert all(0.001 < quarter.mean() < 0.03 for quarter in quarters)


def test_an_unknown_kind_is_named():
  with pytest.raises(errors.UserError, match="kinds='spots'"):
    holes.draw('spots', 0, 0, *SIZE)
