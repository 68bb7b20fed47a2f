"""Tiny datasets for the tests."""

import pathlib

import ml_collections
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from inpaint_jax import datasets
from inpaint_jax.datasets import landscape


def data_config(tmp_path, **changes) -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict(
    {
      'dataset': 'synthetic',
      'source': '',
      'split': 'content',
      'data_dir': str(tmp_path / 'data'),
      'image_size': 32,
      'num_train': 12,
      'num_val': 3,
      'num_test': 5,
    }
  )
  config.update(changes)
  return config


def save_scene(path: pathlib.Path, index: int, width: int, height: int):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.fromarray(landscape.render(index, 64))
  picture.resize((width, height)).save(path)


def crops_config(tmp_path, source, **changes) -> ml_collections.ConfigDict:
  return data_config(
    tmp_path, dataset='photo_crops', source=str(source), **changes
  )


def pictures(dataset: datasets.Dataset, split: str) -> np.ndarray:
  source = dataset.splits[split]
  return np.stack([source[i]['image'] for i in range(len(source))])


def photos_of(dataset: datasets.Dataset, split: str) -> list[str]:
  builder = tfds.builder_from_directory(dataset.path)
  return [x['photo'].decode() for x in builder.as_data_source(split)]
