"""Square crops of a folder of photos."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import hashlib
import itertools
import os
import sys
from typing import Any
import warnings

import grain
import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from inpaint_jax.datasets import (
  crops,
  file_digests,
  near_duplicates,
  photo_folder,
  photo_report,
  photo_splits,
  storage,
)
from inpaint_jax.photos import reading
from inpaint_jax.system import errors, machine

# With this many photos the smallest split, a tenth of them, is empty in 1.5 of
# 100 folders.
_ENOUGH = 40


@dataclasses.dataclass(frozen=True)
class Photo:
  """One readable photo.

  Attributes:
    path: path relative to the folder.
    height, width: size in pixels, of the upright photo.
    digest: SHA-256 of the file; photos of a split are sorted by it.
    split: see `photo_splits`.
    hash: uint64 [4], see `near_duplicates.perceptual_hash`.
  """

  path: str
  height: int
  width: int
  digest: str
  split: str
  hash: np.ndarray


@dataclasses.dataclass(kw_only=True)
class PhotoCropsConfig(storage.ImagesConfig):
  """Side in pixels, crops of each split, the folder and its digests.

  Attributes:
    split: what decides on a photo's split, a name in photo_splits.RULES.
  """

  split: str
  # tensorflow-datasets logs configs: leave out thousands of paths.
  listing: photo_folder.Listing = dataclasses.field(repr=False)
  digests: list[str] = dataclasses.field(repr=False)


class PhotoCrops(tfds.core.GeneratorBasedBuilder):
  """Crops of a folder of photos: uint8 [S, S, 3] as 'image', path as 'photo'.

  report.json next to the records says what was found, skipped and used.
  """

  VERSION = tfds.core.Version('2.0.0')

  @classmethod
  def from_config(cls, config: ml_collections.ConfigDict) -> PhotoCropsConfig:
    """Returns the builder's config for `config.data`.

    Its name contains a fingerprint of the photos' content: other photos make
    another dataset, while the same photos, moved or renamed, make the same.

    Raises:
      errors.UserError: `config.source` is no folder, or holds no photo.
    """
    data_dir = storage.data_dir(config.data_dir)
    listing = photo_folder.list_photos(config.source, data_dir)
    if config.split == 'folders':
      listing = _only_in_splits(listing)
    root = hashlib.sha256(os.fsencode(os.path.abspath(listing.root)))
    memory = data_dir / '.digests' / f'{root.hexdigest()[:12]}.json'
    digests = file_digests.read(listing.root, listing.paths, memory)
    content = set(digests)
    if config.split == 'folders':
      # The same photos in other folders make another dataset.
      splits = map(photo_splits.by_folder, listing.paths)
      pairs = zip(splits, digests, strict=True)
      content = {f'{split}:{digest}' for split, digest in pairs}
    text = ' '.join(sorted(content))
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:12]
    sizes = storage.split_sizes(config)
    numbers = '-'.join(map(str, sizes.values()))
    return PhotoCropsConfig(
      name=f'{config.image_size}px-{numbers}-{fingerprint}',
      version=cls.VERSION,
      description='Crops of a folder of photos, cut by inpaint_jax.',
      image_size=config.image_size,
      sizes=sizes,
      split=config.split,
      listing=listing,
      digests=digests,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return storage.dataset_info(self)

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager
    config = self.builder_config
    listing, wanted, side = config.listing, config.sizes, config.image_size
    found, unreadable = _inspect_all(listing, config.digests, config.split)
    kept, dropped = _drop_near_duplicates(found, config.split)
    members = {name: [p for p in kept if p.split == name] for name in wanted}
    if not all(members[name] for name, number in wanted.items() if number):
      is_test = not wanted['train']
      needing = 'the test' if is_test else 'each split'
      numbers = ', '.join(f'{n}: {len(x)}' for n, x in members.items())
      raise errors.UserError(
        f'data.source={listing.root} has too few photos: {len(kept)} distinct '
        f'ones ({len(unreadable)} unreadable, {len(dropped)} near-duplicates), '
        f'which give {numbers}, and {needing} needs one; '
        + _advise('test' if is_test else config.split, len(kept))
      )
    # A photo too small for crops gives one image.
    counts = {
      name: [len(crops.crop_corners(p.height, p.width, side)) or 1 for p in x]
      for name, x in members.items()
    }
    used = {
      name: list(itertools.islice(crops.in_order(counts[name]), wanted[name]))
      for name in wanted
    }
    report = photo_report.Report(
      photos_found=len(listing.paths),
      other_files=listing.other_files,
      unreadable=[(_text(path), reason) for path, reason in unreadable],
      near_duplicates=[(_text(path), _text(copy)) for path, copy in dropped],
      distinct=len(kept),
      photos={name: len({photo for photo, _ in x}) for name, x in used.items()},
      crops={name: len(x) for name, x in used.items()},
      wanted=wanted,
      available=sum(map(sum, counts.values())),
    )
    # During the build, data_path is a temporary folder: the report is there if
    # and only if the dataset is.
    report.write(self.data_path / 'report.json')
    # `storage.build` hides standard output.
    print(report.summary(), file=sys.stderr)
    return {
      name: self._generate_examples(
        name, [(members[name][i], crop) for i, crop in x]
      )
      for name, x in used.items()
      if x
    }

  def _generate_examples(
    self, split: str, used: Sequence[tuple[Photo, int]]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    root = self.builder_config.listing.root
    side = self.builder_config.image_size
    # For each photo, the positions of its crops in the split.
    wanted: dict[str, list[int]] = {}
    for number, (photo, _) in enumerate(used):
      wanted.setdefault(photo.path, []).append(number)

    def encode(item: tuple[str, list[int]]) -> list[bytes]:
      path, numbers = item
      try:
        image = reading.read(os.path.join(root, path))
      except reading.UnreadableError as error:
        raise errors.UserError(
          f'{path} changed while the dataset was built ({error}); start again'
        ) from error
      cut = crops.cut_crops(image, [used[n][1] for n in numbers], side)
      return [reading.encode_png(crop) for crop in cut]

    results = _map_in_threads(
      encode, list(wanted.items()), f'cutting crops to {split}'
    )
    for numbers, images in zip(wanted.values(), results, strict=True):
      # tensorflow-datasets sorts the crops by number.
      for number, image in zip(numbers, images, strict=True):
        yield number, {'image': image, 'photo': _text(used[number][0].path)}


def _only_in_splits(listing: photo_folder.Listing) -> photo_folder.Listing:
  """Returns the photos of a folder that are below train, val or test."""
  paths = [x for x in listing.paths if photo_splits.by_folder(x)]
  outside = len(listing.paths) - len(paths)
  other = listing.other_files
  if outside:
    other = {**other, 'photos in none of train, val and test': outside}
  return dataclasses.replace(listing, paths=paths, other_files=other)


def _advise(rule: str, count: int) -> str:
  """Returns what to do if a split has no photo and all together `count`.

  Args:
    rule: how photos are split; or 'test' if only that split is wanted.
    count: number of photos.
  """
  if rule == 'test':
    return (
      'to test on all of them, put them into a folder test in data.source and '
      'set data.split=folders'
    )
  if rule == 'folders':
    return (
      'with data.split=folders, a photo is in the split that its first folder '
      'names: put photos into the folders train, val and test, or leave '
      'data.split out'
    )
  shares = ', '.join(f'{x} %' for x in photo_splits.SHARES.values())
  return (
    f'the content of a photo decides its split ({shares}), so that no photo is '
    f'both trained on and tested: add about {max(_ENOUGH - count, 10)} photos'
  )


def _inspect_all(
  listing: photo_folder.Listing, digests: list[str], rule: str
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Returns the readable photos, and (path, reason) of the others."""

  def inspect(item: tuple[str, str]) -> Photo | str:
    path, digest = item
    file_path = os.path.join(listing.root, path)
    try:
      height, width = reading.size(file_path)
      # Twice the side of the hashed image is enough, and far faster for JPEG.
      small = reading.read(file_path, at_least=128)
    except (reading.UnreadableError, OSError) as error:
      return str(error)
    if rule == 'folders':
      split = photo_splits.by_folder(path)
    else:
      split = photo_splits.by_content(small)
    bits = near_duplicates.perceptual_hash(small)
    return Photo(path, height, width, digest, split, bits)

  found, unreadable = [], list(listing.unreadable)
  items = list(zip(listing.paths, digests, strict=True))
  results = _map_in_threads(inspect, items, 'reading photos')
  for path, result in zip(listing.paths, results, strict=True):
    if isinstance(result, Photo):
      found.append(result)
    else:
      unreadable.append((path, result))
  return found, unreadable


