"""ONNX Runtime in place of JAX, and the code for it in README."""

import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

from export_test import create_net, wanted
import jax
import numpy as np
import PIL.Image
import pytest

from inpaint_jax.datasets import landscape
from inpaint_jax.inpainting import backends, inpainter
from inpaint_jax.release import export
from inpaint_jax.system import errors

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.usefixtures('quick_compile')
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def net():
  return create_net()


@pytest.fixture(scope='module')
def path(net, tmp_path_factory):
  path = tmp_path_factory.mktemp('onnx') / 'unet.onnx'
  path.write_bytes(export.to_onnx(net, np.float32))
  return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_ONNX', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


def check_fill(fill, net):
  image, mask = export.example((2, 40, 24), 3)
  found = fill(image * (1 - mask), mask)
  assert found.dtype == np.float32
  np.testing.assert_allclose(
    found, wanted(net, image, mask)[1], rtol=0, atol=1e-5
  )


def test_fill_returns_the_net_s_whole_picture(net, path):
  fill = backends.create_fill(path)
  check_fill(fill, net)
  assert fill.size == net.config.data.image_size


def test_an_exported_file_is_a_model(net, path):
  image = landscape.render(0, 64)
  hole = np.zeros((64, 64), bool)
  hole[20:36, 24:44] = True
  found = inpainter.load(path)(image, hole)
  ours = inpainter.Inpainter(
    inpainter.create_fill(net), net.config.data.image_size
  )(image, hole)
  # A rounding may fall on another side.
  np.testing.assert_allclose(found, ours, atol=1)
  assert np.any(found != image)
  with pytest.raises(errors.UserError, match='not by --backend=jax'):
    inpainter.load(path, backend='jax')
  with pytest.raises(errors.UserError, match='--backend'):
    inpainter.load(path, backend='torch')


