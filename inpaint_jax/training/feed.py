"""From a split to training batches on the devices, and what is kept of it.

`data.cache` says where pictures are kept once they were read: on the
devices, in the memory of the host, or nowhere. Whatever it is, batch s is the
same, bit for bit; where pictures lie on the devices, their flips and turns are
drawn on the host as ever, and made there.
"""

from collections.abc import Iterator
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from inpaint_jax.system import errors, sharding
from inpaint_jax.training import input_pipeline

CACHES = ('auto', 'device', 'host', 'none')
# Of what `auto` keeps in the memory of a host, in bytes.
_HOST_LIMIT = 2**30
# Share of a device's memory that it takes; a net wants the rest.
_DEVICE_SHARE = 0.25
# Pictures that go to the devices at once.
_CHUNK = 256


class Kept:
  """A source that reads each picture once, when it is first asked for."""

  def __init__(self, source: input_pipeline.Source, image_size: int):
    self._source = source
    # Pages that nothing was written to take no memory.
    shape = (len(source), image_size, image_size, 3)
    self._images = np.empty(shape, np.uint8)
    self._is_read = np.zeros(len(source), bool)

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    if not self._is_read[index]:
      # Two threads may both come here, and write the same.
      self._images[index] = self._source[index]['image']
      self._is_read[index] = True
    return {'image': self._images[index]}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError if the section `data` names no cache."""
  if config.cache not in CACHES:
    raise errors.UserError(
      f'data.cache={config.cache} is unknown; choose: {", ".join(CACHES)}'
    )


def choose(
  config: ml_collections.ConfigDict, count: int, mesh: jax.sharding.Mesh
) -> str:
  """Returns where pictures are to be kept: device, host or none.

  Args:
    config: the section `data` of a config.
    count: training and validation pictures.
    mesh: the devices.

  Raises:
    errors.UserError: they are asked for on devices that are too small.
  """
  wanted = config.cache
  size = count * config.image_size**2 * 3
  device = mesh.local_devices[0]
  # The memory of a CPU device is the host's, and says nothing of itself.
  there = (device.memory_stats() or {}).get('bytes_limit', 0)
  if wanted == 'device' and 0 < there < size:
    raise errors.UserError(
      f'data.cache=device wants {size / 1e9:.1f} GB of a device that '
      f'has {there / 1e9:.1f}; choose host or none'
    )
  if wanted != 'auto':
    return wanted
  # Several processes upload together or not at all, and one host may have
  # other devices than the next.
  if size <= _DEVICE_SHARE * there and jax.process_count() == 1:
    return 'device'
  return 'host' if size <= _HOST_LIMIT else 'none'


def keep(
  source: input_pipeline.Source, config: ml_collections.ConfigDict, cache: str
) -> input_pipeline.Source:
  """Returns a source that reads from disk only what it must."""
  return source if cache == 'none' else Kept(source, config.image_size)


class Feed:
  """Training batches on the devices, without end.

  Attributes:
    waited: seconds that were spent in waiting for batches.
  """

  def __init__(
    self,
    source: input_pipeline.Source,
    config: ml_collections.ConfigDict,
    mesh: jax.sharding.Mesh,
    *,
    seed: int,
    batch_size: int,
    start_step: int,
    cache: str,
  ):
    """Begins to read.

    Args:
      source: the training split.
      config: the section `data` of a config.
      mesh: where batches go.
      seed: of order and augmentation.
      batch_size: pictures a batch, over all processes.
      start_step: batches to pass over.
      cache: what `choose` returned.
    """
    self.waited = 0.0
    self._mesh = mesh
    self._pictures = None
    if cache == 'device':
      self._pictures = upload(source, config, mesh)
    self._batches: Iterator[input_pipeline.Batch] = (
      input_pipeline.train_batches(
        source,
        config,
        seed=seed,
        batch_size=batch_size,
        start_step=start_step,
        rows=sharding.local_rows(batch_size, mesh),
        with_images=self._pictures is None,
      )
    )
    self._look_up = jax.jit(look_up, out_shardings=sharding.split(mesh))

  def next(self) -> dict[str, jax.Array]:
    """Returns the next batch; with its images on the devices."""
    start = time.monotonic()
    batch = next(self._batches)
    self.waited += time.monotonic() - start
    batch = sharding.put_batch(batch, self._mesh)
    if self._pictures is None:
      return batch
    return self._look_up(self._pictures, batch)


def upload(
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> jax.Array:
  """Returns all pictures of a source, uint8 [N, S, S, 3], on each device.

  Args:
    source: a split.
    config: the section `data` of a config.
    mesh: the devices.
  """
  whole = sharding.replicated(mesh)
  size = config.image_size
  # Into memory that is there already: neither the host nor a device ever
  # holds the split twice.
  create = jax.jit(
    lambda: jnp.zeros((len(source), size, size, 3), jnp.uint8),
    out_shardings=whole,
  )
  write = jax.jit(
    lambda pictures, chunk, start: jax.lax.dynamic_update_slice_in_dim(
      pictures, chunk, start, axis=0
    ),
    donate_argnums=0,
    out_shardings=whole,
  )
  pictures, start = create(), 0
  for batch in input_pipeline.eval_batches(source, config, batch_size=_CHUNK):
    chunk = batch['image'][batch['valid'] > 0]
    pictures = write(pictures, chunk, np.int32(start))
    start += len(chunk)
  return pictures


def look_up(
  pictures: jax.Array, batch: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns a batch without images with those of its indices, augmented.

  Args:
    pictures: uint8 [N, S, S, 3].
    batch: `index`, `flipped` and `turns`, each [B], and more.
  """
  flipped, turns = (
    batch[name][:, None, None, None] for name in ('flipped', 'turns')
  )
  x = jnp.take(pictures, batch['index'], axis=0)
  x = jnp.where(flipped, x[:, :, ::-1], x)
  # np.rot90: a quarter is the transposed picture upside down, and so on.
  x = jnp.where(turns % 2 == 1, x.swapaxes(1, 2), x)
  x = jnp.where((turns == 1) | (turns == 2), x[:, ::-1], x)
  x = jnp.where((turns == 2) | (turns == 3), x[:, :, ::-1], x)
  kept = {name: batch[name] for name in ('index', 'valid')}
  return {'image': x, **kept}
