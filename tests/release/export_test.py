"""Exported files beside the nets in JAX, and scripts/export.py."""

import pathlib
import re
import subprocess
import sys

import flax
import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from random_models import create_model, expected_outputs

from inpaint_jax import losses, models
from inpaint_jax.release import export
from inpaint_jax.system import errors

ROOT = pathlib.Path(__file__).parents[2]
PHOTOS = ROOT.parent / 'shared/landscapes/photos'

pytestmark = pytest.mark.usefixtures('quick_compile')

pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')


def photo_crops(side, count):
  """Crops of real photographs with holes, float32."""
  image = []
  for path in sorted(PHOTOS.iterdir())[:count]:
    with PIL.Image.open(path) as photo:
      corner = (100, 100, 100 + side, 100 + side)
      image.append(np.asarray(photo.convert('RGB').crop(corner)))
  image = np.stack(image).astype(np.float32) / 255
  return image, export.example((count, side, side), 0)[1]


def write(net, path, kind='onnx', dtype='float32'):
  """Writes a file without the check that export.export makes."""
  form = export.FORMATS[kind]
  path.write_bytes(form.write(net, export.DTYPES[dtype]))
  return form.read(path)


@pytest.mark.parametrize('loss', losses.LOSSES)
@pytest.mark.parametrize('name', models.MODELS)
def test_onnx_equals_jax(tmp_path, name, loss):
  net = create_model(name, loss)
  run = write(net, tmp_path / 'net.onnx')
  for shape in ((1, 32, 32), (3, 40, 24)):
    image, mask = export.example(shape, seed=1)
    found = run(image, mask)
    for a, b in zip(found, expected_outputs(net, image, mask), strict=True):
      assert a.shape == b.shape
      np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    filled, picture = found
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(filled[known], image[known])
    np.testing.assert_array_equal(filled[~known], picture[~known])


