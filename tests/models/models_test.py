"""Tests of models/; golden/models.npz tells how its values were made."""

import pathlib

import flax
import flax.linen as nn
from golden import make_golden
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from inpaint_jax import discriminators, models
from inpaint_jax.system import errors

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / 'golden/models.npz')
# Trainable parameters. PyTorch's values are of the reference's two models.
GOLDEN_COUNTS = {
  'attention_unet': 2_925_827,
  'encoder_decoder': 744_387,
  'unet': 2_662_659,
}
OF_REFERENCE = ('encoder_decoder', 'unet')
# A unet is an attention_unet without attention.
OF_ALL_LAYERS = ('attention_unet', 'encoder_decoder')
MULTIPLES = {'attention_unet': 8, 'encoder_decoder': 4, 'unet': 8}
SMALL = (4, 6, 8)


def _init(model, masked_image, mask, seed=0):
  init = jax.jit(lambda *args: model.init(*args, train=True))
  return init(jax.random.key(seed), masked_image, mask)


def _shapes(name):
  x = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))

  def init(*args):
    return models.MODELS[name]().init(*args, train=True)

  return jax.eval_shape(init, jax.random.key(0), *x)


def _golden_variables(name):
  """Draws the variables that make_golden.py gave the model in PyTorch."""

  def draw(path, leaf):
    del path[0]  # params or batch_stats
    return make_golden.draw('/'.join([name, *path]), leaf.shape)

  flat = flax.traverse_util.flatten_dict(_shapes(name))
  flat = {path: draw(list(path), leaf) for path, leaf in flat.items()}
  return flax.traverse_util.unflatten_dict(flat)


@pytest.mark.parametrize('name', models.MODELS)
def test_parameter_count(name):
  assert set(GOLDEN_COUNTS) == set(models.MODELS)
  params = jax.tree.leaves(_shapes(name)['params'])
  assert sum(x.size for x in params) == GOLDEN_COUNTS[name]
  assert all(x.dtype == jnp.float32 for x in params)
  if name in OF_REFERENCE:
    assert GOLDEN[f'{name}/count'] == GOLDEN_COUNTS[name]


@pytest.mark.parametrize(
  ('size', 'conv'),
  [pytest.param('square', 'winograd', marks=pytest.mark.slow), ('wide', 'xla')],
)
@pytest.mark.parametrize('name', OF_REFERENCE)
def test_equals_torch(name, size, conv):
  x = make_golden.net_inputs(size, make_golden.SIZES[size])
  model = models.MODELS[name](conv=conv)
  apply = jax.jit(lambda v, *x: model.apply(v, *x, train=False))
  outputs = apply(_golden_variables(name), *x)
  wanted = GOLDEN[f'{name}/{size}']
  assert outputs.shape == wanted.shape
  assert wanted.std() > 0.3  # Neither flat nor at the ends of tanh.
  assert np.mean(np.abs(wanted) > 0.99) < 0.5
  np.testing.assert_allclose(np.tanh(outputs), wanted, rtol=0, atol=1e-5)


def test_equals_torch_in_training():
  """It uses the batch's statistics, which then move the running ones."""
  x = make_golden.net_inputs('train', make_golden.TRAIN_SIZE)
  model = models.MODELS['encoder_decoder']()
  outputs, state = jax.jit(
    lambda v: model.apply(v, *x, train=True, mutable='batch_stats')
  )(_golden_variables('encoder_decoder'))
  wanted = GOLDEN['encoder_decoder/train']
  np.testing.assert_allclose(np.tanh(outputs), wanted, rtol=0, atol=1e-5)
  np.testing.assert_allclose(
    state['batch_stats']['encoder1_norm']['mean'],
    GOLDEN['encoder_decoder/train/mean'],
    atol=1e-6,
  )


