"""What the tests of the command that fills photos share."""

import numpy as np
import pytest
from random_models import create_model

from inpaint_jax import inference
from inpaint_jax.release import released_file
from tests.commands.filling import call, hole_of, NAMES, noise, png, StandIn


@pytest.fixture
def model(monkeypatch):
  """Stands in for a model, which would take seconds."""
  model = StandIn()
  monkeypatch.setattr(inference, 'load', model.load)
  return model


@pytest.fixture
def run(model):
  """Calls the command in this process, with a model that paints grey."""
  return call


@pytest.fixture(scope='session')
def released(tmp_path_factory):
  """The path of a released model, with random weights."""
  path = tmp_path_factory.mktemp('released') / 'x.safetensors'
  released_file.write(path, create_model(), {'name': 'x'})
  return path


@pytest.fixture
def files(tmp_path):
  """A photo, its mask, and a name for the result, in a folder of its own."""
  folder = tmp_path / 'my photos \xe9'
  folder.mkdir()
  png(noise()).save(folder / 'photo.png')
  png(np.uint8(hole_of()) * 255).save(folder / 'mask.png')
  return folder / 'photo.png', folder / 'mask.png', folder / 'out.png'


@pytest.fixture
def folders(tmp_path):
  """Photos, masks, and a name for the results."""
  photos, masks = tmp_path / 'photos', tmp_path / 'masks'
  photos.mkdir()
  masks.mkdir()
  for name in NAMES:
    png(noise()).save(photos / name)
  for name in ('a.png', 'b \xe9.jpg', 'c.png', 'other.png'):
    png(np.uint8(hole_of()) * 255).save(masks / name)
  (photos / 'notes.txt').write_text('hello')
  (photos / '.hidden.jpg').write_text('hello')
  (photos / 'deeper.jpg').mkdir()
  return photos, masks, tmp_path / 'new' / 'results'
