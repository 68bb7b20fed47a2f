"""The folder of a run."""

import errno
import json
import pathlib
import subprocess
import sys

import pytest

from configs import smoke
from inpaint_jax.runs import workdir
from inpaint_jax.system import errors


def _start(path, config, checkpoint=True):
  """Does what a run does first. Only a checkpoint makes the folder a run."""
  with workdir.locked_workdir(path, config) as found:
    if checkpoint:
      (path / 'checkpoints' / 'latest' / '5').mkdir(parents=True, exist_ok=True)
  return found


def test_a_config_survives_the_way_to_the_file_and_back(tmp_path):
  config = smoke.get_config()
  _start(tmp_path / 'a' / 'b', config)
  loaded = workdir.load_config(tmp_path / 'a' / 'b')
  assert loaded.to_dict() == config.to_dict()


def test_the_same_config_is_taken_again(tmp_path):
  _start(tmp_path, smoke.get_config())
  config = smoke.get_config()
  config.data.data_dir = 'elsewhere'
  config.data.num_threads = 7
  config.profile.num_steps = 3
  config.data.source = 'moved'
  assert _start(tmp_path, config) == tmp_path


def test_another_config_is_refused_and_the_fields_are_named(tmp_path):
  _start(tmp_path, smoke.get_config())
  before = (tmp_path / 'config.json').read_text()
  config = smoke.get_config()
  config.optimizer.learning_rate = 0.5
  config.loss = 'l1'
  with pytest.raises(
    errors.UserError,
    match=r'loss \(mse there, l1 here\), '
    r'optimizer.learning_rate \(0.001 there, 0.5 here\)',
  ):
    _start(tmp_path, config)
  assert (tmp_path / 'config.json').read_text() == before


@pytest.mark.parametrize(
  ('field', 'there', 'here'),
  [
    ('num_epochs', 2, 3),
    ('early_stopping_patience', 3, 4),
    ('early_stopping_patience', 3, 0),
    ('checkpoint_every_steps', 0, 7),
    ('log_every_steps', 2, 7),
    ('num_samples', 4, 0),
  ],
)
def test_a_run_goes_on_with_what_makes_the_same_steps(
  tmp_path, field, there, here
):
  config = smoke.get_config()
  config[field] = there
  _start(tmp_path, config)
  config[field] = here
  _start(tmp_path, config)
  assert workdir.load_config(tmp_path)[field] == here


@pytest.mark.parametrize(
  ('field', 'there', 'here', 'schedule'),
  [
    ('num_epochs', 3, 2, 'constant'),
    ('num_epochs', 2, 3, 'cosine'),
    ('early_stopping_patience', 4, 3, 'constant'),
    ('early_stopping_patience', 0, 3, 'constant'),
  ],
)
def test_a_run_does_not_go_on_with_what_makes_other_steps(
  tmp_path, field, there, here, schedule
):
  config = smoke.get_config()
  config.optimizer.schedule = schedule
  config[field] = there
  _start(tmp_path, config)
  config[field] = here
  with pytest.raises(
    errors.UserError, match=rf'{field} \({there} there, {here} here\)'
  ):
    _start(tmp_path, config)


def test_a_discriminator_with_a_cosine_schedule_trains_no_longer(tmp_path):
  config = smoke.get_config()
  config.discriminator.optimizer.schedule = 'cosine'
  _start(tmp_path, config)
  config.num_epochs += 1
  with pytest.raises(errors.UserError, match=r'num_epochs \(2 there, 3 here'):
    _start(tmp_path, config)


def test_a_field_of_another_version_is_a_difference(tmp_path):
  config = smoke.get_config()
  _start(tmp_path, config)
  with config.unlocked():
    config.novel = 1
  with pytest.raises(errors.UserError, match=r'novel \(absent there, 1 here\)'):
    _start(tmp_path, config)


def test_checkpoints_of_an_unknown_run_are_left_alone(tmp_path):
  (tmp_path / 'checkpoints' / 'best' / '3').mkdir(parents=True)
  with pytest.raises(errors.UserError, match=r'no config\.json'):
    _start(tmp_path, smoke.get_config())


