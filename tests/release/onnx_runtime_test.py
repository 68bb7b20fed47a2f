"""onnx_runtime.py, and the lines in docs/ that use an ONNX file."""

from concurrent import futures
import pathlib
import re
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from random_models import create_model, expected_outputs

from inpaint_jax.datasets import landscape
from inpaint_jax.release import export, onnx_runtime
from inpaint_jax.system import errors

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture(scope='module')
def path(model, tmp_path_factory):
  path = tmp_path_factory.mktemp('onnx') / 'unet.onnx'
  path.write_bytes(export.to_onnx(model, np.dtype(np.float32)))
  return path


def test_a_fill_returns_the_whole_image_of_the_model(model, path):
  fill = onnx_runtime.OnnxFill(path)
  image, mask = export.example((2, 40, 24), 3)
  found = fill(image * (1 - mask), mask)
  assert found.dtype == np.float32
  _, expected = expected_outputs(model, image, mask)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_threads_share_a_fill(path):
  fill = onnx_runtime.OnnxFill(path)
  inputs = [export.example((1, 32, 32 + 8 * (i % 3)), i) for i in range(12)]
  alone = [fill(*pair) for pair in inputs]
  with futures.ThreadPoolExecutor(4) as pool:
    together = list(pool.map(lambda pair: fill(*pair), inputs))
  for a, b in zip(alone, together, strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_file_is_run_without_jax(path):
  code = (
    'import sys, numpy as np\n'
    'from inpaint_jax.release import onnx_runtime\n'
    f'fill = onnx_runtime.OnnxFill({str(path)!r})\n'
    'x = np.zeros((1, 16, 16, 4), np.float32)\n'
    'print(fill(x[..., :3], x[..., 3:]).shape)\n'
    "print([m for m in ('jax', 'flax', 'onnx') if m in sys.modules])\n"
  )
  result = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert result.stdout == '(1, 16, 16, 3)\n[]\n', result.stderr


def test_files_that_cannot_be_run(tmp_path):
  with pytest.raises(errors.UserError, match='does not exist'):
    onnx_runtime.OnnxFill(tmp_path / 'no.onnx')
  damaged = tmp_path / 'damaged.onnx'
  damaged.write_text('no graph')
  with pytest.raises(errors.UserError, match='cannot be read') as info:
    onnx_runtime.OnnxFill(damaged)
  assert '\n' not in str(info.value)
  helper = onnx.helper
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
    onnx_runtime.OnnxFill(tmp_path / 'other.onnx')


def test_a_missing_package_is_one_line(path, monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(
    errors.UserError, match=r'onnxruntime.*inpaint_jax\[onnx\]'
  ) as info:
    onnx_runtime.OnnxFill(path)
  assert '\n' not in str(info.value)


@pytest.mark.slow
def test_the_lines_in_docs(model, path, tmp_path):
  (tmp_path / 'unet.onnx').write_bytes(path.read_bytes())
  photo = PIL.Image.fromarray(landscape.render(0, 64))
  photo.save(tmp_path / 'photo.jpg', quality=95)
  mask = np.zeros((64, 64), np.uint8)
  mask[16:32, 20:40] = 255
  PIL.Image.fromarray(mask).save(tmp_path / 'mask.png')
  blocks = re.findall(
    r'```python\n(.*?)```', (ROOT / 'docs/filling.md').read_text(), re.DOTALL
  )
  [block] = [x for x in blocks if 'onnxruntime.InferenceSession' in x]
  assert 'jax' not in block
  # The size of this model.
  assert block.count('(128, 128)') == 2
  block = block.replace('(128, 128)', '(64, 64)')
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
  filled = expected_outputs(model, given, hole)[0][0]
  assert np.abs(found - 255 * filled).max() < 0.51
