"""Orbax checkpoints that survive kills, full disks and damage.

A run has two managers: `latest` keeps the whole train state, from which
training goes on; `best` keeps the variables of the best epoch, for inference.

Orbax writes a checkpoint to a temporary folder and renames that at the end, so
a kill does not harm earlier checkpoints. All processes of a run write, so all
must call these functions. Orbax does not notice a flipped byte; the checksum in
each checkpoint reveals it.
"""

from collections.abc import Iterable
import errno
import json
import os
import pathlib
import shutil
import sys
from typing import Any, NamedTuple
import zlib

import jax
import numpy as np
import orbax.checkpoint as ocp

from inpaint_jax.system import distributed, errors


class Restored(NamedTuple):
  """A checkpoint that was read."""

  step: int
  tree: Any
  # JSON that was saved next to the arrays.
  info: dict[str, Any]
  # CRC-32 of tree and info, see `checksum`.
  checksum: int


def open_manager(
  workdir: pathlib.Path, kind: str, *, create: bool = True
) -> ocp.CheckpointManager:
  """Returns the manager of workdir/checkpoints/`kind`.

  Args:
    create: whether to make the folder, and to remove unfinished checkpoints
      from it. If not, nothing is written, since another process may be training
      there.
  """
  options = ocp.CheckpointManagerOptions(
    # The older one is read if the newer one is damaged, or if training replaces
    # it meanwhile.
    max_to_keep=2,
    create=create,
    enable_async_checkpointing=False,  # See WORKSPACE.md.
  )
  folder = (workdir / 'checkpoints' / kind).absolute()
  if create and distributed.is_first():
    _remove_unfinished(folder)
  return ocp.CheckpointManager(folder, options=options)


def save(
  manager: ocp.CheckpointManager, step: int, tree: Any, info: dict[str, Any]
) -> None:
  """Writes the checkpoint of `step`.

  Args:
    step: must be larger than the step of any checkpoint there.

  Raises:
    errors.UserError: the checkpoint could not be written. Earlier ones are
      whole.
  """
  try:
    written = manager.save(
      step,
      args=ocp.args.Composite(
        tree=ocp.args.StandardSave(tree),
        info=ocp.args.JsonSave({**info, 'checksum': checksum(tree, info)}),
      ),
    )
    manager.wait_until_finished()
  # TensorStore reports a full disk as a ValueError, Orbax by other types.
  except Exception as error:
    if distributed.is_first():
      _remove_unfinished(pathlib.Path(manager.directory))
    raise errors.UserError(
      f'the checkpoint of step {step} could not be written to '
      f'{manager.directory}: {_reason(error)}; free some space there and '
      'start the same command again, earlier checkpoints are whole'
    ) from error
  if not written:
    # Orbax silently skips a step that is not the newest.
    raise ValueError(f'{manager.directory} has step {step} or a later one')


def restore(
  manager: ocp.CheckpointManager, abstract: Any, *, set_aside: bool = False
) -> Restored | None:
  """Returns the newest undamaged checkpoint, None if there are no checkpoints.

  Args:
    abstract: the tree as jax.ShapeDtypeStructs with shardings, so that it can
      be read on another number of devices than it was saved on.
    set_aside: whether to rename damaged checkpoints to STEP.damaged, so that
      their steps can be saved again. If none can be read, all stay in place,
      since the cause may be something other than damage.

  Raises:
    errors.UserError: there are checkpoints, but none can be read.
  """
  damaged = {}
  for step in sorted(manager.all_steps(), reverse=True):
    try:
      restored = _read(manager, step, abstract)
    # The type of the error depends on which file is damaged, and how.
    except Exception as error:
      damaged[step] = _reason(error)
      continue
    for other, reason in damaged.items():
      print(
        f'the checkpoint of step {other} in {manager.directory} is damaged '
        f'({reason}); using that of step {step}',
        file=sys.stderr,
      )
    if set_aside and damaged:
      # Waits until no process reads the folders that the first one renames.
      distributed.barrier('read')
      if distributed.is_first():
        _set_aside(pathlib.Path(manager.directory), damaged)
      distributed.barrier('set aside')
      manager.reload()
    return restored
  if damaged:
    step, reason = next(iter(damaged.items()))
    raise errors.UserError(
      f'none of the checkpoints in {manager.directory} can be read (step '
      f'{step}: {reason}); name another workdir to start anew'
      + (
        ', or delete that folder and start the same training: it keeps the '
        'latest checkpoint as the best one'
        if pathlib.Path(manager.directory).name == 'best'
        else ''
      )
    )
  return None


def checksum(tree: Any, info: dict[str, Any]) -> int:
  """Returns the CRC-32 of a tree and its info; each host has the whole tree."""
  value = zlib.crc32(json.dumps(info, sort_keys=True).encode())
  for leaf in jax.tree.leaves(tree):
    if isinstance(leaf, jax.Array):
      leaf = leaf.addressable_data(0)
    value = zlib.crc32(np.ascontiguousarray(leaf).data, value)
  return value


def _read(manager: ocp.CheckpointManager, step: int, abstract: Any) -> Restored:
  """Returns the checkpoint of a step; raises errors of any type if damaged."""
  restored = manager.restore(
    step,
    args=ocp.args.Composite(
      tree=ocp.args.StandardRestore(abstract), info=ocp.args.JsonRestore()
    ),
  )
  tree, info = restored['tree'], dict(restored['info'])
  saved = info.pop('checksum')
  if saved != checksum(tree, info):
    raise ValueError('its checksum is wrong')
  return Restored(step, tree, info, saved)


def _set_aside(folder: pathlib.Path, steps: Iterable[int]) -> None:
  for step in steps:
    target = folder / f'{step}.damaged'
    shutil.rmtree(target, ignore_errors=True)
    (folder / str(step)).rename(target)


def _remove_unfinished(folder: pathlib.Path) -> None:
  """Removes the temporary folders of saves that were killed or failed.

  Orbax would remove them in the background, at some later time.
  """
  for unfinished in folder.glob('*.orbax-checkpoint-tmp*'):
    shutil.rmtree(unfinished, ignore_errors=True)


def _reason(error: Exception) -> str:
  """Returns an error as one line, shortened if it is that the disk is full."""
  text = ' '.join(str(error).split())
  for reason in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
    if reason in text:
      return reason
  return errors.one_line(error)
