"""Training: the loop, and all that happens at its steps.

`train_and_evaluate(config, workdir)` is the whole of it. Batch, masks and
augmentation of step s are pure functions of (config, s), so that a run which
was killed goes on from its latest checkpoint as if nothing had happened.
"""

from collections.abc import Mapping
import dataclasses
import math
import os
import pathlib
import signal
import statistics
import sys
from typing import NoReturn

import jax
import ml_collections
import numpy as np

from inpaint_jax import models
from inpaint_jax.release import zoo
from inpaint_jax.runs import checkpoints, workdir as workdirs
from inpaint_jax.system import distributed, errors, interrupts, sharding
from inpaint_jax.training import console, evaluate, feed, images, run as runs
from inpaint_jax.training.train_state import TrainState
from inpaint_jax.training.writer import NoWriter, Writer

TRAIN_METRICS = ('loss', 'grad_norm', 'param_norm', 'learning_rate')
# Of metrics.csv, after `step`.
COLUMNS = tuple(f'train/{name}' for name in TRAIN_METRICS) + tuple(
  f'val/{name}' for name in evaluate.NAMES
)


class DivergedError(errors.UserError):
  """A loss or a gradient is not finite."""


@dataclasses.dataclass(frozen=True)
class Finished:
  """A training that came to its end.

  Attributes:
    state: after the last step.
    seconds: time spent in training and validation, over all starts.
    pictures_per_second: median of what this start logged, None if it trained
      too little to tell.
  """

  state: TrainState
  seconds: float
  pictures_per_second: float | None


@dataclasses.dataclass
class Progress:
  """What the loop remembers beside the train state, kept in each checkpoint.

  Attributes:
    best_loss: the smallest val/loss so far, None before the first.
    stale_epochs: epochs since it was found.
    window: losses of the steps since the last logged row.
    seconds: time spent in training and validation, over all starts.
  """

  best_loss: float | None = None
  stale_epochs: int = 0
  window: list[float] = dataclasses.field(default_factory=list)
  seconds: float = 0.0

  def note(self, val_loss: float) -> bool:
    """Takes in an epoch's val/loss; returns whether it is the best so far."""
    is_best = self.best_loss is None or val_loss < self.best_loss
    if is_best:
      self.best_loss = val_loss
    self.stale_epochs = 0 if is_best else self.stale_epochs + 1
    return is_best


def is_time(step: int, every: int, *, first: bool = False) -> bool:
  """Returns whether something is due after `step`.

  Args:
    step: the step that ended; the first is number 1.
    every: it is due after so many steps; 0 = never.
    first: whether it is due after the first step, too.
  """
  return (first and step == 1) or (every > 0 and step % every == 0)


def train_and_evaluate(
  config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]
) -> TrainState:
  """Trains a run to its end, or goes on with it, and tests its best epoch.

  Args:
    config: the fields of configs/default.py.
    workdir: the folder of the run, see workdir.py.

  Returns:
    The state after the last step.

  Raises:
    errors.UserError: something the user can mend; what was saved is whole.
  """
  finished = train(config, workdir)
  workdir = pathlib.Path(workdir).expanduser()
  report = evaluate.evaluate(workdir)
  console.show_end(workdir, report, finished.seconds)
  return finished.state


def train(
  config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]
) -> Finished:
  """Trains a run to its end, or goes on with it, without the test.

  Args:
    config: the fields of configs/default.py.
    workdir: the folder of the run, see workdir.py.

  Raises:
    DivergedError: a loss or a gradient is not finite.
    errors.UserError: anything else that the user can mend; what was saved is
      whole.
  """
  # Names and numbers first: a mistake in them leaves no folder behind.
  runs.check(config)
  with (
    workdirs.disk_full_as_user_error(workdir),
    workdirs.locked_workdir(workdir, config) as workdir,
  ):
    return _Loop(runs.create_run(config, workdir)).to_end()


