"""The folder of a run."""

import pytest

from configs import smoke
from inpaint_jax import errors, workdir


def test_a_config_survives_the_way_to_the_file_and_back(tmp_path):
  config = smoke.get_config()
  workdir.prepare(tmp_path / 'a' / 'b', config)
  loaded = workdir.load_config(tmp_path / 'a' / 'b')
  assert loaded.to_dict() == config.to_dict()


def test_the_same_config_is_taken_again(tmp_path):
  workdir.prepare(tmp_path, smoke.get_config())
  config = smoke.get_config()
  config.data.data_dir = 'elsewhere'
  config.data.num_threads = 7
  config.data.source = 'moved'
  assert workdir.prepare(tmp_path, config) == tmp_path


def test_another_config_is_refused_and_the_fields_are_named(tmp_path):
  workdir.prepare(tmp_path, smoke.get_config())
  before = (tmp_path / 'config.json').read_text()
  config = smoke.get_config()
  config.optimizer.learning_rate = 0.5
  config.loss = 'l1'
  with pytest.raises(
    errors.UserError,
    match=r'loss \(mse there, l1 here\), '
    r'optimizer.learning_rate \(0.001 there, 0.5 here\)',
  ):
    workdir.prepare(tmp_path, config)
  assert (tmp_path / 'config.json').read_text() == before


def test_a_field_of_another_version_is_a_difference(tmp_path):
  config = smoke.get_config()
  workdir.prepare(tmp_path, config)
  with config.unlocked():
    config.novel = 1
  with pytest.raises(errors.UserError, match=r'novel \(absent there, 1 here\)'):
    workdir.prepare(tmp_path, config)


def test_checkpoints_of_an_unknown_run_are_left_alone(tmp_path):
  (tmp_path / 'checkpoints').mkdir()
  with pytest.raises(errors.UserError, match=r'no config\.json'):
    workdir.prepare(tmp_path, smoke.get_config())


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
    workdir.prepare(tmp_path / 'file', smoke.get_config())