def _drop_near_duplicates(
  found: list[Photo], rule: str
) -> tuple[list[Photo], list[tuple[str, str]]]:
  """Keeps the largest of each group of near-duplicates.

  If folders name the splits, those of test and then of validation come first:
  what is tested must not depend on what is trained on.

  Returns:
    The kept photos, in the order of their digests, which does not depend on
    paths; and (path, kept path) of those dropped.
  """
  if not found:
    return [], []
  groups = near_duplicates.find_groups(np.stack([p.hash for p in found]))
  largest_first = sorted(
    zip(groups, found, strict=True),
    key=lambda x: (
      rule == 'folders' and -list(photo_splits.SHARES).index(x[1].split),
      -x[1].height * x[1].width,
      x[1].digest,
      x[1].path,
    ),
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
  """Yields `function(item)` in order, with a progress bar.

  It works a few items ahead: all results at once could exceed the memory.
  Threads are enough, since Pillow works without Python's global lock.
  """
  workers = machine.num_cores()
  options = grain.ReadOptions(workers, prefetch_buffer_size=8 * workers)
  dataset = grain.MapDataset.source(items).map(function)
  # Closed after an error, too: it would go on with the items ahead.
  ahead = contextlib.closing(iter(dataset.to_iter_dataset(options)))
  # Pillow warns about odd files.
  with ahead as results, warnings.catch_warnings(action='ignore'):
    yield from tqdm(results, label, len(items), unit='', disable=None)


def _text(path: str) -> str:
  """Returns a path that can be written as UTF-8, whatever its bytes."""
  return os.fsencode(path).decode('utf-8', 'replace')
