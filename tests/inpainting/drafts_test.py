"""drafts.py: small copies of an image, filled before holes that must be cut."""

import numpy as np
import PIL.Image
import pytest

from inpaint_jax.inpainting import drafts, inpainter


@pytest.fixture(name='image')
def _image():
  return np.random.RandomState(0).randint(0, 256, (11, 14, 3), np.uint8)


def _create(image, hole, barred, fill):
  return drafts.create(image, hole, barred, 4, fill)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_draft_shows_the_image_reduced(image, dtype):
  hole = np.zeros((11, 14), bool)
  hole[5, 5] = True
  barred = hole.copy()
  barred[0, 12] = True
  seen = []

  def fill(*arrays):
    seen.extend(arrays)
    origins = np.full((3, 4, 2), -1, np.int32)
    origins[1, 1] = 0, 2
    return arrays[0], origins

  factor = 257 if dtype == np.uint16 else 1
  draft = _create(image.astype(dtype) * dtype(factor), hole, barred, fill)
  small, small_hole, small_barred = seen
  mean = image[:4, 4:8].mean(axis=(0, 1))
  np.testing.assert_allclose(small[0, 1], mean, atol=0.5)
  assert np.argwhere(small_hole).tolist() == [[1, 1]]
  # The hole, what may not be copied, and squares that the edge cuts.
  wanted = [[0, 3], [1, 1], [1, 3], [2, 0], [2, 1], [2, 2], [2, 3]]
  assert np.argwhere(small_barred).tolist() == wanted
  place = slice(4, 9), slice(4, 11)
  origins = draft.locate(place, hole[place])
  assert np.argwhere(origins[..., 0] >= 0).tolist() == [[1, 1]]
  assert origins[1, 1].tolist() == [1, 9]
  np.testing.assert_array_equal(draft.crop(place), small[1:3, 1:3])


def test_there_is_no_draft_without_something_to_copy(image):
  hole = np.zeros((11, 14), bool)
  hole[5, 5] = True
  barred = np.ones_like(hole)
  assert _create(image, hole, barred, None) is None
  assert _create(image, hole, hole, lambda *_: (None, None)) is None
  nothing = np.full((3, 4, 2), -1, np.int32)
  assert _create(image, hole, hole, lambda *_: (image, nothing)) is None


@pytest.mark.slow
def test_a_large_hole_copies_what_the_reduced_one_copies():
  noise = np.random.RandomState(0).randint(0, 256, (20, 24, 3), np.uint8)
  large = PIL.Image.fromarray(noise).resize((3000, 2600), PIL.Image.BICUBIC)
  hole = np.zeros((2600, 3000), bool)
  hole[80:2560, 250:2750] = True
  image = np.asarray(large).copy()
  fill = inpainter.Inpainter()
  found = fill.explain(image, hole)
  small = fill.explain(
    np.asarray(large.reduce(2)), hole[::2, ::2], refine=False
  )
  rows, columns = np.nonzero(hole)
  np.testing.assert_array_equal(
    found.origins[rows, columns] // 2, small.origins[rows // 2, columns // 2]
  )
  np.testing.assert_array_equal(found.image[~hole], image[~hole])
  # No seam where the hole was cut.
  steps = np.abs(np.diff(found.image[hole[:, 1500]].astype(int), axis=1))
  steps = steps.mean(axis=(0, 2))[250:2749]
  cuts = [len(steps) // 2 - 1, len(steps) // 2, len(steps) // 2 + 1]
  assert steps[cuts].max() < 3 * np.median(steps)


@pytest.mark.slow
def test_a_part_without_a_hole_stays():
  """Of a thin hole around a corner, of which the box is cut in four."""
  hole = np.zeros((2700, 5300), bool)
  hole[50:2650, 50:56] = hole[2644:2650, 50:5250] = True
  noise = np.random.RandomState(0).randint(1, 256, (27, 53, 3), np.uint8)
  image = np.asarray(PIL.Image.fromarray(noise).resize((5300, 2700), 0)).copy()
  image[hole] = 0
  filled = inpainter.Inpainter()(image, hole, refine=False)
  np.testing.assert_array_equal(filled[~hole], image[~hole])
  assert filled[hole].min() > 0