@pytest.mark.parametrize(
  'name', ['metrics.csv', 'dataset.json', 'test_metrics.json', 'samples/a.png']
)
def test_files_of_something_else_are_not_written_over(tmp_path, name):
  path = tmp_path / name
  path.parent.mkdir(exist_ok=True)
  path.write_text('precious')
  with pytest.raises(errors.UserError, match=name.split('/')[0]):
    _start(tmp_path, smoke.get_config())
  assert path.read_text() == 'precious'
  assert not (tmp_path / 'config.json').exists()


@pytest.mark.parametrize('text', ['{"architectures": ["UNet"]}', '[1]'])
def test_a_config_of_something_else(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  for use in (
    lambda: _start(tmp_path, smoke.get_config()),
    lambda: workdir.load_config(tmp_path),
  ):
    with pytest.raises(errors.UserError, match=r'config\.json is of something'):
      use()
  assert (tmp_path / 'config.json').read_text() == text


def test_a_folder_without_a_run(tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    workdir.load_config(tmp_path)


def test_a_damaged_config(tmp_path):
  (tmp_path / 'config.json').write_text('{"loss": ')
  with pytest.raises(errors.UserError, match=r'config\.json cannot be read'):
    workdir.load_config(tmp_path)


def test_a_file_in_the_place_of_the_folder(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(errors.UserError, match='cannot be written to'):
    _start(tmp_path / 'file', smoke.get_config())


def test_the_folder_of_photos_is_no_workdir(tmp_path, monkeypatch):
  """Sample grids would become photos; in a folder below they are left out."""
  config = smoke.get_config()
  config.data.source = '~/photos'
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'photos').mkdir()
  with pytest.raises(errors.UserError, match=r'is data\.source itself'):
    _start(tmp_path / 'photos', config)
  assert not list((tmp_path / 'photos').iterdir())
  _start(tmp_path / 'photos' / 'run', config)


def test_before_the_first_checkpoint_everything_can_still_be_changed(tmp_path):
  _start(tmp_path, smoke.get_config(), checkpoint=False)
  (tmp_path / 'dataset.json').write_text('{}')
  config = smoke.get_config()
  config.batch_size = 2
  _start(tmp_path, config)
  assert workdir.load_config(tmp_path).batch_size == 2
  assert not (tmp_path / 'dataset.json').exists()


def test_what_may_change_is_remembered(tmp_path):
  _start(tmp_path, smoke.get_config())
  config = smoke.get_config()
  config.data.data_dir = 'elsewhere'
  _start(tmp_path, config)
  assert workdir.load_config(tmp_path).data.data_dir == 'elsewhere'


_HOLD = """
import pathlib, sys, time
from configs import smoke
from inpaint_jax.runs import workdir

with workdir.locked_workdir(sys.argv[1], smoke.get_config()):
  print('locked', flush=True)
  sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize('is_killed', [False, True])
def test_two_processes_do_not_train_in_one_folder(tmp_path, is_killed):
  """A process that was killed does not block the folder."""
  config = smoke.get_config()
  with subprocess.Popen(
    [sys.executable, '-c', _HOLD, tmp_path],
    cwd=pathlib.Path(__file__).parents[2],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as holder:
    assert holder.stdout.readline() == 'locked\n'
    with pytest.raises(errors.UserError, match='in use by another process'):
      _start(tmp_path, config)
    if is_killed:
      holder.kill()
  _start(tmp_path, config)


def test_a_full_disk_is_one_line():
  with (
    pytest.raises(errors.UserError, match='runs/a is on a full disk'),
    workdir.disk_full_as_user_error('runs/a'),
  ):
    raise OSError(errno.ENOSPC, 'No space left on device')
  with (
    pytest.raises(FileNotFoundError),
    workdir.disk_full_as_user_error('runs/a'),
  ):
    raise FileNotFoundError


def test_fields_that_came_later_have_their_defaults(tmp_path):
  """A run of an earlier version goes on with the configs of this version."""
  config = smoke.get_config()
  _start(tmp_path, config)
  path = tmp_path / 'config.json'
  fields = json.loads(path.read_text())
  del fields['model']['conv'], fields['hole_weight'], fields['profile']
  path.write_text(json.dumps(fields))
  assert workdir.load_config(tmp_path).to_dict() == config.to_dict()
  _start(tmp_path, config)
