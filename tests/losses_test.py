"""Tests of losses.py; golden/losses.npz tells how its values were made."""

import itertools
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inpaint_jax import losses, masks, models, optimizers
from inpaint_jax.system import errors
from inpaint_jax.training import train_step
from inpaint_jax.training.train_state import create_train_state

GOLDEN = np.load(pathlib.Path(__file__).parent / 'golden/losses.npz')
CASES = {
  'mse': (losses.mse, {}),
  'l1': (losses.l1, {}),
  'poisson_nll': (losses.poisson_nll, {}),
  'poisson_nll/full': (losses.poisson_nll, {'full': True}),
  'poisson_nll/plain': (losses.poisson_nll, {'log_input': False}),
  'poisson_nll/plain_full': (
    losses.poisson_nll,
    {'log_input': False, 'full': True, 'eps': 1e-3},
  ),
  'kl_div': (losses.kl_div, {}),
  'kl_div/log_target': (losses.kl_div, {'log_target': True}),
  'cross_entropy': (losses.cross_entropy, {}),
}


def _random(seed, low, high):
  shape = (2, 4, 5, 3)
  return jax.random.uniform(jax.random.key(seed), shape, jnp.float32, low, high)


def _grad(loss, outputs, image):
  return jax.grad(lambda x: jnp.sum(loss.fn(x, image)))(outputs)


@pytest.mark.parametrize('case', CASES)
def test_equals_torch(case):
  fn, options = CASES[case]
  inputs, targets = GOLDEN[f'{case}/inputs'], GOLDEN[f'{case}/targets']
  found = fn(inputs, targets, **options)
  wanted = GOLDEN[f'{case}/losses']
  assert found.shape == wanted.shape
  assert np.all(np.isfinite(wanted))
  # The absolute tolerance is for sums whose terms, of order 1, cancel.
  np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_every_loss_has_golden_values():
  assert set(losses.LOSSES) <= set(CASES)
  assert '2.13' in str(GOLDEN['torch_version'])
  assert 'make_golden.py' in str(GOLDEN['command'])


@pytest.mark.parametrize('name', losses.LOSSES)
def test_misfits_are_refused(name):
  fn = CASES[name][0]
  x = jnp.full((2, 3), 0.5)
  with pytest.raises(ValueError, match='same shape'):
    fn(x, x[:1])
  with pytest.raises(ValueError, match='inputs must be of a float type'):
    fn(x.astype(jnp.int32), x)
  with pytest.raises(ValueError, match='targets must be of a float type'):
    fn(x, x > 0)


def test_cross_entropy_needs_classes():
  with pytest.raises(ValueError, match='last axis'):
    losses.cross_entropy(jnp.float32(0), jnp.float32(1))


def test_mean_over_the_picture_weighs_the_hole():
  """The loss is 1 in one pixel of four, the hole, and 3 in the others."""
  mask = jnp.array([1.0, 0, 0, 0]).reshape(1, 2, 2, 1)
  loss_map = jnp.where(mask == 1, 1.0, 3.0)
  rgb = jnp.concatenate([loss_map] * 3, axis=-1)
  for weight, wanted in ((1.0, 10 / 4), (5.0, (5 + 9) / 8)):
    for x in (rgb, loss_map[..., 0]):
      np.testing.assert_allclose(
        losses.mean(x, mask, weight), [wanted], rtol=1e-6
      )


@pytest.mark.parametrize('shape', [(2,), (), (2, 1, 1), (2, 3, 4, 5, 1)])
def test_a_loss_that_is_already_reduced_is_refused(shape):
  """It would be broadcast against the mask and give a wrong number."""
  with pytest.raises(errors.UserError, match=r'unreduced, \[2, 4, 5\] or'):
    losses.mean(jnp.ones(shape), jnp.ones((2, 4, 5, 1)), 1.0)


def test_get_loss():
  assert losses.get_loss('l1') is losses.LOSSES['l1']
  with pytest.raises(errors.UserError, match=r'loss=.*kl_div.*mse'):
    losses.get_loss('l3')