@pytest.mark.slow
@pytest.mark.parametrize('name', OF_ALL_LAYERS)
def test_initial_values(name):
  """U(-b, b) with b = 1 / sqrt(fan_in), for kernels and biases."""
  x = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 1))
  params = _init(models.MODELS[name](), *x)['params']
  convs = {k: v for k, v in params.items() if 'conv' in k}
  assert len(convs) in (6, 12)
  for conv in convs.values():
    bound = 1 / np.sqrt(np.prod(conv['kernel'].shape[:-1]))
    for values in (conv['kernel'], conv['bias']):
      assert jnp.max(jnp.abs(values)) <= bound
      if values.size >= 64:
        assert jnp.max(jnp.abs(values)) > 0.9 * bound
    if conv['kernel'].size > 1e4:
      deviation = float(jnp.std(conv['kernel']))
      np.testing.assert_allclose(deviation, bound / np.sqrt(3), rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize('name', OF_ALL_LAYERS)
def test_gradient_reaches_every_parameter(name):
  model = models.MODELS[name](features=SMALL)
  x = make_golden.net_inputs('square', (2, 16, 16))
  # With this seed, not all of these few ReLUs are closed.
  variables = _init(model, *x, seed=1)
  target = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))

  def loss(params):
    outputs, _ = model.apply(
      {**variables, 'params': params}, *x, train=True, mutable='batch_stats'
    )
    return jnp.sum(outputs * target)

  grads = jax.jit(jax.grad(loss))(variables['params'])
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    where = jax.tree_util.keystr(path)
    assert jnp.all(jnp.isfinite(grad)), where
    if 'query' in where or 'key' in where:
      # The gradient of a softmax over the few positions of a small image.
      assert jnp.any(grad != 0) or ('key' in where and 'bias' in where), where
    elif 'kernel' in where:
      assert jnp.max(jnp.abs(grad)) > 1e-6, where
    # Batch normalisation removes the bias of the convolution before it.
    elif not (name == 'encoder_decoder' and 'conv' in where):
      assert jnp.any(grad != 0), where


@pytest.mark.slow
@pytest.mark.parametrize('name', OF_ALL_LAYERS)
def test_bfloat16_is_close_to_float32(name):
  x = make_golden.net_inputs('square', (1, 16, 16))
  model = models.MODELS[name](features=(8, 16, 32))
  variables = _init(model, *x)
  low = models.MODELS[name](features=(8, 16, 32), dtype=jnp.bfloat16)
  shapes = jax.eval_shape(lambda: _init(low, *x))
  assert {v.dtype for v in jax.tree.leaves(shapes)} == {jnp.dtype('float32')}
  wanted, found = jax.jit(
    lambda v: [net.apply(v, *x, train=False) for net in (model, low)]
  )(variables)
  assert found.dtype == wanted.dtype == jnp.float32
  # 8 bits of mantissa; the error is relative to the largest output.
  error = jnp.max(jnp.abs(found - wanted)) / jnp.max(jnp.abs(wanted))
  assert 0 < error < 0.03


def _support(name, size, at):
  """Returns the rows of the input that move the output's row `at`."""
  model = models.MODELS[name](features=(2, 2, 2))
  x = jnp.ones((1, size, 8, 3)) + 0.01 * jax.random.normal(
    jax.random.key(0), (1, size, 8, 3)
  )
  mask = jnp.zeros((1, size, 8, 1))
  variables = _init(model, x, mask)
  # Positive weights: no ReLU is closed, and nothing cancels.
  variables = {
    **variables,
    'params': jax.tree.map(lambda v: jnp.abs(v) + 0.1, variables['params']),
  }

  def outputs(x):
    return model.apply(variables, x, mask, train=False)

  grad = jax.jit(jax.grad(lambda x: jnp.sum(outputs(x)[0, at])))(x)
  rows = np.flatnonzero(np.any(np.asarray(grad) != 0, axis=(0, 2, 3)))
  return rows.min(), rows.max()


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'at', 'farthest'),
  [
    # Convolutions reach 1 + 2 + 4 rows down and 4 + 2 + 1 up; each change of
    # resolution may add as many rows as it merges.
    ('encoder_decoder', 60, 14 + 6),
    # Two per level: 2 * (1 + 2 + 4) rows down, 8 at the bottom, 2 * (4 + 2) + 1
    # up, and one row of each coarser level for bilinear upsampling.
    ('unet', 60, 14 + 8 + 13 + (8 + 4 + 2) + 14),
  ],
)
def test_receptive_field(name, at, farthest):
  low, high = _support(name, 136, at)
  assert at - farthest <= low < at - farthest // 2
  assert at + farthest // 2 < high <= at + farthest


