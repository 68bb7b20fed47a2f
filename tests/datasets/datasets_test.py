"""Naming, building and reopening datasets."""

import dataclasses

from datasets import samples
import numpy as np
from PIL import Image
import pytest

from inpaint_jax import datasets
from inpaint_jax.datasets import landscape, storage, synthetic
from inpaint_jax.photos import reading
from inpaint_jax.system import errors
from inpaint_jax.training import input_pipeline


def test_each_synthetic_split_is_a_series_of_its_own(tmp_path):
  dataset = datasets.load(samples.data_config(tmp_path))
  assert dataset.name == 'synthetic/32px-12-3-5/2.0.0'
  for series, (split, number) in enumerate(
    {'train': 12, 'val': 3, 'test': 5}.items()
  ):
    pictures = samples.pictures(dataset, split)
    assert len(pictures) == number
    for index, picture in enumerate(pictures):
      np.testing.assert_array_equal(
        picture, landscape.render(index, 32, seed=series)
      )


def test_second_load_does_not_build(tmp_path, monkeypatch, capsys):
  config = samples.data_config(tmp_path)
  first = datasets.load(config)
  assert 'Building synthetic/32px' in capsys.readouterr().err
  monkeypatch.setattr(storage, 'build', None)
  second = datasets.load(config)
  np.testing.assert_array_equal(
    samples.pictures(first, 'test'), samples.pictures(second, 'test')
  )
  captured = capsys.readouterr()
  assert captured.out + captured.err == ''


class OneColour(synthetic.Synthetic):
  """Images of the colour that data.source names."""

  @classmethod
  def from_config(cls, config):
    own = super().from_config(config)
    return dataclasses.replace(own, name=f'{own.name}-{config.source}')

  def _generate_examples(self, split, series, number):
    del split, series
    colour = self.builder_config.name.rpartition('-')[2]
    image = reading.encode_png(Image.new('RGB', (32, 32), colour))
    for index in range(number):
      yield index, {'image': image, 'photo': ''}


def test_a_dataset_of_ones_own_under_any_name(tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(datasets.DATASETS, 'plain', OneColour)
  config = samples.data_config(tmp_path, dataset='plain', source='red')
  first = datasets.load(config)
  assert (samples.pictures(first, 'val') == (255, 0, 0)).all()
  assert 'Building' in capsys.readouterr().err
  assert datasets.load(config, name=first.name).name == first.name
  assert capsys.readouterr().err == ''


def test_another_source_of_a_dataset_of_ones_own_is_told(tmp_path, monkeypatch):
  monkeypatch.setitem(datasets.DATASETS, 'plain', OneColour)
  (tmp_path / 'red').mkdir()
  (tmp_path / 'blue').mkdir()
  monkeypatch.chdir(tmp_path)
  config = samples.data_config(tmp_path, dataset='plain', source='red')
  record = tmp_path / 'dataset.json'
  first = input_pipeline.load(config, record)
  config.source = 'blue'
  with pytest.raises(errors.UserError, match="source='blue' holds other photo"):
    input_pipeline.load(config, record)
  config.source = 'gone'
  assert input_pipeline.load(config, record).name == first.name


def test_a_dataset_without_a_split_is_one_line(tmp_path, monkeypatch):
  class OneSplit(OneColour):
    def _split_generators(self, dl_manager):
      return {'train': self._generate_examples('train', 0, 3)}

  monkeypatch.setitem(datasets.DATASETS, 'plain', OneSplit)
  config = samples.data_config(tmp_path, dataset='plain', source='red')
  with pytest.raises(errors.UserError, match='has no split val; let its'):
    datasets.load(config)


def test_known_name_is_opened_without_its_source(tmp_path, source):
  config = samples.crops_config(tmp_path, source)
  name = datasets.load(config).name
  source.rename(tmp_path / 'gone')
  with pytest.raises(errors.UserError, match='does not exist'):
    datasets.load(config)
  assert datasets.load(config, name=name).name == name
  config.image_size = 64
  with pytest.raises(errors.UserError, match='image_size=32'):
    datasets.load(config, name=name)


@pytest.mark.parametrize(
  ('field', 'value', 'text'),
  [
    ('image_size', 48, '32, 64, 128, 256'),
    ('num_val', 0, 'leaves a split empty'),
    ('dataset', 'no_such_set', 'photo_crops, synthetic'),
  ],
)
def test_wrong_fields_are_one_line(tmp_path, field, value, text):
  config = samples.data_config(tmp_path, **{field: value})
  with pytest.raises(errors.UserError, match=f'{field}=.*{text}'):
    datasets.load(config)


def test_a_source_that_would_be_ignored_is_one_line(tmp_path, source):
  config = samples.data_config(tmp_path, source=str(source))
  with pytest.raises(errors.UserError, match=r'add data\.dataset=photo_crops'):
    datasets.load(config)
