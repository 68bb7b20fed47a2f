"""Square crops of a folder of photos, split by photo."""

import collections
from collections.abc import Callable, Iterable, Iterator
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
from inpaint_jax.system import errors


@dataclasses.dataclass(frozen=True)
class Photo:
  """One readable photo.

  Attributes:
    path: relative to the folder.
    height, width: upright, in pixels.
    digest: SHA-256 of the file, which ranks the photos.
    hash: uint64 [4], see `near_duplicates.perceptual_hash`.
  """

  path: str
  height: int
  width: int
  digest: str
  hash: np.ndarray


@dataclasses.dataclass(kw_only=True)
class PhotoCropsConfig(tfds.core.BuilderConfig):
  """The folder, side in pixels, and crops of each split."""

  listing: photo_folder.Listing
  image_size: int
  num_train: int
  num_val: int
  num_test: int


class PhotoCrops(tfds.core.GeneratorBasedBuilder):
  """Crops of a folder of photos: uint8 [S, S, 3] as 'image', path as 'photo'.

  A report of what was found, skipped and used lies beside the records, as
  report.json.
  """

  VERSION = tfds.core.Version('1.0.0')

  @classmethod
  def from_config(cls, config: ml_collections.ConfigDict) -> PhotoCropsConfig:
    """Returns what `config.data` asks for.

    Its name holds a fingerprint of the folder's listing: a changed folder is
    another dataset, a moved one is the same.

    Raises:
      errors.UserError: no folder, or no photo in it.
    """
    listing = photo_folder.find(config.source)
    numbers = f'{config.num_train}-{config.num_val}-{config.num_test}'
    return PhotoCropsConfig(
      name=f'{config.image_size}px-{numbers}-{listing.fingerprint()}',
      version=cls.VERSION,
      description='Crops of a folder of photos.',
      listing=listing,
      image_size=config.image_size,
      num_train=config.num_train,
      num_val=config.num_val,
      num_test=config.num_test,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(
      self,
      self.builder_config.image_size,
      'Crops of a folder of photos, cut by inpaint_jax.',
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    config = self.builder_config
    listing = config.listing
    wanted = {
      'train': config.num_train,
      'val': config.num_val,
      'test': config.num_test,
    }
    found, unreadable = _inspect_all(listing)
    kept, dropped = _drop_near_duplicates(found)
    counts = [len(crops.crop_corners(p.height, p.width)) or 1 for p in kept]
    splits = crops.assign(counts, wanted)
    if not all(splits.values()):
      flag = photo_folder.FIELD
      raise errors.UserError(
        f'{flag}={listing.root} gives {len(kept)} distinct photos '
        f'({len(unreadable)} unreadable, {len(dropped)} near-duplicates), and '
        f'each of {len(wanted)} splits needs one of its own; set {flag} to a '
        'folder with more'
      )
    report = photo_report.Report(
      photos_found=len(listing.paths),
      other_files=listing.other_files,
      unreadable=[(_text(p), why) for p, why in unreadable],
      near_duplicates=[(_text(p), _text(k)) for p, k in dropped],
      distinct=len(kept),
      photos={name: len(used) for name, used in splits.items()},
      crops={
        name: sum(len(indices) for _, indices in used)
        for name, used in splits.items()
      },
      wanted=wanted,
      available=sum(counts),
    )
    # While it is built, data_path is a folder that is renamed at the end: the
    # report is there if and only if the dataset is.
    report.write(self.data_path / 'report.json')
    # Standard output is kept from tensorflow-datasets during a build.
    print(report.summary(), file=sys.stderr)
    total = sum(report.photos.values())
    bar = tqdm(total=total, desc='cutting crops', unit='', disable=None)
    return {
      name: self._generate_examples(
        [(kept[i], indices) for i, indices in used], bar
      )
      for name, used in splits.items()
    }

  def _generate_examples(
    self, used: list[tuple[Photo, list[int]]], bar: tqdm
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
      return [reading.encode_png(c) for c in crops.cut(image, indices, side)]

    with reading.quiet():
      encoded = _parallel_map(encode, used)
      for (photo, indices), images in zip(used, encoded, strict=True):
        for index, image in zip(indices, images, strict=True):
          example = {'image': image, 'photo': _text(photo.path)}
          yield f'{photo.digest}/{index}', example
        bar.update()
    if bar.n == bar.total:
      bar.close()


def _inspect(path: str) -> tuple[int, int, str, np.ndarray]:
  height, width = reading.size(path)
  # Twice the side of the hash's pixels is enough, and far faster for JPEG.
  bits = near_duplicates.perceptual_hash(reading.read(path, at_least=128))
  with open(path, 'rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return height, width, digest, bits


def _inspect_all(
  listing: photo_folder.Listing,
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Returns the readable photos, and (path, reason) of the others."""

  def inspect(path: str) -> Photo | str:
    try:
      return Photo(path, *_inspect(os.path.join(listing.root, path)))
    except (reading.UnreadableError, OSError) as error:
      return str(error)

  found, unreadable = [], list(listing.unreadable)
  with reading.quiet():
    results = tqdm(
      _parallel_map(inspect, listing.paths),
      total=len(listing.paths),
      desc='reading photos',
      unit='',
      disable=None,
    )
    for path, result in zip(listing.paths, results, strict=True):
      if isinstance(result, Photo):
        found.append(result)
      else:
        unreadable.append((path, result))
  return found, unreadable


def _drop_near_duplicates(
  found: list[Photo],
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Keeps the largest of each group of near-duplicates.

  Returns:
    The photos kept, in the order of their digests, which no path changes; and
    (path, kept path) of those dropped.
  """
  if not found:
    return [], []
  groups = near_duplicates.groups(np.stack([photo.hash for photo in found]))
  order = sorted(
    range(len(found)),
    key=lambda i: (
      -found[i].height * found[i].width,
      found[i].digest,
      found[i].path,
    ),
  )
  kept: dict[int, Photo] = {}
  dropped = []
  for i in order:
    best = kept.setdefault(groups[i], found[i])
    if best is not found[i]:
      dropped.append((found[i].path, best.path))
  return sorted(kept.values(), key=lambda photo: photo.digest), sorted(dropped)


def _parallel_map(
  function: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
  """Maps in threads and in order, a few items ahead of the consumer.

  Threads are enough: Pillow decodes and encodes without Python's lock.
  """
  workers = os.cpu_count() or 1
  pending: collections.deque[futures.Future] = collections.deque()
  with futures.ThreadPoolExecutor(workers) as pool:
    try:
      for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > 2 * workers:
          yield pending.popleft().result()
      while pending:
        yield pending.popleft().result()
    finally:
      for future in pending:
        future.cancel()


def _text(path: str) -> str:
  """Returns a path that can be written as UTF-8, whatever its bytes."""
  return os.fsencode(path).decode('utf-8', 'replace')
