"""Square crops of a folder of photos, split by photo."""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import dataclasses
import hashlib
import os
import sys
from typing import Any

import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from inpaint_jax.datasets import (
  crops,
  near_duplicates,
  photo_folder,
  photo_report,
  storage,
)
from inpaint_jax.photos import reading
from inpaint_jax.system import errors, machine


@dataclasses.dataclass(frozen=True)
class Photo:
  """One readable photo.

  Attributes:
    path: relative to the folder.
    height, width: upright, in pixels.
    digest: SHA-256 of the file, which orders the photos.
    hash: uint64 [4], see `near_duplicates.perceptual_hash`.
  """

  path: str
  height: int
  width: int
  digest: str
  hash: np.ndarray


@dataclasses.dataclass(kw_only=True)
class PhotoCropsConfig(storage.ImagesConfig):
  """Side in pixels, crops of each split, and the folder."""

  listing: photo_folder.Listing


class PhotoCrops(tfds.core.GeneratorBasedBuilder):
  """Crops of a folder of photos: uint8 [S, S, 3] as 'image', path as 'photo'.

  report.json beside the records says what was found, skipped and used.
  """

  VERSION = tfds.core.Version('1.0.0')

  @classmethod
  def from_config(cls, config: ml_collections.ConfigDict) -> PhotoCropsConfig:
    """Returns the builder's config for `config.data`.

    Its name holds a fingerprint of the folder's listing: a changed folder is
    another dataset, a moved one is the same.

    Raises:
      errors.UserError: no folder, or no photo in it.
    """
    listing = photo_folder.list_photos(config.source)
    sizes = storage.split_sizes(config)
    numbers = '-'.join(map(str, sizes.values()))
    return PhotoCropsConfig(
      name=f'{config.image_size}px-{numbers}-{listing.fingerprint()}',
      version=cls.VERSION,
      description='Crops of a folder of photos.',
      image_size=config.image_size,
      sizes=sizes,
      listing=listing,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(
      self, 'Crops of a folder of photos, cut by inpaint_jax.'
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    listing, wanted = self.builder_config.listing, self.builder_config.sizes
    found, unreadable = _inspect_all(listing)
    kept, dropped = _drop_near_duplicates(found)
    counts = [len(crops.crop_corners(p.height, p.width)) or 1 for p in kept]
    splits = crops.assign_to_splits(counts, wanted)
    if not all(splits.values()):
      raise errors.UserError(
        f'data.source={listing.root} gives {len(kept)} distinct photos '
        f'({len(unreadable)} unreadable, {len(dropped)} near-duplicates), and '
        f'each of {len(wanted)} splits needs one of its own; set data.source '
        'to a folder with more'
      )
    report = photo_report.Report(
      photos_found=len(listing.paths),
      other_files=listing.other_files,
      unreadable=[(_text(path), reason) for path, reason in unreadable],
      near_duplicates=[(_text(path), _text(copy)) for path, copy in dropped],
      distinct=len(kept),
      photos={name: len(used) for name, used in splits.items()},
      crops={
        name: sum(len(indices) for _, indices in used)
        for name, used in splits.items()
      },
      wanted=wanted,
      available=sum(counts),
    )
    # During the build, data_path is a temporary folder: the report is there if
    # and only if the dataset is.
    report.write(self.data_path / 'report.json')
    # `storage.build` hides standard output.
    print(report.summary(), file=sys.stderr)
    return {
      name: self._generate_examples(
        name, [(kept[i], indices) for i, indices in used]
      )
      for name, used in splits.items()
    }

  def _generate_examples(
    self, split: str, used: Sequence[tuple[Photo, list[int]]]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    root = self.builder_config.listing.root
    side = self.builder_config.image_size

    def encode(item: tuple[Photo, list[int]]) -> list[bytes]:
      photo, indices = item
      try:
        image = reading.read(os.path.join(root, photo.path))
      except reading.UnreadableError as error:
        raise errors.UserError(
          f'{photo.path} changed while the dataset was built ({error}); start '
          'again'
        ) from error
      cut = crops.cut_crops(image, indices, side)
      return [reading.encode_png(crop) for crop in cut]

    results = _map_in_threads(encode, used, f'cutting crops to {split}')
    for (photo, indices), images in zip(used, results, strict=True):
      for index, image in zip(indices, images, strict=True):
        example = {'image': image, 'photo': _text(photo.path)}
        yield f'{photo.digest}/{index}', example


def _inspect_all(
  listing: photo_folder.Listing,
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Returns the readable photos, and (path, reason) of the others."""

  def inspect(path: str) -> Photo | str:
    try:
      return _inspect(listing.root, path)
    except (reading.UnreadableError, OSError) as error:
      return str(error)

  found, unreadable = [], list(listing.unreadable)
  results = _map_in_threads(inspect, listing.paths, 'reading photos')
  for path, result in zip(listing.paths, results, strict=True):
    if isinstance(result, Photo):
      found.append(result)
    else:
      unreadable.append((path, result))
  return found, unreadable


def _inspect(root: str, path: str) -> Photo:
  file_path = os.path.join(root, path)
  height, width = reading.size(file_path)
  # Twice the side of the hash's pixels is enough, and far faster for JPEG.
  bits = near_duplicates.perceptual_hash(reading.read(file_path, at_least=128))
  with open(file_path, 'rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return Photo(path, height, width, digest, bits)


def _drop_near_duplicates(
  found: list[Photo],
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Keeps the largest of each group of near-duplicates.

  Returns:
    The kept photos, in the order of their digests, which does not depend on
    paths; and (path, kept path) of those dropped.
  """
  if not found:
    return [], []
  groups = near_duplicates.find_groups(np.stack([p.hash for p in found]))
  largest_first = sorted(
    zip(groups, found, strict=True),
    key=lambda x: (-x[1].height * x[1].width, x[1].digest, x[1].path),
  )
  kept: dict[int, Photo] = {}
  dropped = []
  for group, photo in largest_first:
    best = kept.setdefault(group, photo)
    if best is not photo:
      dropped.append((photo.path, best.path))
  return sorted(kept.values(), key=lambda photo: photo.digest), sorted(dropped)


def _map_in_threads(
  function: Callable[[Any], Any], items: Sequence[Any], label: str
) -> Iterator[Any]:
  """Maps in order, a few items ahead, with a progress bar.

  Threads are enough: Pillow decodes and encodes without Python's lock.
  """
  workers = machine.num_cores()
  with (
    reading.quiet(),
    tqdm(total=len(items), desc=label, unit='', disable=None) as bar,
    futures.ThreadPoolExecutor(workers) as pool,
  ):
    # In parts: all results at once could exceed the memory.
    for start in range(0, len(items), 8 * workers):
      for result in pool.map(function, items[start : start + 8 * workers]):
        yield result
        bar.update()


def _text(path: str) -> str:
  """Returns a path that can be written as UTF-8, whatever its bytes."""
  return os.fsencode(path).decode('utf-8', 'replace')
