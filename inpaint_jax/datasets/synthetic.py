"""Procedural landscapes as a dataset, without a download or a folder."""

from collections.abc import Iterator
from typing import Any

import ml_collections
from PIL import Image
import tensorflow_datasets as tfds
from tqdm import tqdm

from inpaint_jax.datasets import landscape, storage
from inpaint_jax.photos import reading


class Synthetic(tfds.core.GeneratorBasedBuilder):
  """Landscapes of `landscape.render`; the splits use disjoint index ranges.

  Each example has 'image', uint8 [S, S, 3], and 'photo', the landscape's index.
  """

  VERSION = tfds.core.Version('1.0.0')

  @classmethod
  def from_config(
    cls, config: ml_collections.ConfigDict
  ) -> storage.ImagesConfig:
    """Returns the builder's config for `config.data`."""
    sizes = storage.split_sizes(config)
    numbers = '-'.join(map(str, sizes.values()))
    return storage.ImagesConfig(
      name=f'{config.image_size}px-{numbers}-seed0',
      version=cls.VERSION,
      description='Procedural landscapes.',
      image_size=config.image_size,
      sizes=sizes,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(
      self, 'Procedural landscapes, drawn by inpaint_jax.'
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    start, splits = 0, {}
    for name, number in self.builder_config.sizes.items():
      splits[name] = self._generate_examples(name, start, start + number)
      start += number
    return splits

  def _generate_examples(
    self, split: str, start: int, stop: int
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for index in tqdm(range(start, stop), f'drawing {split}', disable=None):
      pixels = landscape.render(index, self.builder_config.image_size)
      image = reading.encode_png(Image.fromarray(pixels))
      yield index, {'image': image, 'photo': str(index)}