def test_threads_share_a_fill(path):
  fill = backends.create_fill(path)
  pictures = [export.example((1, 32, 32 + 8 * (i % 3)), i) for i in range(12)]
  alone = [fill(*picture) for picture in pictures]
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    together = list(pool.map(lambda picture: fill(*picture), pictures))
  for a, b in zip(alone, together, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_file_is_run_without_jax(path):
  code = (
    'import sys, numpy as np\n'
    'from inpaint_jax.inpainting import backends as onnx_backend\n'
    f'fill = backends.create_fill({str(path)!r})\n'
    'x = np.zeros((1, 16, 16, 4), np.float32)\n'
    'print(fill(x[..., :3], x[..., 3:]).shape)\n'
    "print([m for m in ('jax', 'flax', 'onnx') if m in sys.modules])\n"
  )
  result = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert result.stdout == '(1, 16, 16, 3)\n[]\n', result.stderr


def test_files_that_cannot_be_run(tmp_path):
  import onnx
  from onnx import helper

  with pytest.raises(errors.UserError, match='does not exist'):
    backends.create_fill(tmp_path / 'no.onnx')
  damaged = tmp_path / 'damaged.onnx'
  damaged.write_text('no graph')
  with pytest.raises(errors.UserError, match='cannot be read') as info:
    backends.create_fill(damaged)
  assert '\n' not in str(info.value)
  value = helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
  node = helper.make_node('Identity', ['x'], ['y'])
  result = helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
  graph = helper.make_graph([node], 'other', [value], [result])
  other = helper.make_model(
    graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8
  )
  helper.set_model_props(other, {'size': '64'})
  onnx.save(other, tmp_path / 'other.onnx')
  with pytest.raises(errors.UserError, match='of another kind'):
    backends.create_fill(tmp_path / 'other.onnx')


def test_without_onnx_runtime_one_line_says_so():
  """As a process, where nothing else has imported it before."""
  code = (
    'import sys\n'
    "sys.modules['onnxruntime'] = None\n"
    'from inpaint_jax import inference\n'
    'from inpaint_jax.inpainting import backends as onnx_backend\n'
    'from inpaint_jax.system import errors\n'
    'onnx_backend._installed = lambda: False\n'
    'try:\n'
    "  inpainter.load('unet-landscapes', backend='onnx')\n"
    'except errors.UserError as error:\n'
    '  print(error)\n'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert result.stdout == (
    'the onnx backend needs the package onnxruntime, which is not installed: '
    "pip install -e '.[onnx]'\n"
  ), result.stderr


def test_jax_is_chosen_by_name_and_unknown_names_are_refused(net):
  assert backends.choose(net, 'jax') is None
  with pytest.raises(errors.UserError, match='auto, jax, onnx'):
    backends.choose(net, 'tensorrt')


def test_onnx_by_name_exports_once(net, cache, monkeypatch):
  check_fill(backends.choose(net, 'onnx'), net)
  [file] = cache.iterdir()
  monkeypatch.setattr(export, 'export', None)
  check_fill(backends.choose(net, 'onnx'), net)
  assert list(cache.iterdir()) == [file]


def test_other_weights_are_another_file(net, cache):
  backends.choose(net, 'onnx')
  params = jax.tree.map(lambda x: 0.9 * x, net.variables['params'])
  other = net._replace(variables={'params': params})
  check_fill(backends.choose(other, 'onnx'), other)
  assert len(list(cache.iterdir())) == 2


def test_a_damaged_file_is_written_anew(net, cache):
  backends.choose(net, 'onnx')
  [file] = cache.iterdir()
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 64  # Within a weight: it would still load.
  file.write_bytes(content)
  check_fill(backends.choose(net, 'onnx'), net)
  [file] = cache.iterdir()
  assert file.read_bytes() != bytes(content)


@pytest.mark.parametrize('faster', ['onnx', 'jax'])
def test_auto_takes_the_faster_and_measures_once(
  net, cache, monkeypatch, faster
):
  calls = []

  def measure(*args):
    calls.append(args)
    return {'onnx': 1.0, 'jax': 1.0} | {faster: 0.5}

  monkeypatch.setattr(backends, 'measure', measure)
  for _ in range(2):
    fill = backends.choose(net)
    assert (fill is not None) == (faster == 'onnx')
  assert len(calls) == 1
  [record] = cache.glob('*.json')
  assert json.loads(record.read_text())['seconds_per_fill'][faster] == 0.5
  record.write_text('{}')  # One that tells nothing is measured anew.
  backends.choose(net)
  assert len(calls) == 2


def test_measure_times_both(net, path):
  seconds = backends.measure(net, backends.create_fill(path))
  assert set(seconds) == {'onnx', 'jax'}
  assert all(0 < x < 60 for x in seconds.values())


def test_auto_does_without_what_is_missing(net, cache, monkeypatch):
  cache.write_text('a file in the place of the folder')
  assert backends.choose(net) is None
  with pytest.raises(errors.UserError, match='INPAINT_JAX_ONNX'):
    backends.choose(net, 'onnx')
  cache.unlink()
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  assert backends.choose(net) is None
  with pytest.raises(errors.UserError, match=r'\.\[onnx\]'):
    backends.choose(net, 'onnx')


def test_auto_leaves_accelerators_to_jax(net, monkeypatch):
  monkeypatch.setattr('jax.default_backend', lambda: 'gpu')
  monkeypatch.setattr(backends, 'create_fill_for', None)
  assert backends.choose(net) is None


def readme_block():
  """The code block of README that uses an ONNX file."""
  blocks = re.findall(
    r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL
  )
  found = [x for x in blocks if 'onnxruntime.InferenceSession' in x]
  [block] = found
  return block


def test_the_lines_in_readme(net, path, tmp_path):
  (tmp_path / 'unet.onnx').write_bytes(path.read_bytes())
  photo = PIL.Image.fromarray(landscape.render(0, 64))
  photo.save(tmp_path / 'photo.jpg', quality=95)
  mask = np.zeros((64, 64), np.uint8)
  mask[16:32, 20:40] = 255
  PIL.Image.fromarray(mask).save(tmp_path / 'mask.png')
  block = readme_block()
  assert 'jax' not in block
  result = subprocess.run(
    [sys.executable, '-P', '-c', block],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  with PIL.Image.open(tmp_path / 'photo.jpg') as file:
    image = np.asarray(file)
  with PIL.Image.open(tmp_path / 'out.png') as file:
    found = np.asarray(file)
  np.testing.assert_array_equal(found[mask == 0], image[mask == 0])
  given = image[None].astype(np.float32) / 255
  hole = (mask[None, ..., None] > 0).astype(np.float32)
  filled = wanted(net, given, hole)[0][0]
  assert np.abs(found - 255 * filled).max() < 0.51
