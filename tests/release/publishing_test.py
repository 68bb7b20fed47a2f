"""The files of a released model, and which runs are refused."""

import json
import shutil

import jax
import numpy as np
import PIL.Image
import pytest

from inpaint_jax.release import publishing, released_file, zoo
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors
from inpaint_jax.training import train

# These tests need a trained model.
pytestmark = pytest.mark.slow

TEXTS = {'data': 'Drawings, by the *package*.', 'license': 'MIT.'}


def publish(workdir, name, output='', **more):
  publishing.publish(workdir, name, output=output, **TEXTS, **more)


@pytest.fixture
def run(trained, tmp_path):
  """A copy of a run that a test may change."""
  return shutil.copytree(trained, tmp_path / 'a run')


@pytest.fixture(scope='module')
def released(trained, tmp_path_factory):
  """A folder with the released files of a run."""
  folder = tmp_path_factory.mktemp('released') / 'new'
  publish(trained, 'tiny-landscapes', folder, notes='In seconds.')
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
  # No path of the machine.
  assert str(trained.parent) not in card


def test_a_second_model_joins_the_first(released, trained, tmp_path):
  folder = shutil.copytree(released, tmp_path / 'zoo')
  publish(trained, 'a-2', folder)
  assert list(released_file.read_checksums(folder)) == [
    'a-2.safetensors',
    'tiny-landscapes.safetensors',
  ]
  zoo.load(folder / 'tiny-landscapes.safetensors')


def test_a_model_of_the_package_is_used_by_its_name(
  trained, tmp_path, monkeypatch
):
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path)
  publish(trained, 'tiny')
  assert zoo.list_models() == ['tiny']
  card = (tmp_path / 'tiny.md').read_text()
  assert 'inpaint-jax --guide=tiny photo.jpg' in card
  assert "inference.load('tiny')" in card


# What is refused.


def test_a_run_that_was_not_evaluated(run, tmp_path):
  path = run / 'test_metrics.json'
  report = json.loads(path.read_text())
  output = tmp_path / 'out'
  # A report of another checkpoint of the same step; one of an earlier version.
  for other in ({**report, 'checksum': 3}, {'step': report['step']}):
    path.write_text(json.dumps(other))
    with pytest.raises(errors.UserError, match='on another checkpoint'):
      publish(run, 'x', output)
  path.unlink()
  with pytest.raises(
    errors.UserError,
    match=r"run first: inpaint-jax-train --mode=evaluate '--workdir=.*/a run'$",
  ):
    publish(run, 'x', output)
  assert not output.exists()


def test_a_test_of_an_earlier_training_in_the_folder(run, config, tmp_path):
  """The checkpoints were deleted; the new ones have the same step."""
  shutil.rmtree(run / 'checkpoints')
  config.seed = 1  # The seed is an argument: nothing is compiled again.
  train.train(config, run)
  with pytest.raises(errors.UserError, match='on another checkpoint'):
    publish(run, 'x', tmp_path / 'out')


def test_a_run_without_samples(run, tmp_path):
  output = tmp_path / 'out'
  publish(run, 'x', output)
  assert (output / 'x.jpg').exists()
  shutil.rmtree(run / 'samples')
  publish(run, 'x', output)
  assert not (output / 'x.jpg').exists()
  assert 'x.jpg' not in (output / 'x.md').read_text()


def test_a_folder_without_a_run(tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    publish(tmp_path, 'x', tmp_path)


def test_none_is_no_name(trained, tmp_path):
  """--guide=none means no model."""
  with pytest.raises(errors.UserError, match='name=none means no model'):
    publish(trained, 'none', tmp_path)


@pytest.mark.parametrize('name', ['A', 'a/b', '../a', 'a b', 'a-', '', 'a.b'])
def test_a_name_that_cannot_be(trained, tmp_path, name):
  with pytest.raises(errors.UserError, match='small letters and digits'):
    publish(trained, name, tmp_path)


def test_a_folder_that_cannot_be_written(trained, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.UserError, match='cannot be written to'):
    publish(trained, 'x', tmp_path / 'file')


def test_a_large_grid_is_made_small(trained, tmp_path):
  """The grid is of noise, which does not compress."""
  model = trained_model.load_run(trained)
  path = tmp_path / 'samples' / f'epoch_{model.info["epoch"]:03d}.png'
  path.parent.mkdir()
  noise = np.random.RandomState(0).randint(0, 256, (900, 1200, 3), np.uint8)
  PIL.Image.fromarray(noise).save(path)
  data = publishing.grid_as_jpeg(model._replace(workdir=tmp_path))
  assert 50_000 < len(data) <= publishing.MAX_JPEG_BYTES
