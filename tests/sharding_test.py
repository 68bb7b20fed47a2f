"""Batches over devices."""

import jax
import numpy as np
import pytest

from inpaint_jax import errors, sharding


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


def test_put_batch_keeps_the_values():
  mesh = sharding.create_mesh(jax.devices()[:1])
  batch = {'index': np.arange(3, dtype=np.int32)}
  np.testing.assert_array_equal(
    sharding.put_batch(batch, mesh)['index'], [0, 1, 2]
  )
