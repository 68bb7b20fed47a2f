"""guides.py: first guesses at a hole."""

import threading

import numpy as np
import pytest

from inpaint_jax.inpainting import guides, harmonic


def _image(height, width):
  return np.random.RandomState(0).rand(height, width, 3).astype(np.float32)


def _hole(height, width):
  hole = np.zeros((height, width), bool)
  hole[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = True
  return hole


def test_the_smoothest_surface():
  image, hole = _image(40, 50), _hole(40, 50)
  guess = guides.smooth(image, hole)
  np.testing.assert_array_equal(guess[~hole], image[~hole])
  np.testing.assert_allclose(
    guess, harmonic.harmonic_fill(image, ~hole), atol=1e-6
  )


@pytest.mark.parametrize('size', [(40, 50), (40, 48), (9, 1), (1, 9), (7, 2)])
def test_a_surface_along_rows_meets_what_is_known(size):
  image, hole = _image(*size), _hole(*size)
  guess = guides.smooth_along_lines(image, hole)
  assert guess.shape == image.shape
  assert guess.dtype == np.float32
  np.testing.assert_array_equal(guess[~hole], image[~hole])
  even = guides.smooth_along_lines(np.full_like(image, 0.25), hole)
  if not hole.all():
    np.testing.assert_allclose(even, 0.25, atol=1e-6)
  assert not guides.smooth_along_lines(image, np.ones_like(hole)).any()


def test_a_surface_along_rows_carries_a_horizon_on():
  image = np.zeros((60, 90, 3), np.float32)
  image[30:] = 1
  hole = np.zeros((60, 90), bool)
  hole[:, 60:] = True
  # How steep the guesses are at the horizon, at the far side of the hole.
  steps = [
    np.ptp(guide(image, hole)[28:32, 80, 0])
    for guide in (guides.smooth, guides.smooth_along_lines)
  ]
  assert steps[1] > 2 * steps[0]


@pytest.mark.parametrize('size', [(64, 64), (30, 50), (1, 64), (5, 3), (7, 64)])
def test_a_model_sees_squares_of_one_size(size):
  image, hole = _image(*size), _hole(*size)
  seen = []

  def fill(part, mask):
    seen.append((part, mask))
    return np.full_like(part, 0.5)

  guess = guides.ModelGuide(fill, 64)(image, hole)
  ((part, mask),) = seen
  assert (part.shape, mask.shape) == ((1, 64, 64, 3), (1, 64, 64, 1))
  assert part.dtype == mask.dtype == guess.dtype == np.float32
  assert not (part * mask).any()
  known = np.where(hole[..., None], 0, image)
  np.testing.assert_array_equal(part[0, : size[0], : size[1]], known)
  np.testing.assert_allclose(guess[~hole], image[~hole], atol=1e-6)


@pytest.mark.parametrize('size', [(200, 100), (65, 300)])
def test_a_window_larger_than_the_model_sees_is_reduced(size):
  """Its guess is enlarged, and made to meet the known pixels."""
  image = np.full((*size, 3), 0.25, np.float32)
  hole, seen = _hole(*size), []

  def fill(part, mask):
    seen.append(mask.any())
    return np.where(mask, np.random.RandomState(0).rand(1, 64, 64, 1), part)

  guess = guides.ModelGuide(fill, 64)(image, hole)
  assert seen == [True]
  assert guess.shape == image.shape
  np.testing.assert_allclose(guess[~hole], 0.25, atol=1e-6)
  assert guess[hole].std() > 0.05


def test_nothing_in_the_hole_is_seen():
  image, hole = _image(100, 90), _hole(100, 90)
  other = np.where(hole[..., None], 1 - image, image)
  guide = guides.ModelGuide(lambda part, mask: part, 64)
  for one in (guide, guides.smooth):
    np.testing.assert_array_equal(one(image, hole), one(other, hole))


def test_one_image_at_a_time():
  busy, alone = threading.Semaphore(1), []

  def fill(part, mask):
    alone.append(busy.acquire(blocking=False))
    # Long enough for another thread to arrive.
    threading.Event().wait(0.02)
    busy.release()
    return part

  guide = guides.ModelGuide(fill, 64)
  arguments = _image(40, 40), _hole(40, 40)
  threads = [threading.Thread(target=guide, args=arguments) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert alone == [True] * 4


def test_a_guess_meets_the_known_pixels():
  hole = _hole(40, 50)
  known, guess = (
    np.full((40, 50, 3), 0.7, 'f4'),
    np.full((40, 50, 3), 0.1, 'f4'),
  )
  np.testing.assert_allclose(guides.meet(guess, known, hole), known, atol=1e-6)


def test_bytes_and_floats():
  levels = np.arange(256, dtype=np.uint8)
  np.testing.assert_array_equal(
    guides.to_bytes(guides.to_floats(levels)), levels
  )
  np.testing.assert_array_equal(guides.to_bytes(np.array([-1, 2])), [0, 255])


def test_a_horizon_goes_on_at_its_height():
  """It is known only far away on one side; the sea below is nearer."""
  image = np.empty((96, 160, 3), np.float32)
  image[:40], image[40:] = (0.5, 0.7, 1), (0.1, 0.4, 0.4)
  hole = np.zeros((96, 160), bool)
  hole[:60, 50:] = True
  guess = guides.smooth_along_lines(np.where(hole[..., None], 0, image), hole)
  assert np.abs(guess - image).max() < 0.01