@pytest.mark.parametrize('name', models.MODELS)
def test_the_mask_is_seen(name):
  model = models.MODELS[name](features=SMALL)
  x, mask = make_golden.net_inputs('square', (1, 16, 16))
  variables = _init(model, x, mask)
  apply = jax.jit(lambda mask: model.apply(variables, x, mask, train=False))
  outputs, other = apply(mask), apply(jnp.zeros_like(mask))
  assert jnp.max(jnp.abs(outputs - other)) > 1e-4


@pytest.mark.parametrize('name', models.MODELS)
def test_sizes(name):
  model, step = models.MODELS[name](features=SMALL), MULTIPLES[name]

  def init(H, W):
    return jax.eval_shape(
      lambda: model.init_with_output(
        jax.random.key(0),
        jnp.zeros((1, H, W, 3)),
        jnp.zeros((1, H, W, 1)),
        train=True,
      )
    )

  assert init(step, 5 * step)[0].shape == (1, step, 5 * step, 3)
  for H, W in ((step + 1, step), (step, step + step // 2)):
    with pytest.raises(ValueError, match=f'multiples of {step}, not {H}x{W}'):
      init(H, W)


def test_wrong_shapes_are_refused():
  model = models.MODELS['unet'](features=SMALL)
  for image, mask in (
    ((1, 8, 8, 3), (1, 8, 8, 3)),
    ((1, 8, 8, 4), (1, 8, 8, 1)),
    ((2, 8, 8, 3), (1, 8, 8, 1)),
    ((8, 8, 3), (8, 8, 1)),
  ):
    with pytest.raises(ValueError, match='masked_image must be'):
      model.init(
        jax.random.key(0), jnp.zeros(image), jnp.zeros(mask), train=True
      )


def test_create_model():
  config = default.get_config().model
  config.conv = 'xla'
  assert models.create_model(config) == models.MODELS['unet']()
  config.update(name='encoder_decoder', features=SMALL, dtype='bfloat16')
  model = models.create_model(config)
  assert isinstance(model, models.MODELS['encoder_decoder'])
  assert model.features == SMALL
  assert model.dtype == jnp.bfloat16


@pytest.mark.parametrize(('devices', 'conv'), [(1, 'winograd'), (2, 'xla')])
def test_conv_is_chosen_by_the_devices(monkeypatch, devices, conv):
  monkeypatch.setattr(jax, 'device_count', lambda: devices)
  assert models.create_model(default.get_config().model).conv == conv


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'name': 'vit'}, r'model\.name=.vit.*encoder_decoder, unet'),
    ({'dtype': 'float16'}, r'model\.dtype=.float16.*bfloat16, float32'),
    ({'conv': 'fft'}, r'model\.conv=.fft.*auto, winograd, xla'),
    ({'features': (4, 4)}, r'model\.features=\(4, 4\) .*three'),
    ({'features': (4, 0, 4)}, r'model\.features=\(4, 0, 4\) .*positive'),
    ({'features': (4, 4.5, 4)}, r'model\.features=.*positive integers'),
  ],
)
def test_a_wrong_field_is_one_line(fields, message):
  config = default.get_config().model
  config.update(fields)
  with pytest.raises(errors.UserError, match=message) as error:
    models.create_model(config)
  assert '\n' not in str(error.value)


class _Linear(nn.Module):
  """A model that a user might write, with a field of its own and no conv."""

  features: tuple[int, ...]
  depth: int = 1

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    del mask, train
    for _ in range(self.depth):
      masked_image = nn.Dense(3)(masked_image)
    return masked_image


