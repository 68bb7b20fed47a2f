"""A model as a function from masked images to whole ones."""

import numpy as np
import pytest
from random_models import create_model, expected_outputs

from inpaint_jax.inpainting import backends
from inpaint_jax.release import export


@pytest.mark.parametrize('optimize', [False, True])
def test_a_fill_is_the_model_and_its_to_image(optimize):
  model = create_model()
  image, mask = export.example((2, 32, 40), 0)
  found = backends.create_fill(model, optimize=optimize)(
    image * (1 - mask), mask
  )
  _, expected = expected_outputs(model, image, mask)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
