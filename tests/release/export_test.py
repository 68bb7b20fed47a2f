"""export.py and onnx_graph.py: exported files give what the models give."""

from collections.abc import Callable
import functools
import pathlib
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import create_model, expected_outputs

from inpaint_jax import losses, models
from inpaint_jax.inpainting import backends
from inpaint_jax.release import export
from inpaint_jax.system import errors

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

ROOT = pathlib.Path(__file__).parents[2]
SHAPES = ((1, 32, 32), (3, 40, 24))


def _write(model, path, kind='onnx', dtype='float32'):
  """Writes a file without the check of export.export; returns its `run`."""
  file_format = export.FORMATS[kind]
  path.write_bytes(file_format.write(model, export.DTYPES[dtype]))
  return file_format.read(path)


@pytest.mark.parametrize(
  ('name', 'loss'),
  [
    *(('encoder_decoder', loss) for loss in losses.LOSSES),
    *((name, 'kl_div') for name in models.MODELS if name != 'encoder_decoder'),
  ],
)
def test_onnx_equals_jax(tmp_path, name, loss):
  model = create_model(name, loss)
  run = _write(model, tmp_path / 'x.onnx')
  for shape in SHAPES:
    image, mask = export.example(shape, seed=1)
    found = run(image, mask)
    for a, b in zip(found, expected_outputs(model, image, mask), strict=True):
      assert a.shape == b.shape
      np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    filled, whole = found
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(filled[known], image[known])
    np.testing.assert_array_equal(filled[~known], whole[~known])


