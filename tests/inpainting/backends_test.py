"""backends.py: which program runs a model, and the cache of exports."""

import sys
import types

import jax
import numpy as np
import pytest
from random_models import create_model, expected_outputs

from inpaint_jax import models
from inpaint_jax.inpainting import backends
from inpaint_jax.release import export, onnx_runtime
from inpaint_jax.system import errors

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_ONNX', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


def _is_onnx(fill):
  return isinstance(fill, onnx_runtime.OnnxFill)


def _assert_fills(fill, model):
  image, mask = export.example((2, 40, 24), 3)
  _, expected = expected_outputs(model, image, mask)
  found = fill(image * (1 - mask), mask)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_backend_is_chosen_by_name(model):
  assert not _is_onnx(backends.choose_fill(model, 'jax'))
  assert _is_onnx(backends.choose_fill(model, 'onnx'))


def test_auto_is_onnx_runtime_on_the_cpu_only(model, cache, monkeypatch):
  assert _is_onnx(backends.choose_fill(model))
  monkeypatch.setattr('jax.default_backend', lambda: 'gpu')
  assert not _is_onnx(backends.choose_fill(model))


def test_auto_is_jax_if_an_export_is_impossible(model, cache, monkeypatch):
  cache.write_text('a file in the place of the folder')
  assert not _is_onnx(backends.choose_fill(model))
  with pytest.raises(errors.UserError, match='INPAINT_JAX_ONNX'):
    backends.choose_fill(model, 'onnx')
  cache.unlink()
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  assert not _is_onnx(backends.choose_fill(model))
  with pytest.raises(errors.UserError, match=r'inpaint_jax\[onnx\]'):
    backends.choose_fill(model, 'onnx')


def test_each_model_is_exported_once(model, cache, monkeypatch):
  params = jax.tree.map(lambda x: 0.9 * x, model.variables['params'])
  other = model._replace(variables={**model.variables, 'params': params})
  for one in (model, other):
    _assert_fills(backends.choose_fill(one, 'onnx'), one)
  files = set(cache.iterdir())
  assert len(files) == 2
  monkeypatch.setattr(export, 'export', None)
  for one in (model, other):
    _assert_fills(backends.choose_fill(one, 'onnx'), one)
  assert set(cache.iterdir()) == files


def test_a_change_of_the_code_exports_again(model, tmp_path, monkeypatch):
  (tmp_path / 'models').mkdir()
  code = [tmp_path / 'models' / 'unet.py', tmp_path / 'losses.py']
  code.append(tmp_path / 'own.py')
  monkeypatch.setattr(models, '__file__', str(code[0]))
  own = types.ModuleType('own')
  own.__file__ = str(code[2])
  monkeypatch.setitem(sys.modules, 'own', own)
  name = model.config.model.name
  monkeypatch.setitem(
    models.MODELS, name, type('Net', (), {'__module__': 'own'})
  )
  for path in code:
    path.write_text('1')
  keys = [backends._cache_key(model)]
  for path in code:
    path.write_text('2')
    keys.append(backends._cache_key(model))
  assert len(set(keys)) == 4


def test_a_damaged_file_is_written_anew(model, cache):
  backends.choose_fill(model, 'onnx')
  [file] = cache.iterdir()
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 64  # In a weight: the file would still load.
  file.write_bytes(content)
  _assert_fills(backends.choose_fill(model, 'onnx'), model)
  [file] = cache.iterdir()
  assert file.read_bytes() != bytes(content)
