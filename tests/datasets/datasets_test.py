"""Naming, building and reopening datasets."""

from datasets import samples
import numpy as np
import pytest

from inpaint_jax import datasets
from inpaint_jax.datasets import landscape, storage
from inpaint_jax.system import errors


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
