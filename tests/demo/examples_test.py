"""Pictures to try the page with."""

import numpy as np

from inpaint_jax.demo import examples


def test_each_example_is_another_picture():
  drawn = [examples.draw(n, 64) for n in range(len(examples.NAMES))]
  assert all(image.shape == (48, 64, 3) for image in drawn)
  assert all(image.dtype == np.uint8 for image in drawn)
  assert len({image.tobytes() for image in drawn}) == len(drawn)
