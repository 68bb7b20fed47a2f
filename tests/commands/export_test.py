"""scripts/export.py."""

import re

from absl import flags
from absl.testing import flagsaver
import pytest
from random_models import create_model

from inpaint_jax.commands import export as command
from inpaint_jax.release import export, released_file
from inpaint_jax.system import command_line, errors

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')


def _run(*args):
  with flagsaver.flagsaver():
    command.main(flags.FLAGS(['export.py', *args]))


@pytest.mark.slow
def test_a_file_is_written_and_its_use_is_printed(tmp_path, capsys):
  model, path = tmp_path / 'x.safetensors', tmp_path / 'with space.onnx'
  released_file.write(model, create_model('encoder_decoder'), {})
  _run(f'--model={model}', f'--output={path}', '--dtype=float16')
  out = capsys.readouterr().out
  assert f'wrote {path}, ' in out
  assert 'half precision changes images by at most' in out
  # The printed lines run unchanged.
  usage = re.search(r'filled, output = .*\)\n', out, re.DOTALL)
  image, mask = export.example((2, 40, 24), 0)
  names = {'image': image, 'mask': mask, 'onnxruntime': onnxruntime}
  exec(usage.group(), names)
  assert names['filled'].shape == image.shape
  assert set(tmp_path.iterdir()) == {model, path}


@pytest.mark.parametrize(
  ('args', 'message'),
  [
    ([], 'no --output'),
    (['--output=x.onnx', 'stray'], "'stray' is no flag"),
    (['--output=x.onnx', '--format=a'], '^--format=.*: onnx, stablehlo'),
    (['--output=x.onnx', '--dtype=int8'], '^--dtype=.*: float16, float32'),
    (['--output=.'], '^--output=. is a folder'),
    (['--output=no/such/x.onnx'], '^--output=.* No such file or directory'),
    (['--output=x.onnx', '--model=moon'], 'moon'),
    (['--output=x.onnx', '--workdir=sun'], 'sun'),
    (['--output=x.onnx', '--model=moon', '--workdir=sun'], 'give one of them'),
  ],
)
def test_bad_input_is_one_line(args, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(errors.UserError) as info:
    _run(*args)
  line = command_line.add_flags(str(info.value))
  assert re.search(message, line)
  assert '\n' not in line
  assert not list(tmp_path.iterdir())
