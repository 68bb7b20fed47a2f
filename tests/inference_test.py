"""From a trained run to filled pictures."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from inpaint_jax import errors, inference, trained as nets, windows


@pytest.fixture(scope='module')
def inpainter(trained):
  return inference.load(trained)


def _picture(height, width):
  random = np.random.RandomState(height * width)
  return random.randint(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
  'size', [(32, 32), (31, 33), (7, 5), (1, 40), (200, 90), (97, 301)]
)
@pytest.mark.parametrize('extent', [1, 20, 150])
def test_known_pixels_are_the_same_bit_for_bit(inpainter, size, extent):
  image, mask = _picture(*size), np.zeros(size, np.uint8)
  mask[: size[0] // 2 + 1, 2 : 2 + extent] = 255
  mask[:, 0] = 0
  before = image.copy()
  result = inpainter(image, mask)
  assert result.dtype == np.uint8
  assert result.shape == image.shape
  np.testing.assert_array_equal(result[mask == 0], image[mask == 0])
  np.testing.assert_array_equal(image, before)


def test_what_the_hole_holds_does_not_matter(inpainter):
  image, mask = _picture(90, 120), np.zeros((90, 120), bool)
  mask[30:70, 30:80] = True
  other = image.copy()
  other[mask] = 0
  assert (inpainter(image, mask)[mask] != image[mask]).any()
  np.testing.assert_array_equal(inpainter(image, mask), inpainter(other, mask))


def test_a_window_goes_on_with_what_was_filled_before(inpainter, monkeypatch):
  """The last piece of a scratch sees no hole but its own."""
  image, mask = _picture(64, 400), np.zeros((64, 400), bool)
  mask[30:32, 4:396] = True
  real, holes = inpainter._fill, []

  def fill(part, part_mask):
    holes.append(part_mask.sum())
    return real(part, part_mask)

  monkeypatch.setattr(inpainter, '_fill', fill)
  inpainter(image, mask)
  assert len(holes) > 5
  last, own = windows.find(mask, 32)[-1], np.zeros_like(mask)
  own[last.rows, last.columns] = True
  assert holes[-1] == windows.cut(image, own, last, 32)[1].sum()


def test_a_mask_is_hole_from_one_half_on(inpainter):
  image = _picture(40, 40)
  hole = np.zeros((40, 40), bool)
  hole[10:20, 10:20] = True
  grey = np.where(hole, 128, 127).astype(np.uint8)
  np.testing.assert_array_equal(inpainter(image, grey), inpainter(image, hole))


def test_the_whole_net_is_used(inpainter, trained):
  """At the working size the result is the net's composite, to rounding."""
  image, mask = _picture(32, 32), np.zeros((32, 32, 1), np.float32)
  mask[8:20, 8:20] = 1
  found = nets.load_run(trained)
  masked = image.astype(np.float32) / 255 * (1 - mask)
  with jax.numpy_rank_promotion('allow'):
    outputs = found.model.apply(
      found.variables, masked[None], mask[None], train=False
    )
    output = np.clip(found.loss.to_image(outputs)[0], 0, 1)
  hole = mask[..., 0] > 0
  result = inpainter(image, hole)
  np.testing.assert_allclose(result[hole], output[hole] * 255, atol=0.51)


@pytest.mark.parametrize(
  ('image', 'mask', 'message'),
  [
    (_picture(8, 8)[..., 0], np.ones((8, 8), bool), 'wanted uint8'),
    (_picture(8, 8) / 255, np.ones((8, 8), bool), 'wanted uint8'),
    (_picture(8, 8), np.ones((8, 8)), 'wanted bool or uint8'),
    (_picture(8, 8), np.ones((8, 8, 1), bool), 'wanted bool or uint8'),
    (_picture(8, 9), np.ones((8, 8), bool), '9x8 pixels, the mask 8x8'),
    (_picture(8, 8), np.zeros((8, 8), bool), 'has no hole'),
    (_picture(8, 8), np.full((8, 8), 127, np.uint8), 'has no hole'),
    (_picture(8, 8), np.ones((8, 8), bool), 'nothing but hole'),
  ],
)
def test_what_does_not_fit_is_refused(inpainter, image, mask, message):
  with pytest.raises(errors.UserError, match=message):
    inpainter(image, mask)


def test_inference_imports_neither_training_nor_datasets():
  code = (
    'import sys; from inpaint_jax import inference; '
    "print([x for x in ('tensorflow_datasets', 'grain', 'tensorboardX', "
    "'inpaint_jax.train') if x in sys.modules])"
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert result.stdout == '[]\n'
