"""windows.py: the parts of an image in which its holes are filled."""

import itertools

import numpy as np
import pytest

from inpaint_jax.inpainting import windows


def _holes(height, width, boxes):
  hole = np.zeros((height, width), bool)
  for top, left, bottom, right in boxes:
    hole[top:bottom, left:right] = True
  return hole


def _specks(height, width, count):
  random = np.random.RandomState(0)
  places = random.randint(0, (height - 3, width - 3), (count, 2))
  return _holes(height, width, [(y, x, y + 3, x + 3) for y, x in places])


def _find(hole, barred):
  return list(itertools.chain(*windows.find_windows(hole, barred)))


LARGE = {
  'one': _holes(2000, 2500, [(900, 900, 1000, 1100)]),
  'at corners': _holes(
    2000, 2500, [(0, 0, 5, 9), (1995, 2490, 2000, 2500), (0, 2499, 1, 2500)]
  ),
  'across': _holes(2000, 2500, [(1000, 0, 1003, 2500)]),
  'around': ~_holes(2000, 2500, [(300, 300, 1700, 2200)]),
  'half': _holes(3000, 5000, [(0, 2500, 3000, 5000)]),
  'specks': _specks(4000, 6000, 5000),
  'rows': np.indices((1500, 1500))[0] % 2 == 0,
}


@pytest.mark.parametrize('name', LARGE)
def test_all_holes_are_in_a_window_of_bounded_size(name):
  hole = LARGE[name]
  found, covered = _find(hole, hole), np.zeros_like(hole)
  for rows, columns, inner, _ in found:
    covered[inner] = True
    for outer, part, length in zip(
      (rows, columns), inner, hole.shape, strict=True
    ):
      assert 0 <= outer.start <= part.start < part.stop <= outer.stop <= length
    size = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert size <= 16e6
    # The window contains known pixels to copy.
    assert not hole[rows, columns].all() or name == 'half'
  assert covered[hole].all()


def test_a_small_image_is_one_window():
  hole = _holes(1200, 1600, [(5, 5, 6, 6), (900, 900, 950, 950)])
  everything = slice(0, 1200), slice(0, 1600)
  assert _find(hole, hole) == [(*everything, everything, False)]


def test_thousands_of_specks_are_few_windows():
  hole = _specks(4000, 6000, 20000)
  assert len(_find(hole, hole)) <= 24


def test_large_holes_far_apart_have_windows_of_their_own():
  hole = _holes(4000, 6000, [(10, 10, 400, 500), (3000, 5000, 3400, 5500)])
  found = _find(hole, hole)
  assert len(found) == 2
  for rows, columns, *_ in found:
    assert rows.stop - rows.start <= 400 + 2 * 512
    assert columns.stop - columns.start <= 500 + 2 * 512


@pytest.mark.parametrize('side', [5, 40])
def test_a_window_reaches_to_what_may_be_copied(side):
  hole = _holes(3000, 3000, [(100, 100, 120, 130)])
  allowed = _holes(3000, 3000, [(2003, 2501, 2003 + side, 2501 + side)])
  (window,) = _find(hole, ~allowed)
  found = allowed[window.rows, window.columns]
  assert np.count_nonzero(found) == side**2
  assert window.rows.start == 100 - 64
  # Nothing may be copied, so the window does not grow.
  (window,) = _find(hole, np.ones_like(hole))
  assert window.rows == slice(36, 184)


@pytest.mark.parametrize('name', LARGE)
def test_windows_of_a_turn_see_no_pixel_that_another_fills(name):
  hole = LARGE[name]
  for turn in windows.find_windows(hole, hole):
    seen = np.zeros(hole.shape, np.int32)
    for rows, columns, *_ in turn:
      seen[rows, columns] += 1
    for _, _, inner, _ in turn:
      assert seen[inner].max() == 1
  if name == 'specks':
    assert len(windows.find_windows(hole, hole)) == 4


@pytest.mark.parametrize(
  ('boxes', 'scale'),
  [
    ([(100, 100, 2400, 2600)], 1),
    ([(100, 100, 2900, 2900)], 2),
    ([(100, 0, 2900, 8000)], 2),
    ([(0, 0, 2900, 8600)], 4),
    # A thin hole of which the box is large.
    ([(100, 100, 2900, 900), (100, 100, 900, 2900)], 1),
    # Deep at the image's edge, where no known pixel is.
    ([(0, 0, 3000, 600), (0, 0, 600, 3000)], 2),
  ],
)
def test_an_image_is_reduced_until_its_deep_holes_fit(boxes, scale):
  hole = _holes(3000, 9000, boxes)
  assert windows.find_scale(hole) == scale
  found = _find(hole, hole)
  assert [x.is_cut for x in found] == [scale > 1] * len(found)
  assert len(found) > 1 or boxes[0][2] == 2400


def test_a_window_is_aligned():
  window = windows.Window(slice(13, 30), slice(8, 21), (slice(15, 30),) * 2)
  aligned = windows.align(window, 4)
  assert aligned == (slice(12, 30), slice(8, 21), window.inner, False)