@pytest.fixture
def linear(monkeypatch):
  """The `model` section of a config of _Linear."""
  monkeypatch.setitem(models.MODELS, 'linear', _Linear)
  config = default.get_config().model
  config.update(name='linear', features=(5,))
  return config


def test_a_model_gets_the_fields_that_it_has(linear):
  assert models.create_model(linear) == _Linear((5,))
  linear.depth = 4
  model = models.create_model(linear)
  assert model == _Linear((5,), depth=4)
  assert models.with_fields(model, conv='xla', depth=2).depth == 2


class _WithMethod(nn.Module):
  """A model with a method that has the name of a field of others."""

  def conv(self, x):
    return nn.Dense(3)(x)

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    del mask, train
    return self.conv(masked_image)


def test_a_method_is_no_field():
  model = _WithMethod()
  assert models.with_fields(model, conv='xla') == model
  assert models.get_field(model, 'conv') is None


def test_a_field_that_a_model_lacks_is_one_line(linear):
  linear.width = 3
  with pytest.raises(
    errors.UserError, match=r'model\.width=3 has no effect .*name=linear.*leave'
  ):
    models.create_model(linear)


def test_a_model_that_cannot_be_made_is_one_line(linear):
  linear.base = 'harmonic'
  with pytest.raises(
    errors.UserError, match=r"name=linear .*'zero_start'.*; give each field"
  ) as caught:
    models.create_model(linear)
  # With `config.model`, main.py would name its flag --model.
  assert 'config.' not in str(caught.value)


class _WithMistake(nn.Module):
  features: tuple[int, ...] = ()

  def __post_init__(self):
    super().__post_init__()
    len(3)


def test_a_mistake_in_a_module_keeps_its_traceback(linear, monkeypatch):
  monkeypatch.setitem(models.MODELS, 'linear', _WithMistake)
  with pytest.raises(TypeError, match='no len'):
    models.create_model(linear)
  judge = default.get_config().discriminator
  monkeypatch.setitem(discriminators.DISCRIMINATORS, 'patch', _WithMistake)
  with pytest.raises(TypeError, match='no len'):
    discriminators.create_discriminator(judge)


class _WithoutParameters(nn.Module):
  collection: str = 'batch_stats'

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    self.variable(self.collection, 'count', jnp.zeros, ())
    return masked_image


@pytest.mark.parametrize(
  ('collection', 'message'),
  [
    ('batch_stats', 'no parameters, so it cannot be trained'),
    ('stats', 'variables in stats, .* keep them in batch_stats'),
  ],
)
def test_a_model_that_cannot_be_trained_is_one_line(collection, message):
  model = _WithoutParameters(collection)
  with pytest.raises(errors.UserError, match=message):
    models.init_variables(model, jax.random.key(0), 8)


class _Noting(nn.Module):
  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    y = nn.Conv(3, (1, 1))(masked_image)
    self.sow('losses', 'mean', y.mean())
    return self.perturb('gradient', y)


def test_what_a_model_only_notes_is_not_refused():
  variables = models.init_variables(_Noting(), jax.random.key(0), 8)
  assert set(variables) == {'params', 'batch_stats'}


@pytest.mark.slow
def test_attention_passes_over_holes_of_any_size():
  """A pixel far beyond the reach of convolutions moves the hole's centre."""
  image = np.random.RandomState(0).rand(1, 8, 320, 3).astype(np.float32)
  mask = np.zeros_like(image[..., :1])
  mask[:, :, 16:-16] = 1
  for name, reaches in (('unet', False), ('attention_unet', True)):
    model = models.MODELS[name](features=(16, 16, 16))
    variables = models.init_variables(model, jax.random.key(0), 32)

    def centre(x, model=model, variables=variables):
      outputs = model.apply(variables, x * (1 - mask), mask, train=False)
      return jnp.sum(outputs[:, :, 160])

    gradient = jax.jit(jax.grad(centre))(image)
    assert bool(np.any(gradient[:, :, :4])) == reaches, name
