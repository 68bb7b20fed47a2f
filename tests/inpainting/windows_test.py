"""What a model sees of an image of any size."""

import numpy as np
import pytest

from inpaint_jax.inpainting import windows


def _hole(height, width, *boxes):
  hole = np.zeros((height, width), bool)
  for top, left, bottom, right in boxes:
    hole[top:bottom, left:right] = True
  return hole


def _image(height, width, dtype=np.uint8):
  """An image without detail, which any reduction leaves as it is."""
  y, x = np.mgrid[:height, :width]
  channels = [y * 200 / height, x * 200 / width, y * 0 + 90]
  scale = np.iinfo(dtype).max / 255
  return (np.stack(channels, axis=-1) * scale).astype(dtype)


def _pixels(hole, window):
  """The window's own hole as bool [H, W]."""
  pixels = np.zeros_like(hole)
  top, left, bottom, right = window.box
  pixels[top:bottom, left:right] = window.hole
  return pixels


def _from_strips(hole, window, margin):
  """The same, put together from strips."""
  pixels = np.zeros_like(hole)
  for rows, columns, mask in windows.iter_hole_strips(
    window, hole.shape, margin
  ):
    pixels[rows, columns] |= mask[margin : len(mask) - margin]
  return pixels


def test_distant_holes_have_windows_of_their_own_and_close_ones_share():
  hole = _hole(
    300, 400, (10, 10, 30, 30), (35, 10, 40, 30), (200, 300, 240, 330)
  )
  first, second = windows.find_windows(hole, 64)
  assert _pixels(hole, first).sum() == 20 * 20 + 5 * 20
  assert _pixels(hole, second).sum() == 40 * 30
  assert first.box == (10, 10, 40, 30)
  assert second.depth == 15


@pytest.mark.parametrize(
  'box', [(0, 0, 8, 8), (92, 130, 100, 140), (40, 50, 60, 60)]
)
def test_a_small_hole_is_seen_at_full_resolution_within_the_image(box):
  (window,) = windows.find_windows(_hole(100, 140, box), 64)
  assert (window.size, window.factor) == (64, 1)
  assert 0 <= window.top <= 100 - 64
  assert 0 <= window.left <= 140 - 64
  assert window.top <= box[0]
  assert box[2] <= window.top + 64


def test_a_large_hole_has_a_window_in_proportion():
  (window,) = windows.find_windows(_hole(900, 900, (300, 300, 500, 400)), 64)
  assert (window.size, window.factor) == (512, 1)
  assert window.top == 400 - 256
  (window,) = windows.find_windows(
    _hole(4000, 4000, (1000, 900, 2000, 1900)), 64
  )
  assert (window.size, window.factor) == (512, 4)


def test_working_sizes_are_few():
  assert windows.working_sizes(64) == [64, 128, 256, 512]
  assert windows.working_sizes(32) == [32, 64, 128, 256, 512]
  assert windows.working_sizes(256) == [256, 512]
  assert windows.working_sizes(1024) == [1024]


@pytest.mark.parametrize('kind', ['scratch', 'diagonal', 'frame', 'dust'])
def test_a_long_thin_hole_is_cut_into_pieces_seen_at_full_resolution(kind):
  hole = np.zeros((900, 1200), bool)
  if kind == 'scratch':
    hole[400:403, 20:1180] = True
  elif kind == 'diagonal':
    hole[np.arange(800), np.arange(800)] = True
  elif kind == 'frame':
    hole[:7], hole[-7:], hole[:, :7], hole[:, -7:] = 4 * [True]
    # Another hole in the middle of the first one's bounding box.
    hole[400:440, 500:560] = True
  else:
    hole = np.random.RandomState(0).rand(900, 1200) < 0.02
  found = windows.find_windows(hole, 64)
  covered = np.zeros_like(hole, int)
  for window in found:
    assert window.side <= 128
    covered += _pixels(hole, window)
  np.testing.assert_array_equal(covered, hole)
  assert 10 < len(found) < 300


def test_a_deep_frame_stays_in_one_piece():
  """It is seen whole, at a resolution at which it is thin."""
  hole = np.ones((900, 1100), bool)
  hole[128:-128, 128:-128] = False
  (window,) = windows.find_windows(hole, 64)
  assert window.depth == 128
  assert _pixels(hole, window).sum() == hole.sum()


def test_beyond_the_edge_nothing_is_known():
  (inside,) = windows.find_windows(_hole(300, 300, (96, 96, 136, 136)), 64)
  (beside,) = windows.find_windows(_hole(300, 300, (100, 0, 200, 40)), 64)
  assert inside.depth == 20
  assert beside.depth == 40


def test_a_compact_hole_stays_in_one_piece():
  hole = np.hypot(*np.mgrid[-200:200, -200:200]) < 150
  assert len(windows.find_windows(hole, 64)) == 1


def test_a_window_is_hardly_larger_than_the_image():
  hole = np.ones((600, 800), bool)
  hole[:, :100] = False
  (window,) = windows.find_windows(hole, 64)
  assert window.side == 1024


@pytest.mark.parametrize('shape', [(1, 5000), (5000, 1), (3, 900)])
def test_images_of_few_rows(shape):
  hole = np.zeros(shape, bool)
  hole.ravel()[[5, 6, 700, 701]] = True
  hole.ravel()[100:400] = True
  found = windows.find_windows(hole, 64)
  covered = sum(_pixels(hole, window).astype(int) for window in found)
  np.testing.assert_array_equal(covered, hole)