class _Loop:
  """The steps of one process: training, logging, validation, checkpoints."""

  def __init__(self, run: runs.Run):
    self._run = run
    # An argument of what is compiled, which seeds then share.
    self._seed = np.uint32(run.config.seed)
    self._latest = checkpoints.open_manager(run.workdir, 'latest')
    self._best = checkpoints.open_manager(run.workdir, 'best')
    self._state, self._progress = self._start()
    self._step = int(self._state.step)
    # All processes go through the same steps; the first one tells of them.
    self._writer = (
      Writer(run.workdir, COLUMNS, self._step)
      if distributed.is_first()
      else NoWriter()
    )
    self._console = console.Console(
      self._step, run.num_steps, run.config.batch_size
    )
    # The signal that came to any process, as of the newest step that was read.
    self._signal = 0
    # Metrics of the newest step, still on the device.
    self._unread: dict[str, jax.Array] = {}
    # The same once they were read.
    self._values: dict[str, float] = {}
    # Pictures/s, as logged.
    self._rates: list[float] = []

  def _start(self) -> tuple[TrainState, Progress]:
    """Returns the latest checkpoint of the run, or its first state."""
    run, sharded = self._run, sharding.replicated(self._run.mesh)
    shapes = jax.eval_shape(run.create_state)
    count = models.count_parameters(shapes.params)
    print(
      f'{run.config.model.name}: {count:,} parameters, '
      f'{count * 4 / 1e6:.1f} MB; {run.num_steps} steps of '
      f'{run.config.batch_size} pictures, {run.steps_per_epoch} an epoch, on '
      f'{run.mesh.size} {jax.default_backend()} device(s) of '
      f'{jax.process_count()} process(es)'
    )
    restored = checkpoints.restore(
      self._latest,
      checkpoints.abstract_like(shapes, sharded),
      set_aside=True,
    )
    step = restored.step if restored else 0
    if int(sharding.largest(step, run.mesh)) != step:
      raise errors.UserError(
        f'workdir={run.workdir} has other checkpoints on another host; name '
        'a folder on a file system that all hosts share'
      )
    # A best epoch that this start has yet to come to. It will find it again,
    # or, where devices round by chance, another.
    checkpoints.delete_after(self._best, step)
    if restored is None:
      create_state = jax.jit(run.create_state, out_shardings=sharded)
      state = create_state(self._seed)
      if run.config.init_from:
        state = self._with_variables_of(run.config.init_from, state)
      return state, Progress()
    print(f'going on from the checkpoint of step {restored.step}')
    return restored.tree, Progress(**restored.info)

  def _with_variables_of(self, source: str, state: TrainState) -> TrainState:
    """Returns a first state with the parameters of another training."""
    net = zoo.load(source, sharding.replicated(self._run.mesh))
    for field in ('name', 'features'):
      found, wanted = net.config.model[field], self._run.config.model[field]
      if found != wanted:
        raise errors.UserError(
          f'init_from={source} has model.{field}={found}, this run '
          f'has {wanted}; name a source of the same model'
        )
    print(f'starting from the parameters of {source}, step {net.step}')
    return state.with_variables(net.variables)

  def to_end(self) -> Finished:
    """Trains to the last step or an early stop; a signal exits."""
    try:
      with interrupts.deferred() as stop, self._console:
        self._train(stop)
    finally:
      self._writer.close()
      self._latest.close()
      self._best.close()
    # One that came when no step was left to look for it.
    self._signal = int(sharding.largest(int(stop.signal or 0), self._run.mesh))
    if self._signal:
      self._exit()
    # The first rate has the compilation in it.
    rates = self._rates[1:]
    return Finished(
      self._state,
      self._progress.seconds,
      statistics.median(rates) if rates else None,
    )

  def _train(self, stop: interrupts.Stop) -> None:
    run, config = self._run, self._run.config
    self._feed = feed.Feed(
      run.splits['train'],
      config.data,
      run.mesh,
      seed=config.seed,
      batch_size=config.batch_size,
      start_step=self._step,
      cache=run.cache,
    )
    while self._step < run.num_steps and not self._is_stale():
      batch = self._feed.next()
      self._state, values = run.train_step(self._state, batch, self._seed)
      # The devices are at work on this step while the one before it is read.
      self._read()
      self._unread, self._step = values, self._step + 1
      self._console.advance()
      if jax.process_count() > 1:
        # Read with the metrics, a step later, so that nobody waits for it, and
        # all processes stop after the same step.
        asked = int(stop.signal or 0)
        self._unread['signal'] = sharding.largest(asked, run.mesh)

      ends_epoch = self._step % run.steps_per_epoch == 0
      if ends_epoch or is_time(self._step, config.log_every_steps, first=True):
        self._log(ends_epoch)
      if jax.process_count() == 1:
        self._signal = int(stop.signal or 0)
      if (
        ends_epoch
        or self._signal
        or is_time(self._step, config.checkpoint_every_steps)
      ):
        self._save()
      if self._signal:
        self._exit()

  def _exit(self) -> NoReturn:
    self._console.print(
      f'{signal.Signals(self._signal).name}: saved step {self._step}; the '
      'same command goes on from there'
    )
    sys.exit(128 + self._signal)

  def _is_stale(self) -> bool:
    patience = self._run.config.early_stopping_patience
    return 0 < patience <= self._progress.stale_epochs

  def _read(self) -> None:
    """Waits for the metrics of the newest step, and checks them."""
    if not self._unread:
      return
    self._values = {name: float(x) for name, x in self._unread.items()}
    self._unread = {}
    self._signal = int(self._values.pop('signal', self._signal))
    self._check_finite(self._values)
    self._progress.window.append(self._values['loss'])

  def _check_finite(self, values: Mapping[str, float]) -> None:
    for name, value in values.items():
      if not math.isfinite(value):
        kept = self._latest.latest_step()
        raise DivergedError(
          f'{name} is {value} at step {self._step}; lower '
          'optimizer.learning_rate or set '
          'optimizer.clip_norm in a new workdir; '
          + (f'the checkpoint of step {kept} is good' if kept else 'no epoch ')
          + ('' if kept else 'had ended, so nothing was saved')
        )

  def _log(self, ends_epoch: bool) -> None:
    """Writes a row of train metrics, and of validation where an epoch ends."""
    self._read()
    window, self._progress.window = self._progress.window, []
    row = {
      'train/loss': math.fsum(window) / len(window),
      'train/grad_norm': self._values['grad_norm'],
      'train/param_norm': self._values['param_norm'],
      'train/learning_rate': float(self._run.schedule(self._step - 1)),
    }
    waited, self._feed.waited = self._feed.waited, 0.0
    timed = self._console.log_train(self._step, row, waited)
    self._rates.append(timed['train/pictures_per_second'])
    self._writer.scalars(self._step, timed)
    if ends_epoch:
      row |= self._validate()
    self._writer.row(self._step, row)

  def _validate(self) -> dict[str, float]:
    """Measures the epoch that ended, draws its samples, keeps the best."""
    run, step, variables = self._run, self._step, self._state.variables()
    epoch = step // run.steps_per_epoch
    measured = evaluate.evaluate_split(
      run.eval_step,
      variables,
      run.splits['val'],
      run.config,
      run.mesh,
    )
    row = {f'val/{name}': float(x.mean()) for name, x in measured.items()}
    self._check_finite({'val/loss': row['val/loss']})
    self._draw_samples(epoch, variables)
    is_best = self._progress.note(row['val/loss'])
    self._console.log_epoch(epoch, run.config.num_epochs, row, is_best)
    if is_best:
      checkpoints.save(self._best, step, variables, {'epoch': epoch, **row})
    elif self._is_stale():
      self._console.print(
        f'early stop: {self._progress.stale_epochs} epochs without a better '
        'val/loss'
      )
    return row

  def _draw_samples(self, epoch: int, variables: Mapping) -> None:
    run, count = self._run, self._run.config.num_samples
    if count:
      grid = evaluate.sample_grid(
        run.eval_step,
        variables,
        run.splits['val'],
        run.config,
        run.mesh,
        count,
      )
      if distributed.is_first():
        images.write(run.workdir / 'samples' / f'epoch_{epoch:03d}.png', grid)
      self._writer.image(self._step, 'val/samples', grid)

  def _save(self) -> None:
    """Saves the state; rows of metrics.csv up to here are written already."""
    self._read()
    self._progress.seconds += self._console.lap()
    checkpoints.save(
      self._latest,
      self._step,
      self._state,
      dataclasses.asdict(self._progress),
    )
    self._writer.scalars(self._step, {'train/seconds': self._progress.seconds})
