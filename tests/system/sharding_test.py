"""Placement of arrays on devices."""

import os
import subprocess
import sys

import numpy as np
import pytest

from inpaint_jax.system import errors, sharding


class _Mesh:
  size = 4


def test_a_batch_that_devices_cannot_share_is_refused():
  sharding.check_batch_size(8, _Mesh)
  with pytest.raises(errors.UserError, match=r'batch_size=6 .* multiple of 4'):
    sharding.check_batch_size(6, _Mesh)
  with pytest.raises(errors.UserError, match='batch_size=0'):
    sharding.check_batch_size(0, _Mesh)


def test_round_up():
  assert [sharding.round_up(n, _Mesh) for n in (1, 4, 5)] == [4, 4, 8]


def test_a_process_reads_the_rows_of_its_devices():
  class Device:
    def __init__(self, process_index):
      self.process_index = process_index

  class Mesh:
    # This process is number 0.
    devices = np.array([Device(x) for x in (-1, 0, 0, 1)])
    size = 4

  assert sharding.local_rows(8, Mesh) == slice(2, 6)


_FOUR = """
import jax, numpy as np
from inpaint_jax.system import sharding

mesh = sharding.create_mesh()
x = sharding.put_batch({'x': np.arange(8)}, mesh)['x']
print([shard.data.tolist() for shard in x.addressable_shards])
state = jax.device_put(np.arange(2), sharding.replicated(mesh))
print([shard.data.tolist() for shard in state.addressable_shards])
"""


@pytest.mark.slow
def test_batches_are_split_and_states_replicated():
  result = subprocess.run(
    [sys.executable, '-c', _FOUR],
    env=os.environ | {'XLA_FLAGS': '--xla_force_host_platform_device_count=4'},
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.splitlines() == [
    '[[0, 1], [2, 3], [4, 5], [6, 7]]',
    '[[0, 1], [0, 1], [0, 1], [0, 1]]',
  ]