@pytest.mark.parametrize('name', losses.LOSSES)
def test_gradient_vanishes_at_the_picture(name):
  loss = losses.LOSSES[name]
  image = _random(0, 0.02, 0.98)
  outputs = loss.to_outputs(image)
  np.testing.assert_allclose(loss.to_image(outputs), image, atol=1e-6)
  if name == 'l1':  # Its gradient has no zero, only a change of sign.
    assert jnp.all(_grad(loss, outputs + 0.01, image) > 0)
    assert jnp.all(_grad(loss, outputs - 0.01, image) < 0)
  else:
    assert jnp.max(jnp.abs(_grad(loss, outputs, image))) < 1e-5
    assert jnp.min(jnp.abs(_grad(loss, outputs + 0.3, image))) > 1e-4
  # And it is the minimum, not another stationary point.
  least = loss.fn(outputs, image)
  for shift in (-0.1, 0.1):
    assert jnp.all(loss.fn(outputs + shift * image, image) > least)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_least_loss_of_a_divergence_is_zero(name):
  image = _random(0, 0.02, 0.98)
  loss = losses.LOSSES[name]
  least = loss.fn(loss.to_outputs(image), image)
  if name in ('mse', 'l1', 'kl_div'):
    np.testing.assert_allclose(least, 0, atol=1e-6)
  else:  # The entropy of the picture, which no outputs can go below.
    assert jnp.all(least > 0)


@pytest.mark.parametrize('name', losses.LOSSES)
@pytest.mark.parametrize('value', [0.0, 1.0, 'mixed'])
def test_finite_at_black_and_white(name, value):
  loss = losses.LOSSES[name]
  image = jnp.full((1, 2, 2, 3), 0.0 if value == 'mixed' else value)
  if value == 'mixed':
    image = image.at[..., 0].set(1.0)
  for output in (-80.0, -1.0, 0.0, 1.0, 80.0):
    outputs = jnp.full_like(image, output)
    assert jnp.all(jnp.isfinite(loss.fn(outputs, image)))
    assert jnp.all(jnp.isfinite(_grad(loss, outputs, image)))
    assert jnp.all(jnp.isfinite(loss.to_image(outputs)))


def test_kl_div_does_not_saturate():
  """A wrong pixel far out still has the whole gradient."""
  loss = losses.LOSSES['kl_div']
  outputs = jnp.full((1, 1, 1, 3), -80.0)
  np.testing.assert_allclose(_grad(loss, outputs, jnp.ones((1, 1, 1, 3))), -1)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_shapes_and_types(name):
  loss = losses.LOSSES[name]
  image, outputs = _random(0, 0, 1), _random(1, -2, 2)
  shape = image.shape[:-1] if name == 'cross_entropy' else image.shape
  assert loss.fn(outputs, image).shape == shape
  assert loss.to_image(outputs).shape == image.shape
  low = outputs.astype(jnp.bfloat16)
  for found, wanted in (
    (loss.fn(low, image), loss.fn(low.astype(jnp.float32), image)),
    (loss.to_image(low), loss.to_image(low.astype(jnp.float32))),
  ):
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, wanted)


class _Layer(nn.Module):
  """A model that compiles in no time."""

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    return nn.Conv(3, (3, 3))(jnp.concatenate([masked_image, mask], -1))


def test_the_name_changes_the_gradient():
  """The reference's public code trained every run of its table with mse."""
  model = _Layer()
  image = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
  mask = jnp.zeros((2, 8, 8, 1)).at[:, 2:5, 2:5].set(1)
  masked = image * (1 - mask)
  init = jax.jit(lambda key: model.init(key, masked, mask, train=True))
  params = init(jax.random.key(1))

  # Compiled once for all losses, which differ only in their own gradient.
  @jax.jit
  def pull_back(params, cotangent):
    apply = lambda params: model.apply(params, masked, mask, train=True)
    outputs, vjp = jax.vjp(apply, params)
    return outputs, vjp(cotangent)[0]

  outputs, _ = pull_back(params, jnp.zeros_like(image))

  def gradient(name):
    cotangent = _grad(losses.get_loss(name), outputs, image)
    _, grads = pull_back(params, cotangent)
    flat = np.concatenate([np.ravel(x) for x in jax.tree.leaves(grads)])
    return flat / np.linalg.norm(flat)

  grads = {name: gradient(name) for name in losses.LOSSES}
  for one, other in itertools.combinations(grads, 2):
    # Gradients have unit length, so another scale is not enough.
    assert np.linalg.norm(grads[one] - grads[other]) > 1e-2, (one, other)


