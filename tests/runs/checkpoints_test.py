"""Checkpoints that survive kills, full disks and damage."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inpaint_jax.runs import checkpoints
from inpaint_jax.system import errors

DEVICE = jax.sharding.SingleDeviceSharding(jax.devices()[0])


def _tree(value, size=4096):
  # Random values do not compress, so damage to the file damages the values.
  values = np.random.RandomState(value).rand(size)
  return {'w': jnp.asarray(values, jnp.float32), 'step': jnp.int32(value)}


def _save(workdir, *steps):
  with checkpoints.open_manager(workdir, 'latest') as manager:
    for step in steps:
      checkpoints.save(manager, step, _tree(step), {'epoch': step / 3})


def _abstract(tree):
  return jax.jit(lambda: tree, out_shardings=DEVICE).eval_shape()


def _restore(workdir, **kwargs):
  abstract = _abstract(_tree(0))
  with checkpoints.open_manager(workdir, 'latest') as manager:
    return checkpoints.restore(manager, abstract, **kwargs)


def _largest_file(folder: pathlib.Path) -> pathlib.Path:
  files = [path for path in folder.rglob('*') if path.is_file()]
  return max(files, key=lambda path: path.stat().st_size)


def _flip_a_byte(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def _truncate(path):
  os.truncate(path, path.stat().st_size // 2)


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
  _save(tmp_path, 5)
  restored = _restore(tmp_path)
  assert restored.step == 5
  assert restored.info == {'epoch': 5 / 3}
  jax.tree.map(np.testing.assert_array_equal, restored.tree, _tree(5))


def test_nothing_saved_is_none(tmp_path):
  assert _restore(tmp_path) is None


def test_the_last_two_are_kept(tmp_path):
  _save(tmp_path, 1, 2, 3)
  with checkpoints.open_manager(tmp_path, 'latest') as manager:
    assert sorted(manager.all_steps()) == [2, 3]


def test_a_step_that_is_not_the_newest_is_never_passed_over(tmp_path):
  """Orbax would not save it, without an error."""
  _save(tmp_path, 2)
  for step in (1, 2):
    with pytest.raises(ValueError, match=f'has step {step} or a later one'):
      _save(tmp_path, step)


def test_a_deleted_step_is_saved_again(tmp_path):
  _save(tmp_path, 2, 3)
  with checkpoints.open_manager(tmp_path, 'latest') as manager:
    manager.delete(3)
    checkpoints.save(manager, 3, _tree(7), {})
  tree = _restore(tmp_path).tree
  jax.tree.map(np.testing.assert_array_equal, tree, _tree(7))


@pytest.mark.parametrize('damage', [_flip_a_byte, _truncate, os.remove])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(
  tmp_path, capsys, damage
):
  _save(tmp_path, 1, 2)
  damage(_largest_file(tmp_path / 'checkpoints' / 'latest' / '2'))
  restored = _restore(tmp_path, set_aside=True)
  assert restored.step == 1
  jax.tree.map(np.testing.assert_array_equal, restored.tree, _tree(1))
  assert 'the checkpoint of step 2 in' in capsys.readouterr().err

  # Its step can be saved again, and the damaged checkpoint is not deleted.
  _save(tmp_path, 2)
  assert _restore(tmp_path).step == 2
  assert (tmp_path / 'checkpoints' / 'latest' / '2.damaged').is_dir()


def test_without_set_aside_nothing_is_moved(tmp_path):
  _save(tmp_path, 1, 2)
  _truncate(_largest_file(tmp_path / 'checkpoints' / 'latest' / '2'))
  assert _restore(tmp_path).step == 1
  assert (tmp_path / 'checkpoints' / 'latest' / '2').is_dir()


def test_the_same_step_can_be_damaged_twice(tmp_path):
  for _ in range(2):
    _save(tmp_path, *([] if _restore(tmp_path) else [1]), 2)
    _truncate(_largest_file(tmp_path / 'checkpoints' / 'latest' / '2'))
    assert _restore(tmp_path, set_aside=True).step == 1


def test_a_changed_number_beside_the_arrays_is_damage(tmp_path):
  _save(tmp_path, 1, 2)
  info = tmp_path / 'checkpoints/latest/2/info/metadata'
  info.write_text(info.read_text().replace('0.6', '0.7'))
  assert _restore(tmp_path).step == 1


def test_all_damaged_is_an_error_and_no_new_start(tmp_path):
  _save(tmp_path, 1, 2)
  for step in '12':
    _truncate(_largest_file(tmp_path / 'checkpoints' / 'latest' / step))
  # The second time, too: the damaged checkpoints are not set aside.
  for _ in range(2):
    with pytest.raises(errors.UserError, match='none of the checkpoints'):
      _restore(tmp_path, set_aside=True)


def test_another_structure_is_no_damage(tmp_path):
  _save(tmp_path, 1)
  other = _abstract({'v': jnp.ones(3)})
  with (
    checkpoints.open_manager(tmp_path, 'latest') as manager,
    pytest.raises(errors.UserError, match='none of the checkpoints'),
  ):
    checkpoints.restore(manager, other, set_aside=True)
  assert _restore(tmp_path).step == 1


_FULL_DISK = """
import pathlib, resource, sys
import jax
from inpaint_jax.runs import checkpoints
from inpaint_jax.system import errors

tree = {'w': jax.random.normal(jax.random.key(0), 1_000_000)}
with checkpoints.open_manager(pathlib.Path(sys.argv[1]), 'latest') as manager:
  # A file size limit stands for a full disk: both make writes fail.
  resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
  try:
    checkpoints.save(manager, 2, tree, {})
  except errors.UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path):
  _save(tmp_path, 1)
  result = subprocess.run(
    [sys.executable, '-c', _FULL_DISK, tmp_path],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    check=False,
  )
  wanted = 'the checkpoint of step 2 could not be written'
  assert wanted in result.stdout, result.stderr
  # Files of the failed save are deleted.
  assert os.listdir(tmp_path / 'checkpoints' / 'latest') == ['1']
  assert _restore(tmp_path).step == 1


def test_the_checksum_tells_trees_apart():
  tree = _tree(1)
  changed = {**tree, 'w': tree['w'].at[7].add(1e-3)}
  assert checkpoints.checksum(tree, {}) == checkpoints.checksum(_tree(1), {})
  assert checkpoints.checksum(tree, {}) != checkpoints.checksum(changed, {})
  assert checkpoints.checksum(tree, {}) != checkpoints.checksum(tree, {'a': 1})
