"""scripts/release.py: what it writes, and which runs it refuses."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from absl import flags
import jax
from ml_collections import config_flags
import numpy as np
import PIL.Image
import pytest

from configs import default, unet
from inpaint_jax.commands import release
from inpaint_jax.release import model_card, released_file, zoo
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.system import errors, json_files
from inpaint_jax.training import train

# Trains a model, and starts a process.
pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = {'data': 'Drawings, by the *package*.', 'license': 'MIT.'}


@pytest.fixture
def run(trained, tmp_path):
  """A copy of a run that a test may change."""
  return shutil.copytree(trained, tmp_path / 'a run')


@pytest.fixture(scope='module')
def released(trained, tmp_path_factory):
  """A folder with what the script, as a process, wrote of a run."""
  folder = tmp_path_factory.mktemp('released') / 'new'
  result = subprocess.run(
    [
      *(sys.executable, 'scripts/release.py', f'--workdir={trained}'),
      *('--name=tiny-landscapes', f'--output={folder}', '--notes=In seconds.'),
      *(f'--{name}={text}' for name, text in TEXTS.items()),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr
  checksums = released_file.read_checksums(folder)
  assert checksums['tiny-landscapes.safetensors'] in result.stdout
  return folder


def test_what_is_written(released, trained):
  assert sorted(path.name for path in released.iterdir()) == [
    'SHA256SUMS',
    'tiny-landscapes.jpg',
    'tiny-landscapes.md',
    'tiny-landscapes.safetensors',
  ]
  found = zoo.load(released / 'tiny-landscapes.safetensors')
  model = trained_model.load_run(trained)
  assert found.step == model.step
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6),
    found.variables,
    model.variables,
  )


def test_the_grid_is_that_of_the_checkpoint(released, trained):
  epoch = trained_model.load_run(trained).info['epoch']
  path = trained / 'samples' / f'epoch_{epoch:03d}.png'
  with (
    PIL.Image.open(released / 'tiny-landscapes.jpg') as jpeg,
    PIL.Image.open(path) as png,
  ):
    assert jpeg.size == png.size
    error = np.asarray(jpeg, float) - np.asarray(png.convert('RGB'), float)
  assert np.abs(error).mean() < 3


def test_the_card_tells_what_was_measured(released, trained):
  card = (released / 'tiny-landscapes.md').read_text()
  report = json.loads((trained / 'test_metrics.json').read_text())
  for values in report['metrics'].values():
    assert f'{values["hole_l1"]:.4f}' in card
    assert f'{values["hole_psnr"]:.2f}' in card
  for text in ('An epoch was 20 images.', 'In seconds.', *TEXTS.values()):
    assert text in card
  digest = released_file.read_checksums(released)['tiny-landscapes.safetensors']
  assert f'`{digest}`' in card
  mean, largest = re.search(
    r'by ([\d.e-]+) of 255 levels in the mean, ([\d.e-]+) at most',
    ' '.join(card.split()),
  ).groups()
  # A model of ten steps has small weights: float16 keeps 11 bits of each.
  assert 0 < float(mean) < float(largest) < 1
  # No path of the machine.
  assert str(trained.parent) not in card


def test_the_difference_is_that_of_the_variables(trained):
  model = trained_model.load_run(trained)
  same = release.measure_difference(model, model, num_images=2)
  assert same == model_card.Difference(0, 0, 2)
  doubled = model._replace(
    variables=jax.tree.map(lambda x: 2 * x, model.variables)
  )
  assert release.measure_difference(model, doubled, num_images=2).largest > 1


def test_a_second_model_joins_the_first(released, trained, tmp_path):
  folder = shutil.copytree(released, tmp_path / 'zoo')
  release.release(trained, 'a-2', output=folder, **TEXTS)
  assert list(released_file.read_checksums(folder)) == [
    'a-2.safetensors',
    'tiny-landscapes.safetensors',
  ]
  zoo.load(folder / 'tiny-landscapes.safetensors')


def test_a_model_of_the_package_is_used_by_its_name(
  trained, tmp_path, monkeypatch
):
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path)
  release.release(trained, 'tiny', **TEXTS)
  assert zoo.list_models() == ['tiny']
  card = (tmp_path / 'tiny.md').read_text()
  assert '--model=tiny \\\n' in card
  assert "inference.load('tiny')" in card


def _parse(command):
  """Returns the config that main.py would get from a command."""
  words = shlex.split(command)
  assert words[:2] == ['python', 'main.py']
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values)
  flags.DEFINE_string('workdir', None, '', flag_values=values)
  # The flag looks for overrides in sys.argv, whatever it is given to parse.
  given, sys.argv = sys.argv, words[1:]
  try:
    values(words[1:])
    return values.config, values.workdir
  finally:
    sys.argv = given


def _landscapes():
  config = unet.get_config('landscapes')
  config.data.source = '/home/someone/photos'
  config.data.data_dir = '/home/someone/data'
  config.data.num_threads = 1
  config.data.image_size = 64
  config.hole_weight = 6.0
  config.model.features = (8, 16, 32)
  config.optimizer.learning_rate = 3e-4
  config.data.flip = False
  return config


@pytest.mark.parametrize('config', [default.get_config(), _landscapes()])
def test_the_command_gives_the_config(config, monkeypatch):
  """Parsed as main.py parses it, it gives what was trained."""
  monkeypatch.chdir(ROOT)
  (command,) = release.training_commands(config, 'x')
  assert 'someone' not in command
  assert all(len(line) <= 80 for line in command.splitlines())
  found, workdir = _parse(command)
  assert workdir == 'runs/x'
  if config.data.source:
    assert found.data.source == 'DIR'
  for name in workdirs.FREE_FIELDS:
    section, field = name.split('.')
    found[section][field] = config[section][field]
  assert found.to_dict() == config.to_dict()


def test_the_command_leaves_out_defaults():
  (command,) = release.training_commands(unet.get_config('landscapes'), 'x')
  assert command == (
    'python main.py --config=configs/unet.py:landscapes --workdir=runs/x'
  )


def test_the_commands_of_a_run_that_started_from_another(tmp_path):
  first, second = _landscapes(), _landscapes()
  first.init_from = 'unet-landscapes'
  second.init_from = str(tmp_path)
  json_files.write(tmp_path / 'config.json', first.to_dict())
  one, two = release.training_commands(second, 'x')
  assert '--config.init_from=unet-landscapes' in one
  assert '--workdir=runs/x-start1' in one
  assert '--config.init_from=runs/x-start1' in two
  assert '--workdir=runs/x\n' in two.replace(' \\', '')
  # One that is gone keeps its name, and no path.
  second.init_from = '/home/someone/gone'
  (command,) = release.training_commands(second, 'x')
  assert '--config.init_from=gone' in command


# What is refused.


def test_a_run_that_was_not_evaluated(run, tmp_path):
  path = run / 'test_metrics.json'
  report = json.loads(path.read_text())
  output = tmp_path / 'out'
  # Of another checkpoint, of the same step; and of an earlier version.
  for other in ({**report, 'checksum': 3}, {'step': report['step']}):
    path.write_text(json.dumps(other))
    with pytest.raises(errors.UserError, match='not of the checkpoint that is'):
      release.release(run, 'x', output=output, **TEXTS)
  path.unlink()
  with pytest.raises(
    errors.UserError,
    match=r"run first: python main\.py --mode=evaluate '--workdir=.*/a run'$",
  ):
    release.release(run, 'x', output=output, **TEXTS)
  assert not output.exists()


def test_a_test_of_an_earlier_training_in_the_folder(run, config, tmp_path):
  """The checkpoints were deleted; the new ones have the same step."""
  shutil.rmtree(run / 'checkpoints')
  config.seed = 1  # An argument: nothing is compiled anew.
  train.train(config, run)
  with pytest.raises(errors.UserError, match='not of the checkpoint that is'):
    release.release(run, 'x', output=tmp_path / 'out', **TEXTS)


def test_a_run_without_samples(run, tmp_path):
  output = tmp_path / 'out'
  release.release(run, 'x', output=output, **TEXTS)
  assert (output / 'x.jpg').exists()
  shutil.rmtree(run / 'samples')
  release.release(run, 'x', output=output, **TEXTS)
  assert not (output / 'x.jpg').exists()
  assert 'x.jpg' not in (output / 'x.md').read_text()


def test_a_folder_without_a_run(tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    release.release(tmp_path, 'x', output=tmp_path, **TEXTS)


@pytest.mark.parametrize('name', ['A', 'a/b', '../a', 'a b', 'a-', '', 'a.b'])
def test_a_name_that_cannot_be(trained, tmp_path, name):
  with pytest.raises(errors.UserError, match='small letters and digits'):
    release.release(trained, name, output=tmp_path, **TEXTS)


def test_a_folder_that_cannot_be_written(trained, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.UserError, match='cannot be written to'):
    release.release(trained, 'x', output=tmp_path / 'file', **TEXTS)


def test_a_missing_flag_is_one_line():
  result = subprocess.run(
    [sys.executable, 'scripts/release.py', '--workdir=x', '--name=x'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 1
  assert result.stderr.startswith('error: no --data: What the model was')
  assert result.stderr.count('\n') == 1


def test_a_large_grid_is_made_small(trained, tmp_path):
  """Noise does not compress."""
  model = trained_model.load_run(trained)
  path = tmp_path / 'samples' / f'epoch_{model.info["epoch"]:03d}.png'
  path.parent.mkdir()
  noise = np.random.RandomState(0).randint(0, 256, (900, 1200, 3), np.uint8)
  PIL.Image.fromarray(noise).save(path)
  data = release.grid_as_jpeg(model._replace(workdir=tmp_path))
  assert 50_000 < len(data) <= release.MAX_JPEG_BYTES
