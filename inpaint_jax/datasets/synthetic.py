"""Procedural landscapes as a dataset, which needs no download and no photos."""

from collections.abc import Iterator
from typing import Any

import ml_collections
from PIL import Image
import tensorflow_datasets as tfds
from tqdm import tqdm

from inpaint_jax.datasets import landscape, storage
from inpaint_jax.photos import reading


class Synthetic(tfds.core.GeneratorBasedBuilder):
  """Landscapes of `landscape.render`; each split is a series of its own.

  Each example has 'image', uint8 [S, S, 3], and 'photo', series/index.
  """

  VERSION = tfds.core.Version('2.0.0')

  @classmethod
  def from_config(
    cls, config: ml_collections.ConfigDict
  ) -> storage.ImagesConfig:
    """Returns the builder's config for `config.data`."""
    sizes = storage.split_sizes(config)
    numbers = '-'.join(map(str, sizes.values()))
    return storage.ImagesConfig(
      name=f'{config.image_size}px-{numbers}',
      version=cls.VERSION,
      description='Procedural landscapes, drawn by inpaint_jax.',
      image_size=config.image_size,
      sizes=sizes,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(self)

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    return {
      name: self._generate_examples(name, series, number)
      for series, (name, number) in enumerate(self.builder_config.sizes.items())
    }

  def _generate_examples(
    self, split: str, series: int, number: int
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    side = self.builder_config.image_size
    for index in tqdm(range(number), f'drawing {split}', disable=None):
      pixels = landscape.render(index, side, series)
      image = reading.encode_png(Image.fromarray(pixels))
      yield index, {'image': image, 'photo': f'{series}/{index}'}
