"""features.py: the features by which patches are compared."""

import numpy as np
import pytest

from inpaint_jax.inpainting import features


@pytest.mark.parametrize('shape', [(9, 5, 3), (150, 30, 5)])
def test_all_channels_and_two_gradients(shape):
  height, width, channels = shape
  image = np.random.RandomState(0).randint(0, 256, shape, np.uint8)
  values = features.create(shape)
  everywhere = slice(0, height), slice(0, width)
  features.compute(image, values, everywhere)
  assert values.shape == (height, width + 2, channels + 2)
  inside = values[:, :width]
  np.testing.assert_array_equal(inside[..., :channels], image)
  total = np.pad(image[..., :3].sum(-1).astype(int), 1, mode='edge')
  across = total[1:-1, 2:] - total[1:-1, :-2]
  along = total[2:, 1:-1] - total[:-2, 1:-1]
  for found, wanted in ((inside[..., -2], across), (inside[..., -1], along)):
    wanted = np.clip(128 + (wanted * 37 >> 7), 0, 255)
    np.testing.assert_array_equal(found, wanted)


def test_only_a_box_is_written():
  image = np.full((20, 30, 3), 7, np.uint8)
  values = features.create(image.shape)
  features.compute(image, values, (slice(4, 9), slice(5, 20)))
  written = np.zeros(values.shape[:2], bool)
  written[4:9, 5:20] = True
  np.testing.assert_array_equal(values.any(-1), written)
