"""Where arrays lie: one mesh over all devices, named ('data',).

States are replicated, batches are split along their first axis. One device and
many are the same code.
"""

from typing import Any

import jax
import numpy as np

from inpaint_jax import errors


def create_mesh(devices: list[jax.Device] | None = None) -> jax.sharding.Mesh:
  """Returns the mesh over `devices`, all of them unless named."""
  devices = jax.devices() if devices is None else devices
  return jax.sharding.Mesh(np.array(devices), ('data',))


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of what each device holds whole."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def split(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Returns the sharding of what is split along its first axis."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('data'))


def put_batch(batch: Any, mesh: jax.sharding.Mesh) -> Any:
  """Moves a batch of NumPy arrays to the devices, split along axis 0."""
  return jax.device_put(batch, split(mesh))


def check_batch_size(batch_size: int, mesh: jax.sharding.Mesh) -> None:
  """Raises a UserError unless the devices can share the batch evenly."""
  if batch_size < 1 or batch_size % mesh.size:
    raise errors.UserError(
      f'--config.batch_size={batch_size} cannot be shared evenly by '
      f'{mesh.size} device(s); choose a multiple of {mesh.size}'
    )


def round_up(batch_size: int, mesh: jax.sharding.Mesh) -> int:
  """Returns the smallest batch size >= `batch_size` that devices can share."""
  return -(-batch_size // mesh.size) * mesh.size
