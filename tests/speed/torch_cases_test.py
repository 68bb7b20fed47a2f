"""PyTorch's models do what ours do; skipped if torch is not installed."""

import numpy as np
import pytest

from configs import unet
from inpaint_jax.speed import cases

pytest.importorskip('torch', reason='torch is not installed')

from inpaint_jax.speed import torch_cases


@pytest.mark.parametrize('mode', ['float32, eager', 'float32, channels last'])
@pytest.mark.parametrize('name', ['unet', 'encoder_decoder'])
@pytest.mark.parametrize('kind', cases.CREATE)
def test_the_result_is_ours(name, kind, mode):
  config = unet.get_config()
  config.model.update(name=name, features=(4, 8, 16))
  case = cases.Case(kind, config, size=32, batch=2)
  start = [cases.create_trained_model(case).variables]
  if kind == 'training':
    start.append(cases.first_masks(case))
  ours = cases.CREATE[kind](case, 'float32')()
  theirs = torch_cases.CREATE[kind](case, mode, *start)()
  np.testing.assert_allclose(theirs, ours, atol=1e-5)
