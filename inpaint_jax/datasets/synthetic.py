"""Procedural landscapes as a dataset: needs neither a download nor a folder."""

from collections.abc import Iterator
import dataclasses
from typing import Any

import ml_collections
from PIL import Image
import tensorflow_datasets as tfds
from tqdm import tqdm

from inpaint_jax.datasets import landscape, storage
from inpaint_jax.photos import reading


@dataclasses.dataclass(kw_only=True)
class SyntheticConfig(tfds.core.BuilderConfig):
  """Side in pixels, and pictures of each split."""

  image_size: int
  num_train: int
  num_val: int
  num_test: int


class Synthetic(tfds.core.GeneratorBasedBuilder):
  """Landscapes of `landscape.render`; the splits use disjoint index ranges.

  Each example has 'image', uint8 [S, S, 3], and 'photo', the landscape's index.
  """

  VERSION = tfds.core.Version('1.0.0')

  @classmethod
  def from_config(cls, config: ml_collections.ConfigDict) -> SyntheticConfig:
    """Returns what `config.data` asks for."""
    sizes = (config.num_train, config.num_val, config.num_test)
    numbers = '-'.join(map(str, sizes))
    return SyntheticConfig(
      name=f'{config.image_size}px-{numbers}-seed0',
      version=cls.VERSION,
      description='Procedural landscapes.',
      image_size=config.image_size,
      num_train=config.num_train,
      num_val=config.num_val,
      num_test=config.num_test,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(
      self,
      self.builder_config.image_size,
      'Procedural landscapes, drawn by inpaint_jax.',
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    config = self.builder_config
    start, splits = 0, {}
    sizes = (config.num_train, config.num_val, config.num_test)
    bar = tqdm(total=sum(sizes), desc='drawing', unit='', disable=None)
    for name, number in zip(('train', 'val', 'test'), sizes, strict=True):
      splits[name] = self._generate_examples(start, start + number, bar)
      start += number
    return splits

  def _generate_examples(
    self, start: int, stop: int, bar: tqdm
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    config = self.builder_config
    for index in range(start, stop):
      picture = landscape.render(index, config.image_size)
      image = reading.encode_png(Image.fromarray(picture))
      yield index, {'image': image, 'photo': str(index)}
      bar.update()
      if bar.n == bar.total:
        bar.close()
