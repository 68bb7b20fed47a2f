"""Estimates how long runs will take, from measurements on this machine."""

from collections.abc import Iterable
import json
import statistics
import time

import jax
import ml_collections
import numpy as np

from inpaint_jax.study import plan, results
from inpaint_jax.system import machine, sharding
from inpaint_jax.training import setup, train

# Fields that hardly change the time of a run.
_SAME_TIME = ('seed', 'eval_seed', 'loss', 'hole_weight', 'boundary_weight')
# Steps that are timed, after one that compiles.
_STEPS = 3


class Estimates:
  """Estimates seconds of runs, from finished runs of their kind or steps."""

  def __init__(self, study: plan.Plan):
    self._kinds = {cell.name: kind(cell.config) for cell in study.cells}
    self._measured: dict[str, float] = {}

  def left(
    self, runs: Iterable[plan.Run], rows: Iterable[results.Row]
  ) -> float:
    """Returns the seconds that runs will take.

    A run takes as long as those of its kind in `rows`, of this machine; if
    there is none, a few of its steps are timed.
    """
    found: dict[str, list[float]] = {}
    for row in rows:
      is_ours = (row['device'], row['cores']) == (device(), machine.num_cores())
      if is_ours and row['status'] == results.FINISHED:
        kind = self._kinds.get(row['cell'], '')
        found.setdefault(kind, []).append(results.seconds(row))
    known = self._measured | {k: statistics.mean(x) for k, x in found.items()}
    total = 0.0
    for run in runs:
      name = self._kinds[run.cell.name]
      if name not in known:
        known[name] = self._measured[name] = measure(run.config)
      total += known[name]
    return total


def device() -> str:
  """Returns the value of the column `device` in rows of this machine."""
  first = jax.devices()[0]
  if first.platform == 'cpu':
    return machine.cpu_name()
  return f'{len(jax.devices())} x {first.device_kind}'


def kind(config: ml_collections.ConfigDict) -> str:
  """Returns a text that is equal for runs that take about the same time."""
  own = {
    name: value
    for name, value in plan.fields(config).items()
    if name not in _SAME_TIME and not name.startswith('optimizer.')
  }
  return json.dumps(own, sort_keys=True)


def measure(config: ml_collections.ConfigDict) -> float:
  """Times a few steps of a run; returns the seconds of the whole run.

  Assumes that an image in validation or test takes a third of the time of one
  in training.
  """
  start = time.perf_counter()
  data, batch_size = config.data, config.batch_size
  num_steps = config.num_epochs * (data.num_train // batch_size)
  made = setup.create_setup(config)
  create_state, step = train.create_step(made, num_steps)
  state = create_state(np.uint32(0))
  shape = (batch_size, data.image_size, data.image_size, 3)
  image = np.full(shape, 128, np.uint8)
  batch = sharding.put_batch({'image': image}, made.mesh)
  times = [start]
  for _ in range(_STEPS + 1):
    state, values = step(state, batch, np.uint32(0))
    jax.block_until_ready((state, values))
    times.append(time.perf_counter())
  compilation, *seconds = np.diff(times)
  others = (config.num_epochs * data.num_val + data.num_test) / batch_size / 3
  return float(compilation + np.median(seconds) * (num_steps + others))