@pytest.mark.slow
def test_a_model_on_the_harmonic_fill(tmp_path):
  """The file contains the solver, for any height and width."""
  model = create_model('encoder_decoder', 'l1', base='harmonic')
  run = _write(model, tmp_path / 'x.onnx')
  for shape in [(1, 64, 64), (2, 40, 72)]:
    image, mask = export.example(shape, seed=1)
    _, expected = expected_outputs(model, image, mask)
    np.testing.assert_allclose(run(image, mask)[1], expected, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize('name', models.MODELS)
def test_onnx_equals_jax_with_all_channels(tmp_path, name):
  model = create_model(name, features=(64, 128, 256))
  run = _write(model, tmp_path / 'x.onnx')
  image, mask = export.example((2, 64, 72), seed=0)
  found, expected = run(image, mask), expected_outputs(model, image, mask)
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_what_lies_in_the_hole_does_not_matter(tmp_path):
  run = _write(create_model('encoder_decoder'), tmp_path / 'x.onnx')
  image, mask = export.example((1, 32, 32), 0)
  first, second = run(image, mask), run(image * (1 - mask), mask)
  np.testing.assert_array_equal(first[0], second[0])


def test_onnx_pools_and_resizes_without_transposing(tmp_path):
  """Each layer is one operation, not the several that it is in JAX."""
  _write(create_model('unet'), tmp_path / 'x.onnx')
  graph = onnx.load(tmp_path / 'x.onnx').graph
  kinds = [node.op_type for node in graph.node]
  assert kinds.count('Conv') == 12
  assert kinds.count('MaxPool') == kinds.count('Resize') == 3
  assert kinds.count('Transpose') == 4
  assert 'Reshape' not in kinds
  assert [x.name for x in graph.input] == ['image', 'mask']
  assert [x.name for x in graph.output] == ['filled', 'output']


class _Own(nn.Module):
  """A model that a user might write."""

  activation: Callable[[jax.Array], jax.Array]
  dtype: jax.typing.DTypeLike = jnp.float32
  conv: str = 'xla'

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    del mask, train
    x = nn.LayerNorm()(nn.Conv(8, (3, 3))(masked_image))
    return nn.Conv(3, (3, 3))(self.activation(x))


@pytest.mark.parametrize(
  'activation',
  [
    nn.elu,
    nn.gelu,
    functools.partial(nn.gelu, approximate=False),
    nn.hard_tanh,
    nn.leaky_relu,
    nn.softplus,
    lambda x: x**3 - jnp.sqrt(jnp.abs(x)),
  ],
)
def test_layers_of_a_model_of_ones_own(tmp_path, activation):
  module = _Own(activation)
  image, mask = export.example((2, 24, 16), 0)
  variables = module.init(jax.random.key(0), image, mask, train=False)
  model = create_model()._replace(model=module, variables=variables)
  _, found = _write(model, tmp_path / 'x.onnx')(image, mask)
  _, expected = expected_outputs(model, image, mask)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_an_operation_without_a_rule_is_named():
  model = create_model('encoder_decoder')
  model = model._replace(loss=losses.Loss(None, jnp.sin))
  with pytest.raises(errors.UserError, match='sin has no rule'):
    export.to_onnx(model, export.DTYPES['float32'])


def test_a_size_that_a_model_computes_with_has_no_rule():
  model = create_model('encoder_decoder')
  mean = lambda x: x - jnp.mean(x, axis=(1, 2), keepdims=True)
  model = model._replace(loss=losses.Loss(None, mean))
  with pytest.raises(errors.UserError, match='dim_as_value has no rule'):
    export.to_onnx(model, export.DTYPES['float32'])


class _Circular(nn.Module):
  """A model of which the padding compares sizes."""

  @nn.compact
  def __call__(self, masked_image, mask, *, train):
    del mask, train
    return nn.Conv(3, (3, 3), padding='CIRCULAR')(masked_image)


@pytest.mark.parametrize('write', [export.to_onnx, export.to_stablehlo])
def test_a_model_that_decides_by_size_is_one_line(write):
  module = _Circular()
  image, mask = export.example((2, 24, 16), 0)
  variables = module.init(jax.random.key(0), image, mask, train=False)
  model = create_model()._replace(model=module, variables=variables)
  with pytest.raises(errors.UserError, match='by the size of its'):
    write(model, export.DTYPES['float32'])
  # Without being asked for ONNX Runtime, JAX takes its place.
  fill = backends.choose_fill(model, 'auto')
  assert np.asarray(fill(image, mask)).shape == image.shape


# Imports jax and numpy only.
_WITHOUT_THIS_PACKAGE = """
import sys
import jax, numpy as np
path, at = sys.argv[1:]
run = jax.export.deserialize(bytearray(open(path, 'rb').read())).call
given = np.load(at)
for i in range(2):
  filled, output = run(given[f'image{i}'], given[f'mask{i}'])
  for found, name in ((filled, 'filled'), (output, 'output')):
    expected = given[f'{name}{i}']
    assert found.shape == expected.shape
    print('difference', np.abs(found - expected).max())
for name in ('flax', 'inpaint_jax'):
  assert not any(m.split('.')[0] == name for m in sys.modules), name
try:
  run(given['image0'][:, :20], given['mask0'][:, :20])
except ValueError as error:
  print('refused')
"""


@pytest.mark.slow
# A unet is an attention_unet without attention.
@pytest.mark.parametrize('name', ['attention_unet', 'encoder_decoder'])
def test_stablehlo_runs_without_this_package(tmp_path, name):
  model = create_model(name, 'cross_entropy')
  path = tmp_path / 'x.stablehlo'
  frames = jax.config.jax_traceback_in_locations_limit
  content = export.to_stablehlo(model, export.DTYPES['float32'])
  assert jax.config.jax_traceback_in_locations_limit == frames != 0
  assert str(ROOT).encode() not in content
  path.write_bytes(content)
  given = {}
  for i, shape in enumerate(SHAPES):
    image, mask = export.example(shape, i)
    filled, output = expected_outputs(model, image, mask)
    given |= {f'image{i}': image, f'mask{i}': mask}
    given |= {f'filled{i}': filled, f'output{i}': output}
  np.savez(tmp_path / 'given.npz', **given)
  result = subprocess.run(
    # -P: the current folder is not searched for packages.
    [
      *(sys.executable, '-P', '-c', _WITHOUT_THIS_PACKAGE),
      *(path, tmp_path / 'given.npz'),
    ],
    cwd=tmp_path,
    env={'PATH': '', 'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  *lines, last = result.stdout.split('\n')[:-1]
  assert len(lines) == 4
  assert all(float(line.split()[1]) < 1e-5 for line in lines), lines
  assert last == 'refused'


@pytest.mark.parametrize('kind', export.FORMATS)
def test_float16_halves_the_file(tmp_path, kind):
  model = create_model('encoder_decoder', features=(24, 32, 48))
  sizes = {}
  for dtype in export.DTYPES:
    path = tmp_path / dtype
    difference, rounding = export.export(
      model, path, kind, dtype, shapes=[(1, 32, 32)]
    )
    sizes[dtype] = path.stat().st_size
    assert difference < 1e-5
    assert (rounding > 0) == (dtype == 'float16')
    assert rounding < 1e-3
  assert sizes['float16'] < 0.6 * sizes['float32']


def test_a_model_trained_in_bfloat16_is_exported_in_float32(tmp_path):
  run = _write(
    create_model('encoder_decoder', dtype=jnp.bfloat16), tmp_path / 'x.onnx'
  )
  image, mask = export.example((1, 32, 32), 0)
  _, expected = expected_outputs(create_model('encoder_decoder'), image, mask)
  np.testing.assert_allclose(run(image, mask)[1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('factor', [1.5, np.nan])
def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch, factor):
  path = tmp_path / 'x.onnx'
  path.write_text('an older one')
  model = create_model('encoder_decoder')

  def write_other(model, dtype):
    variables = jax.tree.map(lambda x: x * factor, model.variables)
    return export.to_onnx(model._replace(variables=variables), dtype)

  wrong = export.FORMATS['onnx']._replace(write=write_other)
  monkeypatch.setitem(export.FORMATS, 'onnx', wrong)
  with pytest.raises(errors.UserError, match='differs from the model by'):
    export.export(model, path, 'onnx')
  assert path.read_text() == 'an older one'
  assert list(tmp_path.iterdir()) == [path]


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  message = r'needs the package onnx, .*inpaint_jax\[onnx\]'
  with pytest.raises(errors.UserError, match=message) as info:
    export.export(create_model(), tmp_path / 'x.onnx', 'onnx')
  assert '\n' not in str(info.value)
  assert not list(tmp_path.iterdir())
