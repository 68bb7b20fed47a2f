"""Training batches on the devices, and where images are kept between epochs.

`cache_splits` decides where, by the field data.cache. Batch s is bit for bit
the same in every case: if images stay on the devices, the host still draws
their flips and rotations, and the devices apply them.
"""

from collections.abc import Iterator, Mapping
from concurrent import futures
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from inpaint_jax.system import errors, sharding
from inpaint_jax.training import input_pipeline

# Values of data.cache: where the training images are kept; with `auto`, the
# first of the others that has room. With `none`, each epoch reads them again.
CACHES = ('auto', 'device', 'host', 'none')
# What `auto` may use: bytes of the host's memory, and a share of a device's
# memory (the model needs the rest).
_HOST_BYTES = 2**30
_DEVICE_SHARE = 0.25


def cache_splits(
  splits: Mapping[str, input_pipeline.Source],
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> dict[str, input_pipeline.Source]:
  """Returns the splits, with the caches that the config asks for.

  The test split stays as it is, since it is read once. The validation split is
  never kept on the devices.

  Raises:
    errors.UserError: data.cache=device, and the images do not fit.
  """
  train, val = splits['train'], splits['val']
  image_bytes = config.image_size**2 * 3
  val_bytes = len(val) * image_bytes
  place = _choose_cache(config.cache, len(train) * image_bytes, val_bytes, mesh)
  if place == 'none':
    return dict(splits)
  if place == 'device':
    train = DeviceCache(train, config, mesh)
  else:
    train = HostCache(train)
  if config.cache != 'auto' or val_bytes <= _HOST_BYTES:
    val = HostCache(val)
  return {**splits, 'train': train, 'val': val}


def _choose_cache(
  wanted: str, train_bytes: int, val_bytes: int, mesh: jax.sharding.Mesh
) -> str:
  """Returns 'device', 'host' or 'none', where to cache images."""
  # A CPU device reports no memory, since it uses the host's.
  stats = mesh.local_devices[0].memory_stats() or {}
  memory = stats.get('bytes_limit', 0)
  if wanted == 'device' and 0 < memory < train_bytes:
    raise errors.UserError(
      f'data.cache=device wants {train_bytes / 1e9:.1f} GB of a device '
      f'that has {memory / 1e9:.1f}; choose host or none'
    )
  if wanted != 'auto':
    return wanted
  # All processes must upload or none, but their devices may differ in memory.
  if train_bytes <= _DEVICE_SHARE * memory and jax.process_count() == 1:
    return 'device'
  return 'host' if train_bytes + val_bytes <= _HOST_BYTES else 'none'


class HostCache:
  """A source that reads each image once, when it is first asked for."""

  def __init__(self, source: input_pipeline.Source):
    self._source = source
    self._read = functools.cache(lambda index: source[index]['image'])

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    return {'image': self._read(index)}


class DeviceCache:
  """A source whose images are on each device; its examples have no image."""

  def __init__(
    self,
    source: input_pipeline.Source,
    config: ml_collections.ConfigDict,
    mesh: jax.sharding.Mesh,
  ):
    """Reads a split and copies it to all devices."""
    shape = (len(source), config.image_size, config.image_size, 3)
    images = np.empty(shape, np.uint8)

    def read(index: int) -> None:
      images[index] = source[index]['image']

    with futures.ThreadPoolExecutor(max(1, config.num_threads)) as pool:
      list(pool.map(read, range(len(source))))
    self.images = jax.make_array_from_callback(
      shape, sharding.replicated(mesh), lambda index: images[index]
    )

  def __len__(self) -> int:
    return len(self.images)

  def __getitem__(self, index: int) -> dict[str, Any]:
    return {}


def device_batches(
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
  *,
  start_step: int = 0,
) -> Iterator[tuple[dict[str, jax.Array], float]]:
  """Yields training batches on the devices without end.

  Each is a dict of image, index and valid, with the seconds that it took to
  wait for the host.
  """
  batches = input_pipeline.train_batches(
    source,
    config.data,
    seed=config.seed,
    batch_size=config.batch_size,
    start_step=start_step,
    rows=sharding.local_rows(config.batch_size, mesh),
  )
  add = jax.jit(add_images, out_shardings=sharding.split(mesh))
  while True:
    start = time.monotonic()
    batch = next(batches)
    waited = time.monotonic() - start
    placed = sharding.put_batch(batch, mesh)
    if isinstance(source, DeviceCache):
      placed = add(source.images, placed)
    yield placed, waited


def add_images(
  images: jax.Array, batch: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns a batch with its images, augmented as input_pipeline.augment does.

  Args:
    images: all images of the split, uint8 [N, S, S, 3].
    batch: `index`, `flipped`, `turns` and `valid`, each [B].
  """
  flipped, turns = (
    batch[name][:, None, None, None] for name in ('flipped', 'turns')
  )
  x = jnp.take(images, batch['index'], axis=0)
  x = jnp.where(flipped, x[:, :, ::-1], x)
  turned = [jnp.rot90(x, count, axes=(1, 2)) for count in range(4)]
  x = jnp.select([turns == count for count in range(4)], turned)
  return {'image': x, 'index': batch['index'], 'valid': batch['valid']}
