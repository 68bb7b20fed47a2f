"""Orbax checkpoints that survive kills, full disks and damage.

A run keeps two managers: `latest` holds the whole train state, to go on from;
`best` holds the variables of the best epoch, to use. One manager for both would
let the best one evict the latest.

Orbax writes a checkpoint beside its place and renames it when it is whole, so a
kill leaves the earlier ones. It does not notice a flipped byte; the checksum
that is kept with each checkpoint does.
"""

import errno
import os
import pathlib
import shutil
import sys
from typing import Any, NamedTuple
import zlib

import jax
import numpy as np
import orbax.checkpoint as ocp

from inpaint_jax import errors

# How many checkpoints each manager keeps. A second latest one is there for the
# day on which the first is damaged.
KEEP = {'latest': 2, 'best': 1}


class Restored(NamedTuple):
  """A checkpoint that was read."""

  step: int
  tree: Any
  # What was saved beside the arrays.
  info: dict[str, Any]


def open_manager(
  workdir: pathlib.Path, kind: str, *, create: bool = True
) -> ocp.CheckpointManager:
  """Returns the manager of workdir/checkpoints/`kind`.

  Args:
    workdir: the folder of the run.
    kind: latest or best.
    create: whether to make the folder and to remove what a kill left behind
      there; without, nothing is written, so that another process can train.
  """
  options = ocp.CheckpointManagerOptions(
    max_to_keep=KEEP[kind],
    create=create,
    # States are small: a save takes a fraction of a second, and an error is
    # raised where it belongs.
    enable_async_checkpointing=False,
  )
  folder = (workdir / 'checkpoints' / kind).absolute()
  if create:
    _remove_halves(folder)
  return ocp.CheckpointManager(folder, options=options)


def save(
  manager: ocp.CheckpointManager, step: int, tree: Any, info: dict[str, Any]
) -> None:
  """Writes the checkpoint of `step`, unless it is there.

  Args:
    manager: where to.
    step: its number.
    tree: arrays.
    info: what else to keep, as JSON holds it.

  Raises:
    errors.UserError: it could not be written. Earlier checkpoints are whole.
  """
  if step in manager.all_steps():
    return
  try:
    manager.save(
      step,
      args=ocp.args.Composite(
        tree=ocp.args.StandardSave(tree),
        info=ocp.args.JsonSave({**info, 'checksum': checksum(tree)}),
      ),
    )
    manager.wait_until_finished()
  # TensorStore reports a full disk as a ValueError, Orbax by other types.
  except Exception as error:
    _remove_halves(pathlib.Path(manager.directory))
    raise errors.UserError(
      f'the checkpoint of step {step} could not be written to '
      f'{manager.directory}: {_one_line(error)}; free some space there and '
      'start the same command again, earlier checkpoints are whole'
    ) from error


def restore(
  manager: ocp.CheckpointManager, abstract: Any, *, set_aside: bool = False
) -> Restored | None:
  """Returns the newest checkpoint that is whole, None if there is none at all.

  Args:
    manager: where from.
    abstract: the tree as jax.ShapeDtypeStructs that carry shardings, so that
      another number of devices than the one that saved can read it.
    set_aside: whether to rename damaged ones to STEP.damaged, so that their
      steps can be saved again.

  Raises:
    errors.UserError: there are checkpoints, but all are damaged.
  """
  steps = sorted(manager.all_steps(), reverse=True)
  for step in steps:
    try:
      restored = manager.restore(
        step,
        args=ocp.args.Composite(
          tree=ocp.args.StandardRestore(abstract),
          info=ocp.args.JsonRestore(),
        ),
      )
      tree, info = restored['tree'], dict(restored['info'])
      if info.pop('checksum') != checksum(tree):
        raise ValueError('its checksum is wrong')
      return Restored(step, tree, info)
    # Damage shows in as many types as there are files to damage.
    except Exception as error:
      print(
        f'the checkpoint of step {step} in {manager.directory} is damaged '
        f'({_one_line(error)}); trying the one before it',
        file=sys.stderr,
      )
      if set_aside:
        folder = pathlib.Path(manager.directory) / str(step)
        folder.rename(folder.with_name(f'{step}.damaged'))
        manager.reload()
  if steps:
    raise errors.UserError(
      f'none of the checkpoints in {manager.directory} can be read; name '
      'another --workdir to start anew'
    )
  return None


def abstract_like(tree: Any, sharding: jax.sharding.Sharding) -> Any:
  """Returns the shapes and types of a tree, all with one sharding."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )


def checksum(tree: Any) -> int:
  """Returns the CRC-32 of all arrays of a tree, which each host holds whole."""
  value = 0
  for leaf in jax.tree.leaves(tree):
    if isinstance(leaf, jax.Array):
      leaf = leaf.addressable_data(0)
    value = zlib.crc32(np.ascontiguousarray(leaf), value)
  return value


def _remove_halves(folder: pathlib.Path) -> None:
  """Removes what saves that were killed or failed left behind.

  Orbax can do so itself, but in the background, at a time of its own.
  """
  for half in folder.glob('*.orbax-checkpoint-tmp*'):
    shutil.rmtree(half, ignore_errors=True)


def _one_line(error: Exception) -> str:
  """Returns the beginning of an error's text."""
  text = ' '.join(str(error).split()) or type(error).__name__
  for reason in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
    if reason in text:
      return reason
  return text if len(text) <= 200 else text[:200] + ' ...'
