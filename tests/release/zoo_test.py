"""zoo.py: models by name, path and address; those of the package."""

import jax
import numpy as np
import PIL.Image
import pytest
from random_models import create_model

from inpaint_jax.release import downloads, released_file, zoo
from inpaint_jax.system import errors

NAME = 'tiny-landscapes'


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture
def packaged(model, tmp_path, monkeypatch):
  """Replaces the package's folder by one with a single released file."""
  released_file.write(tmp_path / f'{NAME}.safetensors', model, {'name': NAME})
  released_file.write_checksums(tmp_path)
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path)
  return tmp_path


def _assert_is(found, model):
  """Asserts that a released model is equal up to half precision."""
  assert (found.step, found.info, found.workdir) == (1, {}, None)
  assert found.model.clone(conv='xla') == model.model
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7),
    found.variables,
    model.variables,
  )


# The models that come with the package.


def test_the_models_that_readme_names_come_along():
  assert zoo.list_models() == [
    'attention-unet-landscapes',
    'encoder-decoder-landscapes',
    'gan-landscapes',
    'unet-landscapes',
  ]


@pytest.mark.parametrize('name', zoo.list_models())
def test_a_model_of_the_package_is_whole_and_has_its_card(name):
  model = zoo.load(name)
  assert model.workdir is None
  card = (zoo.FOLDER / f'{name}.md').read_text()
  assert released_file.read_checksums(zoo.FOLDER)[f'{name}.safetensors'] in card
  grid = zoo.FOLDER / f'{name}.jpg'
  assert grid.stat().st_size <= 200_000
  with PIL.Image.open(grid) as image:
    image.load()


def test_the_models_of_the_package_are_small():
  files = [path for path in zoo.FOLDER.iterdir() if path.is_file()]
  assert sum(path.stat().st_size for path in files) < 19_000_000
  stems = {path.stem for path in files if path.name != released_file.CHECKSUMS}
  assert stems == set(zoo.list_models())


# Sources.


def test_a_name_or_a_path(packaged, model):
  assert zoo.list_models() == [NAME]
  path = packaged / f'{NAME}.safetensors'
  for source in (NAME, path, str(path), path.as_uri()):
    _assert_is(zoo.load(source), model)


def test_an_address(packaged, model, monkeypatch):
  path = packaged / f'{NAME}.safetensors'

  def fetch(address, check):
    check(path)
    return path

  monkeypatch.setattr(downloads, 'fetch', fetch)
  _assert_is(zoo.load('https://a.example/x'), model)
  path.write_text('not found')
  with pytest.raises(errors.UserError, match=r'a\.example/x is damaged'):
    zoo.load('https://a.example/x')


@pytest.mark.slow
def test_a_workdir(trained):
  found = zoo.load(trained)
  assert found.workdir == trained
  assert found.step > 0


def test_variables_go_where_they_are_told(packaged):
  mesh = jax.make_mesh((1,), ('batch',))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  found = zoo.load(NAME, sharding)
  assert {x.sharding for x in jax.tree.leaves(found.variables)} == {sharding}


@pytest.mark.parametrize('source', ['nothing', 'a/nothing', ''])
def test_an_unknown_name_lists_the_choices(packaged, source):
  with pytest.raises(errors.UserError, match=f'no such folder.*{NAME}') as e:
    zoo.load(source)
  assert '\n' not in str(e.value)


def test_a_folder_without_a_run(packaged, tmp_path):
  with pytest.raises(errors.UserError, match=f'holds no run.*{NAME}'):
    zoo.load(tmp_path)


def test_a_file_that_is_no_model(packaged, tmp_path):
  path = tmp_path / 'a.png'
  path.write_bytes(b'hello')
  message = f'is a file of a type that is no model; .*{NAME}.*safetensors file'
  with pytest.raises(errors.UserError, match=message):
    zoo.load(path)


def test_a_missing_file(tmp_path):
  with pytest.raises(errors.UserError, match='does not exist'):
    zoo.load(tmp_path / 'x.safetensors')
