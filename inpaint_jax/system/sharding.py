"""Placement of arrays on devices: one mesh over all devices, axis 'data'.

States are replicated; batches are split along their first axis. The same code
serves one device or many, and one process or many: each process holds the rows
of its own devices, which are contiguous (`local_rows`).
"""

from typing import Any

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

from inpaint_jax.system import devices, errors


def create_mesh() -> jax.sharding.Mesh:
  """Returns the mesh over the devices of all processes."""
  devices.check_any()
  ours = sorted(jax.devices(), key=lambda x: (x.process_index, x.id))
  return jax.sharding.Mesh(np.array(ours), ('data',))


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of arrays that each device holds in full."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def split(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of arrays that are split along their first axis."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('data'))


def local_rows(batch_size: int, mesh: jax.sharding.Mesh) -> slice:
  """Returns the rows of a batch that this process reads."""
  own = [
    position
    for position, device in enumerate(mesh.devices.flat)
    if device.process_index == jax.process_index()
  ]
  rows_per_device = batch_size // mesh.size
  return slice(own[0] * rows_per_device, (own[-1] + 1) * rows_per_device)


def put_batch(batch: Any, mesh: jax.sharding.Mesh) -> Any:
  """Moves a batch of NumPy arrays to the devices, split along axis 0."""
  return jax.make_array_from_process_local_data(split(mesh), batch)


def gather(tree: Any) -> Any:
  """Returns the arrays of a tree in full as NumPy arrays, in every process.

  Args:
    tree: arrays over all devices, of `put_batch` or of a jitted function.
  """
  return multihost_utils.process_allgather(tree, tiled=True)


def largest(value: int, mesh: jax.sharding.Mesh) -> jax.Array:
  """Returns the largest `value` of all processes, without waiting for it."""
  return jnp.max(put_batch(np.full(len(mesh.local_devices), value), mesh))


def check_batch_size(
  batch_size: int, mesh: jax.sharding.Mesh, accumulate_steps: int = 1
) -> None:
  """Raises a UserError unless the devices can share the batch evenly.

  Args:
    accumulate_steps: number of parts into which the batch is cut.
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