def test_strips_are_the_same_as_the_whole(monkeypatch):
  hole = _hole(700, 500, (10, 20, 600, 400), (630, 20, 640, 90))
  image = _image(700, 500)
  window = windows.find_windows(hole, 32)[0]
  window = window._replace(size=256, factor=4, top=-30, left=-100)
  whole = windows.cut_out(image, hole, window), _pixels(hole, window)
  monkeypatch.setattr(windows, 'STRIP_PIXELS', 3000)
  assert len(list(windows.iter_hole_strips(window, hole.shape, 3))) > 10
  parts = windows.cut_out(image, hole, window), _from_strips(hole, window, 3)
  np.testing.assert_array_equal(whole[0][0], parts[0][0])
  np.testing.assert_array_equal(whole[0][1], parts[0][1])
  np.testing.assert_array_equal(whole[1], parts[1])


def test_a_strip_shows_the_hole_around_it(monkeypatch):
  """Else a feather would stop at each strip's edge."""
  monkeypatch.setattr(windows, 'STRIP_PIXELS', 2000)
  hole = _hole(200, 100, (20, 30, 150, 60))
  (window,) = windows.find_windows(hole, 512)
  padded = np.pad(hole, 3)
  strips = list(windows.iter_hole_strips(window, hole.shape, 3))
  assert len(strips) > 2
  for rows, columns, own in strips:
    around = padded[rows.start : rows.stop + 6]
    np.testing.assert_array_equal(
      own, around[:, columns.start + 3 : columns.stop + 3]
    )


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_cut_at_full_resolution_is_exact_and_hides_the_hole(dtype):
  image, hole = _image(100, 100, dtype), _hole(100, 100, (40, 40, 60, 60))
  (window,) = windows.find_windows(hole, 64)
  part, mask = windows.cut_out(image, hole, window)
  place = np.s_[window.top : window.top + 64, window.left : window.left + 64]
  np.testing.assert_array_equal(mask[..., 0], hole[place])
  known = ~hole[place]
  expected = image[place][known] / np.iinfo(dtype).max
  np.testing.assert_allclose(part[known], expected, atol=1e-6)
  assert not part[~known].any()


def test_what_a_hole_holds_never_reaches_the_net():
  """Neither at full resolution nor reduced, not even along the contour."""
  hole = _hole(1301, 1407, (133, 133, 790, 850), (1000, 1001, 1009, 1008))
  image, other = _image(1301, 1407), _image(1301, 1407)
  other[hole] = 255
  found = windows.find_windows(hole, 64)
  assert {window.factor > 1 for window in found} == {True, False}
  for window in found:
    ours, theirs = (windows.cut_out(x, hole, window)[0] for x in (image, other))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('size', [(1, 90), (16, 16), (40, 300), (63, 65)])
def test_a_small_image_goes_on_as_in_a_mirror(size):
  image, hole = _image(*size), _hole(*size, (0, 5, 1, 9))
  (window,) = windows.find_windows(hole, 64)
  part, mask = windows.cut_out(image, hole, window)
  assert part.shape == (64, 64, 3)
  assert mask.shape == (64, 64, 1)
  assert set(np.unique(part[mask[..., 0] == 0] * 255).round()) <= set(
    np.unique(image)
  )


@pytest.mark.parametrize('extent', [10, 60, 150, 700])
def test_a_window_is_brought_back_to_its_place(extent):
  """A model that knows the truth gives back the truth, at any reduction."""
  y, x = np.mgrid[:1400, :1500]
  waves = [120 + 100 * np.sin(z / 40) for z in (y, x, x + y)]
  image = np.stack(waves, axis=-1).astype(np.uint8)
  hole = _hole(1400, 1500, (320, 410, 320 + extent, 410 + extent))
  (window,) = windows.find_windows(hole, 64)
  truth, _ = windows.cut_out(image, np.zeros_like(hole), window)
  near = windows.refinement_window(window)
  assert near.factor == 1
  found = windows.resample(truth, window, *near.place, near.factor)
  rows = slice(320, 320 + extent)
  columns = slice(410, 410 + extent)
  for content, frame in ((truth, window), (found, near)):
    result = windows.resample(content, frame, rows, columns)
    error = np.abs(result * 255 - image[rows, columns]).max()
    assert error <= (2 if window.factor > 1 else 1e-3)


@pytest.mark.parametrize('box', [(0, 0, 3000, 2500), (900, 1500, 4000, 5000)])
def test_the_closer_window_lies_within_and_is_bounded(box):
  hole = _hole(4000, 5000, box)
  (window,) = windows.find_windows(hole, 64)
  near = windows.refinement_window(window)
  assert near.factor < window.factor
  assert near.size <= 2 * 768
  assert near.size * 2 > 768
  assert window.top <= near.top
  assert window.left <= near.left
  assert near.top + near.side <= window.top + window.side
  assert near.left + near.side <= window.left + window.side
  assert near.top <= max(box[0], window.top)
  assert near.top + near.side >= box[2]


def test_a_reduced_pixel_is_hole_if_any_of_its_pixels_is():
  hole = _hole(600, 600, (100, 100, 400, 400))
  hole[500, 500] = True
  window = windows.find_windows(hole, 64)[0]._replace(
    top=0, left=0, size=60, factor=10
  )
  _, mask = windows.cut_out(_image(600, 600), hole, window)
  assert mask[50, 50, 0] == 1
  assert mask.sum() == 30 * 30 + 1
