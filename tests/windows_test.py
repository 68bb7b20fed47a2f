"""What a net sees of a picture of any size."""

import numpy as np
import pytest

from inpaint_jax import windows


def _hole(height, width, *boxes):
  hole = np.zeros((height, width), bool)
  for top, left, bottom, right in boxes:
    hole[top:bottom, left:right] = True
  return hole


def _image(height, width):
  """A picture without detail, which any reduction leaves as it is."""
  y, x = np.mgrid[:height, :width]
  channels = [y * 200 / height, x * 200 / width, y * 0 + 90]
  return np.stack(channels, axis=-1).astype(np.uint8)


def test_distant_holes_have_windows_of_their_own_and_close_ones_share():
  hole = _hole(
    300, 400, (10, 10, 30, 30), (35, 10, 40, 30), (200, 300, 240, 330)
  )
  first, second = windows.find(hole, 64)
  assert len(first.rows) == 20 * 20 + 5 * 20
  assert len(second.rows) == 40 * 30
  assert hole[first.rows, first.columns].all()


@pytest.mark.parametrize(
  'box', [(0, 0, 8, 8), (92, 130, 100, 140), (40, 50, 60, 60)]
)
def test_a_small_hole_is_seen_at_full_resolution_within_the_picture(box):
  (window,) = windows.find(_hole(100, 140, box), 64)
  assert window.side == 64
  assert 0 <= window.top <= 100 - 64
  assert 0 <= window.left <= 140 - 64
  assert window.top <= box[0]
  assert box[2] <= window.top + 64


def test_a_large_hole_has_a_window_in_proportion():
  (window,) = windows.find(_hole(900, 900, (300, 300, 500, 400)), 64)
  assert window.side == 500
  assert window.top == 150


@pytest.mark.parametrize('kind', ['scratch', 'diagonal', 'frame'])
def test_a_long_thin_hole_is_cut_into_pieces_seen_at_full_resolution(kind):
  hole = np.zeros((900, 1200), bool)
  if kind == 'scratch':
    hole[400:403, 20:1180] = True
  elif kind == 'diagonal':
    hole[np.arange(800), np.arange(800)] = True
  else:
    hole[:12], hole[-12:], hole[:, :12], hole[:, -12:] = 4 * [True]
    # Another hole in the middle of the first one's bounding box.
    hole[400:440, 500:560] = True
  found = windows.find(hole, 64)
  covered = np.zeros_like(hole, int)
  for window in found:
    assert window.side <= 2.5 * 64
    covered[window.rows, window.columns] += 1
  np.testing.assert_array_equal(covered, hole)
  assert 10 < len(found) < 200


def test_a_compact_hole_stays_in_one_piece():
  hole = np.hypot(*np.mgrid[-200:200, -200:200]) < 150
  assert len(windows.find(hole, 64)) == 1


def test_a_window_is_no_larger_than_the_picture():
  hole = np.ones((600, 800), bool)
  hole[:, :100] = False
  (window,) = windows.find(hole, 64)
  assert window.side == 800


def test_cut_at_full_resolution_is_exact_and_hides_the_hole():
  image, hole = _image(100, 100), _hole(100, 100, (40, 40, 60, 60))
  (window,) = windows.find(hole, 64)
  part, mask = windows.cut(image, hole, window, 64)
  place = np.s_[window.top : window.top + 64, window.left : window.left + 64]
  np.testing.assert_array_equal(mask[..., 0], hole[place])
  known = ~hole[place]
  np.testing.assert_allclose(part[known], image[place][known] / 255, atol=1e-6)
  assert not part[~known].any()


def test_what_a_hole_holds_never_reaches_the_net():
  """Neither at full resolution nor reduced, not even along the contour."""
  hole = _hole(301, 407, (33, 33, 190, 250), (200, 301, 209, 308))
  image, other = _image(301, 407), _image(301, 407)
  other[hole] = 255
  for window in windows.find(hole, 64):
    ours, theirs = (windows.cut(x, hole, window, 64)[0] for x in (image, other))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('size', [(1, 90), (16, 16), (40, 300), (63, 65)])
def test_a_small_picture_goes_on_as_in_a_mirror(size):
  image, hole = _image(*size), _hole(*size, (0, 5, 1, 9))
  (window,) = windows.find(hole, 64)
  part, mask = windows.cut(image, hole, window, 64)
  assert part.shape == (64, 64, 3)
  assert mask.shape == (64, 64, 1)
  assert set(np.unique(part[mask[..., 0] == 0] * 255).round()) <= set(
    np.unique(image)
  )


@pytest.mark.parametrize('extent', [10, 60, 150])
def test_cut_and_paste_puts_things_back_in_their_place(extent):
  """A net that knows the truth gives back the truth, at any reduction."""
  image = _image(400, 500)
  hole = _hole(400, 500, (120, 210, 120 + extent, 210 + extent))
  (window,) = windows.find(hole, 64)
  filled, _ = windows.cut(image, np.zeros_like(hole), window, 64)
  result = image.copy()
  result[hole] = 0
  windows.paste(result, filled, window)
  np.testing.assert_array_equal(result[~hole], image[~hole])
  error = np.abs(result.astype(int) - image).max()
  assert error <= (2 if window.side > 64 else 0)


def test_a_reduced_pixel_is_hole_if_any_of_its_pixels_is():
  hole = _hole(600, 600, (100, 100, 400, 400))
  hole[500, 500] = True
  window = windows.find(hole, 64)[0]
  assert window.side == 600
  _, mask = windows.cut(_image(600, 600), hole, window, 64)
  assert mask[int(500.5 / 600 * 64), int(500.5 / 600 * 64), 0] == 1