def _image():
  """Returns an image of sky over hills, [1, 32, 32, 3].

  Two gradients, and a boundary that is a sum of sines.
  """
  r = np.random.RandomState(0)
  y, x = np.mgrid[:32, :32] / 32
  phases, colors = r.uniform(0, 6, 3), r.uniform(0, 1, (4, 3))
  hill = 0.5 + sum(
    0.1 / k * np.sin(5 * k * x + phase) for k, phase in enumerate(phases, 1)
  )
  land = np.clip((y - hill) * 6 + 0.5, 0, 1)[..., None]
  sky = colors[0] + (colors[1] - colors[0]) * y[..., None]
  ground = colors[2] + (colors[3] - colors[2]) * x[..., None]
  return np.float32(sky + (ground - sky) * land)[None]


def _overfitting():
  """Returns functions that train and fill, compiled once for all losses."""
  image = _image()
  mask = np.zeros((1, 32, 32, 1), np.float32)
  for y, x in np.random.RandomState(0).randint(0, 27, (3, 2)):
    mask[0, y : y + 6, x : x + 6] = 1
  masked = image * (1 - mask)
  model = models.MODELS['unet'](features=(8, 16, 32))
  # The last steps are small, so that training does not end in a jump of Adam.
  tx = optax.adam(optax.piecewise_constant_schedule(3e-3, {100: 0.1}))
  fns = [losses.LOSSES[name].fn for name in losses.LOSSES]

  def mean(params, number):
    outputs = model.apply(params, masked, mask, train=True)
    means = [lambda x, fn=fn: jnp.mean(fn(x, image)) for fn in fns]
    return jax.lax.switch(number, means, outputs)

  @jax.jit
  def step(params, state, number):
    updates, state = tx.update(jax.grad(mean)(params, number), state)
    return optax.apply_updates(params, updates), state

  @jax.jit
  def create():
    params = model.init(jax.random.key(2), masked, mask, train=True)
    return params, tx.init(params)

  apply = jax.jit(lambda params: model.apply(params, masked, mask, train=False))

  def hole_psnr(params, loss):
    found = np.clip(loss.to_image(apply(params)), 0, 1)
    square = np.square(np.round(found * 255) / 255 - image) * mask
    mse = square.sum(axis=(1, 2, 3)) / (3 * mask.sum(axis=(1, 2, 3)))
    return np.mean(-10 * np.log10(mse))

  return create, step, hole_psnr


@pytest.mark.slow
def test_overfits():
  """Each loss brings the holes of an image to 24 dB, from at most 18."""
  create, step, hole_psnr = _overfitting()
  for number, (name, loss) in enumerate(losses.LOSSES.items()):
    params, state = create()
    assert hole_psnr(params, loss) < 18
    # Steps in a loop of Python: within lax.scan, XLA runs convolutions on the
    # CPU about ten times slower.
    for _ in range(120):
      params, state = step(params, state, number)
    psnr = hole_psnr(params, loss)
    print(f'{name}: hole PSNR {psnr:.2f} dB')
    assert psnr >= 24, name


@pytest.mark.slow
@pytest.mark.usefixtures('full_compile')
@pytest.mark.parametrize('name', losses.LOSSES)
def test_white_is_finite_in_a_whole_training_step(name):
  """If compiled with the division by 255, 1 - image may be below 0."""
  from configs import smoke

  config = smoke.get_config()
  white = np.full((4, 32, 32, 3), 255, np.uint8)
  model, sampler = _Layer(), masks.create_sampler(config.masks)
  tx = optimizers.create_optimizer(config.optimizer, 10)
  state = create_train_state(model, tx, seed=0, image_size=32, ema_decay=0)
  loss = losses.get_loss(name)
  step = train_step.make_train_step(model, tx, loss, sampler, config)
  _, values = jax.jit(step)(state, {'image': white})
  assert np.isfinite(values['loss'])


@pytest.mark.parametrize('name', losses.LOSSES)
def test_to_outputs_is_the_inverse_of_to_image(name):
  loss = losses.LOSSES[name]
  image = np.random.RandomState(0).uniform(0.001, 0.999, (1, 8, 8, 3))
  image = image.astype(np.float32)
  found = loss.to_image(loss.to_outputs(image))
  np.testing.assert_allclose(found, image, atol=1e-6)


def test_the_boundary_is_four_pixels_wide_on_both_sides():
  mask, wanted = np.zeros((2, 1, 32, 32, 1), np.float32)
  mask[:, 10:22, 12:32] = 1
  wanted[:, 6:26, 8:32] = 1
  wanted[:, 14:18, 16:32] = 0
  np.testing.assert_array_equal(losses.boundary(mask), wanted)
