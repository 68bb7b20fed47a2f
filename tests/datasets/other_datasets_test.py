"""Any image dataset of tensorflow-datasets."""

import importlib.util
import io

from datasets import samples
import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from inpaint_jax import datasets
from inpaint_jax.system import errors


class OddPictures(tfds.core.GeneratorBasedBuilder):
  """20 pictures to train, 4 to test, of odd sizes; none to validate."""

  VERSION = tfds.core.Version('2.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'label': tfds.features.ClassLabel(num_classes=30),
          'picture': tfds.features.Image(encoding_format='png'),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {
      'train': self._generate_examples(range(20)),
      'test': self._generate_examples(range(20, 24)),
    }

  def _generate_examples(self, indices):
    for i in indices:
      mode, colour = ('L', 9 * i) if i % 2 else ('RGB', (9 * i, 0, 0))
      buffer = io.BytesIO()
      Image.new(mode, (40 + i, 50), colour).save(buffer, 'PNG')
      yield i, {'label': i, 'picture': buffer.getvalue()}


class NoPictures(OddPictures):
  """A dataset without pictures."""

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict({'label': np.int64}),
    )

  def _generate_examples(self, indices):
    yield 0, {'label': 0}


def test_any_image_dataset_by_name(tmp_path):
  config = samples.data_config(tmp_path, dataset='odd_pictures')
  for _ in range(2):  # Built, then reused.
    dataset = datasets.load(config)
    assert dataset.name == 'odd_pictures/2.0.0/by-index'
    assert datasets.dataset_name(config) == dataset.name
    stacked = {name: samples.pictures(dataset, name) for name in dataset.splits}
    reds = {name: set(x[:, 0, 0, 0].tolist()) for name, x in stacked.items()}
    assert {k: len(v) for k, v in reds.items()} == {
      'train': 12,
      'val': 2,
      'test': 4,
    }
    assert not reds['train'] & reds['val']
    assert reds['test'] == {180, 189, 198, 207}
    assert stacked['train'].shape == (12, 32, 32, 3)


def test_numbers_move_no_picture_to_another_split(tmp_path):
  config = samples.data_config(tmp_path, dataset='odd_pictures')
  few = datasets.load(config)
  config.update({'num_train': 800, 'num_val': 1, 'num_test': 200})
  many = datasets.load(config)
  assert [len(s) for s in many.splits.values()] == [18, 1, 4]
  for split in few.splits:
    a, b = (samples.pictures(d, split) for d in (few, many))
    shared = min(len(a), len(b))
    np.testing.assert_array_equal(a[:shared], b[:shared])


def test_a_dataset_without_pictures_is_one_line(tmp_path):
  with pytest.raises(errors.UserError, match='has no images'):
    datasets.load(samples.data_config(tmp_path, dataset='no_pictures'))
  assert not (tmp_path / 'data' / 'no_pictures').exists()


def test_a_dataset_that_fails_is_one_line(tmp_path, monkeypatch):
  def fail(*args):
    del args
    raise ConnectionError('no\nnetwork')

  monkeypatch.setattr(OddPictures, '_split_generators', fail)
  with pytest.raises(errors.UserError, match='no network') as caught:
    datasets.load(samples.data_config(tmp_path, dataset='odd_pictures'))
  assert '\n' not in str(caught.value)


class Arrays(OddPictures):
  """Pictures as arrays, which tensorflow-datasets encodes with TensorFlow."""

  def _generate_examples(self, indices):
    yield 0, {'label': 0, 'picture': np.zeros((40, 50, 3), np.uint8)}


@pytest.mark.skipif(
  importlib.util.find_spec('tensorflow') is not None, reason='has TensorFlow'
)
def test_an_example_does_not_hide_the_reason(tmp_path):
  with pytest.raises(errors.UserError, match="No module named 'tensorflow'"):
    datasets.load(samples.data_config(tmp_path, dataset='arrays'))
