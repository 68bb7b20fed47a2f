"""What is measured: our models, and PyTorch's where it is installed."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from configs import unet
from inpaint_jax.speed import cases


def _case(kind, name='unet'):
  config = unet.get_config()
  config.model.name = name
  config.model.features = (4, 8, 16)
  return cases.Case(kind, config, size=32, batch=2)


@pytest.mark.slow
def test_a_step_trains():
  # Datasets have no images of this size, and not so many.
  case = dataclasses.replace(_case('training', 'encoder_decoder'), size=40)
  case.config.data.num_train = 1
  case.config.model.conv = 'xla'
  step = cases.CREATE['training'](case, 'float32')
  losses = [step() for _ in range(8)]
  assert losses[-1] < losses[0]


@pytest.mark.slow
def test_inference_fills_alike_in_each_mode():
  case = _case('inference', 'encoder_decoder')
  create = cases.CREATE['inference']
  filled = create(case, 'float32')()
  assert filled.shape == (2, 32, 32, 3)
  assert filled.min() >= 0
  assert filled.max() <= 1
  quick = create(case, f'float32, {cases.QUICK}')()
  np.testing.assert_allclose(quick, filled, atol=1e-5)
  difference = np.abs(create(case, 'bfloat16')() - filled).max()
  assert 0 < difference < 0.05


@pytest.mark.parametrize('conv', ['xla', 'winograd'])
def test_flops_are_those_of_the_convolutions(conv):
  case = dataclasses.replace(_case('inference', 'encoder_decoder'), size=64)
  case.config.model.update(features=(64, 64, 128), conv=conv)
  layers = [(64, 6, 64), (32, 64, 64), (16, 64, 128)]
  layers += [(16, 128, 64), (32, 64, 64), (64, 64, 3)]
  wanted = sum(2 * 9 * 2 * size**2 * i * o for size, i, o in layers)
  flops = cases.count_flops(case)
  # XLA does not count products with the border, but counts the other layers.
  assert 0.9 < flops / wanted < 1.1
  training = dataclasses.replace(case, kind='training')
  assert cases.count_flops(training) == 3 * flops


def test_a_product_is_one_of_matrices():
  product = cases.create_product(8, 'bfloat16')()
  assert product.shape == (8, 8)
  assert product.dtype == jnp.bfloat16
