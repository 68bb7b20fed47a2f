"""released_file.py: a model as one file, and which files are refused."""

import functools
import json
import subprocess

import jax
import numpy as np
import pytest
from random_models import create_model
import safetensors.numpy

from inpaint_jax.release import downloads, released_file
from inpaint_jax.system import errors


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture
def path(model, tmp_path):
  path = tmp_path / 'x.safetensors'
  released_file.write(path, model, {'name': 'x'})
  return path


def test_a_file_gives_the_model_in_half_precision(path, model):
  found = released_file.read(path)

  def compare(keys, a, b):
    half = np.float16 if keys[0].key == 'params' else np.float32
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, b.astype(half))

  jax.tree_util.tree_map_with_path(compare, found.variables, model.variables)
  assert (found.step, found.info, found.workdir) == (1, {}, None)
  assert found.config.model == model.config.model
  assert found.model.clone(conv='xla') == model.model
  assert _fields(path)['name'] == 'x'


def test_the_file_of_a_net_is_always_the_same(model, tmp_path):
  paths = [tmp_path / f'{i}.safetensors' for i in range(4)]
  for path in paths:
    released_file.write(path, model, {'name': 'x', 'license': 'MIT'})
  assert len({downloads.sha256(path) for path in paths}) == 1


def test_paths_in_a_config_are_left_out(model, tmp_path):
  config = model.config.copy_and_resolve_references()
  config.data.source = '/home/someone/photos'
  config.masks.update(kind='files', source='/home/someone/masks')
  for given, kept in (
    ('/home/someone/run', 'run'),
    ('unet-landscapes', 'unet-landscapes'),
    ('https://a.example/b.safetensors', 'https://a.example/b.safetensors'),
  ):
    config.init_from = given
    path = tmp_path / 'x.safetensors'
    released_file.write(path, model._replace(config=config), {})
    assert _fields(path)['config']['init_from'] == kept
    assert b'someone' not in path.read_bytes()


def test_running_statistics_stay_float32(model, tmp_path):
  """A variance of 1e-9 would be 0 in half precision."""
  variables = {**model.variables, 'batch_stats': {'var': np.float32([1e-9])}}
  path = tmp_path / 'x.safetensors'
  released_file.write(path, model._replace(variables=variables), {})
  tensors = safetensors.numpy.load_file(path)
  assert tensors['batch_stats/var'] == np.float32(1e-9)


def test_a_value_beyond_half_precision_is_refused(model, tmp_path):
  params = jax.tree.map(lambda x: x + 7e4, model.variables['params'])
  large = model._replace(variables={**model.variables, 'params': params})
  path = tmp_path / 'x.safetensors'
  with pytest.raises(errors.UserError, match='half precision ends at 65504'):
    released_file.write(path, large, {})
  assert not list(tmp_path.iterdir())


def _fields(path):
  with safetensors.safe_open(path, framework='numpy') as file:
    return json.loads(file.metadata()['inpaint_jax'])


def _rewrite(path, change):
  """Writes a released file again, with changed tensors and fields."""
  tensors, fields = safetensors.numpy.load_file(path), _fields(path)
  change(tensors, fields)
  path.write_bytes(
    safetensors.numpy.save(tensors, {'inpaint_jax': json.dumps(fields)})
  )


def _drop(tensors, fields):
  del tensors['params/decoder2_conv/bias']


def _add(tensors, fields):
  tensors['params/other'] = np.zeros(3, np.float16)


def _reshape(tensors, fields):
  name = 'params/decoder2_conv/bias'
  tensors[name] = tensors[name][:-1]


def _retype(tensors, fields):
  name = 'params/decoder2_conv/bias'
  tensors[name] = tensors[name].astype(np.int16)


def _set(name, value, tensors, fields):
  *sections, last = name.split('.')
  node = functools.reduce(dict.__getitem__, sections, fields)
  if value is None:
    del node[last]
  else:
    node[last] = value


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (_drop, 'not those of the model: params/decoder2_conv/bias'),
    (_add, 'not those of the model: params/other'),
    (_reshape, r'decoder2_conv/bias is float16 \[7\], wanted .* \[8\]'),
    (_retype, r'decoder2_conv/bias is int16 \[8\], wanted float16'),
    (functools.partial(_set, 'config.model.name', 'vit'), "'vit' is unknown"),
    (functools.partial(_set, 'config.loss', 'none'), "'none' is unknown"),
    (functools.partial(_set, 'config.model.features', 7), 'cannot be used'),
    (functools.partial(_set, 'config.model', None), 'cannot be used'),
    (functools.partial(_set, 'config.data.image_size', 0), 'image_size is 0'),
    (functools.partial(_set, 'config.data.image_size', 33), 'cannot be used'),
    (functools.partial(_set, 'config', []), 'cannot be used'),
    (functools.partial(_set, 'step', 'x'), 'cannot be used'),
    (functools.partial(_set, 'format', 2), 'has format 2'),
    (functools.partial(_set, 'format', None), "'format' is missing"),
  ],
)
def test_a_file_that_does_not_fit_is_one_line(path, change, message):
  _rewrite(path, change)
  with pytest.raises(errors.UserError, match=message) as e:
    released_file.read(path)
  assert '\n' not in str(e.value)


@pytest.mark.parametrize('size', [0, 5, 100, 9_000])
def test_a_file_that_was_cut_is_refused(path, size):
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(errors.UserError, match='is no released model'):
    released_file.read(path)


def test_a_file_of_something_else_is_refused(tmp_path):
  path = tmp_path / 'x.safetensors'
  path.write_bytes(safetensors.numpy.save({'a': np.zeros(2)}, {'b': 'c'}))
  with pytest.raises(errors.UserError, match="'inpaint_jax' is missing in"):
    released_file.read(path)
  path.write_text('hello, this is a page that says: not found')
  with pytest.raises(errors.UserError, match='is no released model'):
    released_file.read(path)


def test_a_flipped_bit_is_noticed(path):
  """The bit is in the last parameter, so the file is still well-formed."""
  released_file.write_checksums(path.parent)
  released_file.read(path)
  data = bytearray(path.read_bytes())
  data[-2] ^= 1
  path.write_bytes(data)
  with pytest.raises(errors.UserError, match='is damaged, or was swapped'):
    released_file.read(path)
  (path.parent / released_file.CHECKSUMS).write_text('hello\n')
  with pytest.raises(errors.UserError, match='SHA256SUMS is no list of'):
    released_file.read(path)


def test_checksums_are_those_of_sha256sum(path):
  released_file.write_checksums(path.parent)
  subprocess.run(
    ['sha256sum', '--check', '--strict', released_file.CHECKSUMS],
    cwd=path.parent,
    check=True,
    capture_output=True,
  )


def test_checksums_of_other_files_stay(path):
  checksums = path.parent / released_file.CHECKSUMS
  checksums.write_text(f'{"0" * 64}  another.onnx\n{"0" * 64}  x.safetensors\n')
  released_file.write_checksums(path.parent)
  found = released_file.read_checksums(path.parent)
  assert found.keys() == {'another.onnx', path.name}
  assert found['another.onnx'] == '0' * 64
