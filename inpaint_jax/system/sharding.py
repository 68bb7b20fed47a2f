"""Where arrays lie: one mesh over all devices, named ('data',).

States are replicated, batches are split along their first axis. One device and
many are the same code, as are one process and many: each has the rows of its
own devices, `local_rows`, which lie beside each other.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax.system import errors


def create_mesh(devices: list[jax.Device] | None = None) -> jax.sharding.Mesh:
  """Returns the mesh over `devices`, those of all processes unless named."""
  devices = jax.devices() if devices is None else devices
  devices = sorted(devices, key=lambda x: (x.process_index, x.id))
  return jax.sharding.Mesh(np.array(devices), ('data',))


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of what each device holds whole."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def split(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of what is split along its first axis."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('data'))


def local_rows(batch_size: int, mesh: jax.sharding.Mesh) -> slice:
  """Returns the rows of a batch that this process reads."""
  own = [
    place
    for place, device in enumerate(mesh.devices.flat)
    if device.process_index == jax.process_index()
  ]
  each = batch_size // mesh.size
  return slice(own[0] * each, (own[-1] + 1) * each)


def put_batch(batch: Any, mesh: jax.sharding.Mesh) -> Any:
  """Moves a batch of NumPy arrays to the devices, split along axis 0.

  Args:
    batch: arrays of the rows of this process.
    mesh: where to.

  Returns:
    Arrays of the whole batch.
  """
  if jax.process_count() == 1:
    return jax.device_put(batch, split(mesh))
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(split(mesh), x), batch
  )


def gather(tree: Any, mesh: jax.sharding.Mesh) -> Any:
  """Returns arrays whole as NumPy's, in every process.

  Args:
    tree: arrays of the whole batch.
    mesh: where they lie.
  """
  if jax.process_count() > 1:
    tree = _replicate(mesh)(tree)
  return jax.tree.map(np.asarray, tree)


def largest(value: int, mesh: jax.sharding.Mesh) -> jax.Array:
  """Returns the largest `value` of any process; does not wait for it."""
  return _max(mesh)(put_batch(np.full(len(mesh.local_devices), value), mesh))


@functools.cache
def _replicate(mesh):
  return jax.jit(lambda tree: tree, out_shardings=replicated(mesh))


@functools.cache
def _max(mesh):
  return jax.jit(jnp.max, out_shardings=replicated(mesh))


def check_batch_size(
  batch_size: int, mesh: jax.sharding.Mesh, accumulate_steps: int = 1
) -> None:
  """Raises a UserError unless the devices can share the batch evenly.

  Args:
    batch_size: pictures an update, over all devices.
    mesh: the devices.
    accumulate_steps: parts that it is gone through in.
  """
  parts = mesh.size * accumulate_steps
  if batch_size < 1 or batch_size % parts:
    shared = f'{mesh.size} device(s)'
    if accumulate_steps > 1:
      shared += f' in accumulate_steps={accumulate_steps} parts'
    raise errors.UserError(
      f'batch_size={batch_size} cannot be shared evenly by {shared}; '
      f'choose a multiple of {parts}'
    )


def round_up(batch_size: int, mesh: jax.sharding.Mesh) -> int:
  """Returns the smallest batch size >= `batch_size` that devices can share."""
  return -(-batch_size // mesh.size) * mesh.size