@pytest.mark.skipif(not PHOTOS.is_dir(), reason='needs the photographs')
@pytest.mark.parametrize('name', models.MODELS)
def test_onnx_equals_jax_on_photographs(tmp_path, name):
  """The nets at their full number of channels."""
  net = create_model(name, features=(64, 128, 256))
  run = write(net, tmp_path / 'net.onnx')
  for side, count in ((64, 1), (64, 3), (136, 2)):
    image, mask = photo_crops(side, count)
    for a, b in zip(
      run(image, mask), expected_outputs(net, image, mask), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_what_lies_in_the_hole_does_not_matter(tmp_path):
  run = write(create_model(), tmp_path / 'net.onnx')
  image, mask = export.example((1, 32, 32), 0)
  first, second = run(image, mask), run(image * (1 - mask), mask)
  np.testing.assert_array_equal(first[0], second[0])


def test_onnx_pools_and_resizes_without_transposing(tmp_path):
  """One operation a layer; what a layer is made of in JAX does not show."""
  import onnx

  net = create_model('unet')
  write(net, tmp_path / 'net.onnx')
  graph = onnx.load(tmp_path / 'net.onnx').graph
  kinds = [node.op_type for node in graph.node]
  assert kinds.count('Conv') == 12
  assert kinds.count('MaxPool') == kinds.count('Resize') == 3
  assert kinds.count('Transpose') == 4
  assert 'Reshape' not in kinds
  assert [x.name for x in graph.input] == ['image', 'mask']
  assert [x.name for x in graph.output] == ['filled', 'picture']


def test_an_operation_without_a_rule_is_named():
  net = create_model()
  net = net._replace(loss=losses.Loss(None, jnp.sin))
  with pytest.raises(errors.UserError, match='sin has no rule'):
    export.to_onnx(net, np.float32)


# Imports what a stranger has: jax and numpy.
_STRANGER = """
import sys
import jax, numpy as np
path, at = sys.argv[1:]
run = jax.export.deserialize(bytearray(open(path, 'rb').read())).call
given = np.load(at)
for i in range(2):
  filled, picture = run(given[f'image{i}'], given[f'mask{i}'])
  for found, name in ((filled, 'filled'), (picture, 'picture')):
    wanted = given[f'{name}{i}']
    assert found.shape == wanted.shape
    print('difference', np.abs(found - wanted).max())
for name in ('flax', 'inpaint_jax'):
  assert not any(m.split('.')[0] == name for m in sys.modules), name
try:
  run(given['image0'][:, :20], given['mask0'][:, :20])
except ValueError as error:
  print('refused')
"""


@pytest.mark.parametrize('name', models.MODELS)
def test_stablehlo_runs_without_this_package(tmp_path, name):
  net = create_model(name, 'cross_entropy')
  path = tmp_path / 'net.stablehlo'
  content = export.to_stablehlo(net, np.float32)
  path.write_bytes(content)
  assert str(ROOT).encode() not in content
  given = {}
  for i, shape in enumerate(((1, 32, 32), (3, 40, 24))):
    image, mask = export.example(shape, i)
    filled, picture = expected_outputs(net, image, mask)
    given |= {f'image{i}': image, f'mask{i}': mask}
    given |= {f'filled{i}': filled, f'picture{i}': picture}
  np.savez(tmp_path / 'given.npz', **given)
  result = subprocess.run(
    # -P: the folder it runs in is not searched for packages.
    [sys.executable, '-P', '-c', _STRANGER, path, tmp_path / 'given.npz'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  *lines, last = result.stdout.split('\n')[:-1]
  assert len(lines) == 4
  assert all(float(line.split()[1]) < 1e-5 for line in lines), lines
  assert last == 'refused'


def test_the_traceback_setting_comes_back():
  before = jax.config.jax_traceback_in_locations_limit
  assert before != 0
  export.to_stablehlo(create_model(), np.float32)
  assert jax.config.jax_traceback_in_locations_limit == before


@pytest.mark.parametrize('kind', export.FORMATS)
def test_float16_halves_the_file(tmp_path, kind):
  net = create_model('encoder_decoder', features=(24, 32, 48))
  sizes = {}
  for dtype in export.DTYPES:
    report = export.export(net, tmp_path / dtype, kind, dtype)
    sizes[dtype] = (tmp_path / dtype).stat().st_size
    assert report.num_bytes == sizes[dtype]
    assert report.difference < 1e-5
    assert (report.rounding > 0) == (dtype == 'float16')
    assert report.rounding < 1e-3
  assert sizes['float16'] < 0.6 * sizes['float32']


def test_a_net_trained_in_bfloat16_is_exported_in_float32(tmp_path):
  net = create_model(dtype=jnp.bfloat16)
  run = write(net, tmp_path / 'net.onnx')
  image, mask = export.example((1, 32, 32), 0)
  found = run(image, mask)[1]
  np.testing.assert_allclose(
    found, expected_outputs(create_model(), image, mask)[1], rtol=0, atol=1e-5
  )


@pytest.mark.parametrize('bad', [1.5, np.nan])
def test_a_file_that_differs_is_not_kept(tmp_path, bad):
  path = tmp_path / 'net.onnx'
  path.write_text('an older one')
  net = create_model()

  def broken(net, dtype):
    kernel = net.variables['params']['decoder3_conv']['kernel']
    changed = flax.traverse_util.flatten_dict(net.variables)
    changed['params', 'decoder3_conv', 'kernel'] = kernel * bad
    changed = flax.traverse_util.unflatten_dict(changed)
    return export.to_onnx(net._replace(variables=changed), dtype)

  onnx_format = export.FORMATS['onnx']
  export.FORMATS['onnx'] = onnx_format._replace(write=broken)
  try:
    with pytest.raises(errors.UserError, match='differs from the net'):
      export.export(net, path, 'onnx')
  finally:
    export.FORMATS['onnx'] = onnx_format
  assert path.read_text() == 'an older one'
  assert list(tmp_path.iterdir()) == [path]


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  wanted_text = r'needs the package onnx, .*\.\[onnx\]'
  with pytest.raises(errors.UserError, match=wanted_text) as info:
    export.export(create_model(), tmp_path / 'net.onnx', 'onnx')
  assert '\n' not in str(info.value)
  assert not list(tmp_path.iterdir())


def run_script(*flags):
  return subprocess.run(
    [sys.executable, 'scripts/export.py', *flags],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )


def test_script_writes_a_file_and_says_how_to_use_it(trained, tmp_path):
  path = tmp_path / 'with space.onnx'
  result = run_script(
    f'--model={trained}', f'--output={path}', '--dtype=float16'
  )
  assert result.returncode == 0, result.stderr
  assert f'wrote {path}, ' in result.stdout
  assert 'half precision changes pictures by at most' in result.stdout
  # The advice is taken word for word.
  advice = re.search(r'filled, picture = .*\)\n', result.stdout, re.DOTALL)
  image, mask = export.example((2, 40, 24), 0)
  names = {'image': image, 'mask': mask, 'onnxruntime': onnxruntime}
  exec(advice.group(), names)
  assert names['filled'].shape == image.shape
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
  ('flags', 'text'),
  [
    ((), 'no --output'),
    (('--output=x.onnx', 'stray'), "found 'stray'"),
    (('--output=x.onnx', '--format=tflite'), 'choose one of: onnx, stablehlo'),
    (('--output=x.onnx', '--dtype=int8'), 'choose one of: float16, float32'),
    (('--output=.',), 'is a folder'),
    (('--output=no/such/x.onnx',), 'No such file or directory'),
    (('--output=x.onnx', '--model=moon'), 'moon'),
  ],
)
def test_bad_input_is_one_line(flags, text):
  result = run_script(*flags)
  assert result.returncode == 1
  assert text in result.stderr
  assert result.stderr.count('\n') == 1
  assert not (ROOT / 'x.onnx').exists()
