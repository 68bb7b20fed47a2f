"""The commands that train a model again."""

import pathlib
import shlex
import sys

from absl import flags
from ml_collections import config_flags
import pytest

from configs import default, unet
from inpaint_jax.release import recipe
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import json_files

ROOT = pathlib.Path(__file__).parents[2]


def _parse(command):
  """Returns the config that main.py would get from a command."""
  words = shlex.split(command)
  assert words[:2] == ['python', 'main.py']
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values)
  flags.DEFINE_string('workdir', None, '', flag_values=values)
  # The flag looks for overrides in sys.argv, not in what it is given to parse.
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
  (command,) = recipe.training_commands(config, 'x')
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
  (command,) = recipe.training_commands(unet.get_config('landscapes'), 'x')
  assert command == (
    'python main.py --config=configs/default.py:landscapes --workdir=runs/x'
  )


def test_a_model_without_a_config_file_has_a_command():
  config = default.get_config()
  config.model.name = 'resnet'
  (command,) = recipe.training_commands(config, 'x')
  assert command.split(' \\\n  ') == [
    'python main.py --config=configs/default.py --workdir=runs/x',
    '--config.model.name=resnet',
  ]


def test_fields_of_ones_own_need_ones_own_config_file():
  config = default.get_config()
  config.model.name, config.model.depth = 'own', 2
  (command,) = recipe.training_commands(config, 'x')
  assert command.startswith('python main.py --config=CONFIG --workdir=runs/x ')
  assert '--config.model.depth=2' in command
  # That file may have another default.
  assert f'--config.batch_size={config.batch_size} ' in command


def test_the_commands_of_a_run_that_started_from_another(tmp_path):
  first, second = _landscapes(), _landscapes()
  first.init_from = 'unet-landscapes'
  second.init_from = str(tmp_path)
  json_files.write(tmp_path / 'config.json', first.to_dict())
  one, two = recipe.training_commands(second, 'x')
  assert '--config.init_from=unet-landscapes' in one
  assert '--workdir=runs/x-start1' in one
  assert '--config.init_from=runs/x-start1' in two
  assert '--workdir=runs/x\n' in two.replace(' \\', '')
  # A start whose folder is gone keeps its name, without the path.
  second.init_from = '/home/someone/gone'
  (command,) = recipe.training_commands(second, 'x')
  assert '--config.init_from=gone' in command
