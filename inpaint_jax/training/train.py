"""The training loop, with its logs, validation and checkpoints.

`train_and_evaluate(config, workdir)` trains and tests a run. The batch, masks
and augmentation of step s are pure functions of (config, s), so a run that was
killed continues from its latest checkpoint as if nothing had happened.
"""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
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

from inpaint_jax import metrics, models, optimizers
from inpaint_jax.photos import mask_folder
from inpaint_jax.release import zoo
from inpaint_jax.runs import checkpoints, trained_model, workdir as workdirs
from inpaint_jax.system import (
  distributed,
  errors,
  interrupts,
  sharding,
  user_paths,
)
from inpaint_jax.training import (
  columns,
  console,
  evaluate,
  feed,
  grids,
  input_pipeline,
  profiler,
  starts,
  train_step,
)
from inpaint_jax.training.setup import (
  create_setup,
  describe_own_fields,
  Setup,
)
from inpaint_jax.training.train_state import (
  create_train_state,
  Discriminator,
  TrainState,
)
from inpaint_jax.training.writer import Writer


class DivergedError(errors.UserError):
  """A loss or a gradient is not finite."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
  """The result of a training that reached its end.

  Attributes:
    seconds: time spent in training and validation, over all starts.
    images_per_second: median of the rates that this start logged after the
      first one, None if there were none.
  """

  state: TrainState
  seconds: float
  images_per_second: float | None


def is_time(step: int, every: int, *, first: bool = False) -> bool:
  """Returns whether something is due after `step`; every=0 means never."""
  return (first and step == 1) or (every > 0 and step % every == 0)


def train_and_evaluate(
  config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]
) -> TrainState:
  """Trains a run as `train` does, tests its best epoch, prints the results."""
  result = train(config, workdir)
  workdir = user_paths.local(workdir, 'workdir')
  report = evaluate.evaluate(workdir)
  console.show_end(workdir, report, result.seconds)
  return result.state


def train(
  config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]
) -> TrainingResult:
  """Trains a run, or continues it, to its end; does not test it.

  Raises:
    DivergedError: a loss or a gradient is not finite.
    errors.UserError: anything else that the user can fix; saved files are
      complete.
  """
  config = mask_folder.with_digest(config)
  # First, so that a mistake in the config leaves no folder behind.
  input_pipeline.check(config)
  setup = create_setup(config)
  if (line := describe_own_fields(config)) and distributed.is_first():
    print(line)
  with (
    workdirs.disk_full_as_user_error(workdir),
    workdirs.locked_workdir(workdir, config) as path,
  ):
    return _Loop(setup, path).run()


def create_step(
  setup: Setup, num_steps: int
) -> tuple[Callable[..., TrainState], train_step.TrainStep]:
  """Returns the functions that create the first state and make a step.

  Args:
    num_steps: steps of the whole run, on which learning rate schedules depend.

  Returns:
    Two jitted functions: seed -> the state before the first step, on all
    devices; and (state, batch, seed) -> (state, metrics), which donates the
    state.
  """
  config = setup.config
  tx = optimizers.create_optimizer(config.optimizer, num_steps)
  discriminator = None
  if setup.discriminator:
    judge_tx = optimizers.create_optimizer(
      config.discriminator.optimizer, num_steps, 'discriminator.optimizer'
    )
    discriminator = Discriminator(setup.discriminator, judge_tx)
  create_state = functools.partial(
    create_train_state,
    setup.model,
    tx,
    image_size=config.data.image_size,
    ema_decay=config.ema_decay,
    discriminator=discriminator,
  )
  step = train_step.make_train_step(
    setup.model, tx, setup.loss, setup.sampler, config, discriminator
  )
  everywhere = sharding.replicated(setup.mesh)
  return (
    jax.jit(create_state, out_shardings=everywhere),
    jax.jit(step, donate_argnums=0, out_shardings=everywhere),
  )


class _Loop:
  """One start of a run: training, logging, validation, checkpoints."""

  def __init__(self, setup: Setup, workdir: pathlib.Path):
    config, mesh = setup.config, setup.mesh
    self._config, self._mesh = config, mesh
    self._workdir = workdir
    self._latest = checkpoints.open_manager(workdir, 'latest')
    self._best = checkpoints.open_manager(workdir, 'best')
    trained = None
    if config.init_from and self._latest.latest_step() is None:
      # The dataset may take minutes; that there is no such model is said first.
      trained = zoo.load(config.init_from, sharding.replicated(mesh))

    with distributed.first_before_others('dataset'):
      dataset = input_pipeline.load(config.data, workdir / 'dataset.json')
    self._splits = feed.cache_splits(dataset.splits, config.data, mesh)
    self._steps_per_epoch = input_pipeline.steps_per_epoch(
      len(self._splits['train']), config.batch_size
    )
    self._num_steps = self._steps_per_epoch * config.num_epochs

    self._schedule = optimizers.create_schedule(
      config.optimizer, self._num_steps
    )
    self._create_state, self._train_step = create_step(setup, self._num_steps)
    self._eval_step = evaluate.make_eval_step(
      setup.model, setup.loss, setup.sampler, config
    )
    # An array, so that runs of other seeds share the compiled programs.
    self._seed = np.uint32(config.seed)

    self._state, self._progress = self._restore_or_create(trained)
    self._step = int(self._state.step)

    # All processes make the same steps; only the first one logs them.
    self._writer: Writer | None = None
    self._columns = columns.list_columns(config)
    if distributed.is_first():
      self._writer = Writer(workdir, self._columns, self._step)
    self._console = console.Console(
      self._step, self._num_steps, config.batch_size
    )
    self._profiler = profiler.Profiler(config.profile, workdir / 'profile')
    # Metrics of the newest step on the device, and those that were last read.
    self._unread: dict[str, jax.Array] = {}
    self._values: dict[str, float] = {}
    # A signal that any process got, 0 if none; with several processes it is
    # read with the metrics.
    self._signal = 0
    # Images per second, as logged, and the seconds since the last log that the
    # loop waited for batches.
    self._rates: list[float] = []
    self._waited = 0.0

  def run(self) -> TrainingResult:
    """Trains to the last step or an early stop; exits after a signal."""
    try:
      with interrupts.deferred() as stop, contextlib.closing(self._console):
        self._train(stop)
    finally:
      self._profiler.close()
      if self._writer:
        self._writer.close()
      self._latest.close()
      self._best.close()
    # A signal may have come after the last step had checked for one.
    self._signal = int(sharding.largest(stop.signal or 0, self._mesh))
    if self._signal:
      self._exit()
    # The time of the first rate includes compilation.
    rates = self._rates[1:]
    return TrainingResult(
      self._state,
      self._progress.seconds,
      statistics.median(rates) if rates else None,
    )

  def _train(self, stop: interrupts.Stop) -> None:
    config = self._config
    if self._progress.best_loss is not None and not self._best.all_steps():
      self._replace_best()
    batches = feed.device_batches(
      self._splits['train'], config, self._mesh, start_step=self._step
    )
    while self._step < self._num_steps and not self._is_stale():
      self._profiler.begin_step()
      batch, waited = next(batches)
      self._waited += waited
      self._state, values = self._train_step(self._state, batch, self._seed)
      self._profiler.end_step(values)
      # The devices compute this step while the metrics of the one before it
      # are read.
      self._read_metrics()
      self._unread, self._step = values, self._step + 1
      self._console.advance()
      if jax.process_count() > 1:
        # Read a step later, with the metrics: no process waits for it, and all
        # stop after the same step.
        self._unread['signal'] = sharding.largest(stop.signal or 0, self._mesh)

      ends_epoch = self._step % self._steps_per_epoch == 0
      if ends_epoch or is_time(self._step, config.log_every_steps, first=True):
        self._log(ends_epoch)
      if jax.process_count() == 1:
        self._signal = stop.signal or 0
      if (
        ends_epoch
        or self._signal
        or is_time(self._step, config.checkpoint_every_steps)
      ):
        self._save()
      if self._signal:
        self._exit()

  def _restore_or_create(
    self, trained: trained_model.TrainedModel | None
  ) -> tuple[TrainState, starts.Progress]:
    """Returns the latest checkpoint of the run, or a new state.

    Args:
      trained: the model that config.init_from names, for a new state.
    """
    config, mesh = self._config, self._mesh
    # With shardings, since the function is jitted with some.
    shapes = jax.eval_shape(self._create_state, self._seed)
    count = models.count_parameters(shapes.params)
    print(
      f'{config.model.name}: {count:,} parameters, '
      f'{count * 4 / 1e6:.1f} MB; {self._num_steps} steps of '
      f'{config.batch_size} images, {self._steps_per_epoch} an epoch, on '
      f'{mesh.size} {jax.default_backend()} device(s) of '
      f'{jax.process_count()} process(es)'
    )
    found = starts.restore(
      self._workdir,
      self._latest,
      self._best,
      shapes,
      self._steps_per_epoch,
      mesh,
    )
    if found is not None:
      return found
    state = self._create_state(self._seed)
    if trained is not None:
      variables = starts.take_over(trained, config, state.variables())
      state = state.with_variables(variables)
    return state, starts.Progress()

  def _is_stale(self) -> bool:
    patience = self._config.early_stopping_patience
    return 0 < patience <= self._progress.stale_epochs

  def _exit(self) -> NoReturn:
    self._console.print(
      f'{signal.Signals(self._signal).name}: saved step {self._step}; the '
      'same command goes on from there'
    )
    sys.exit(128 + self._signal)

  def _read_metrics(self) -> None:
    """Waits for the metrics of the newest step, and checks them."""
    if not self._unread:
      return
    self._values = {name: float(x) for name, x in self._unread.items()}
    self._unread = {}
    self._signal = int(self._values.pop('signal', self._signal))
    for name, value in self._values.items():
      self._check_finite(name, value)
    self._progress.window.append(self._values['loss'])

  def _check_finite(self, name: str, value: float) -> None:
    if not math.isfinite(value):
      saved = self._latest.latest_step()
      # Of two networks, the model still makes an image if it is not at fault.
      names = ('pixel', 'discriminator', 'discriminator_grad_norm')
      pixel, *judge = (math.isfinite(self._values.get(x, 0)) for x in names)
      is_judge = pixel and not all(judge)
      section = 'discriminator.optimizer' if is_judge else 'optimizer'
      advice = (
        f'lower {section}.learning_rate or set {section}.clip_norm in a new '
        'workdir'
      )
      loss = self._values.get('loss', math.nan)
      if name.startswith('val/') and math.isfinite(loss):
        advice += ', or choose another best_metric if that one is at fault'
      raise DivergedError(
        f'{name} is {value} at step {self._step}; {advice}; '
        + (
          f'the checkpoint of step {saved} is good'
          if saved
          else 'nothing had been saved'
        )
      )

  def _log(self, ends_epoch: bool) -> None:
    """Writes a row of train metrics; validates first if an epoch ended."""
    self._read_metrics()
    window, self._progress.window = self._progress.window, []
    values = self._values | {
      'loss': math.fsum(window) / len(window),
      'learning_rate': float(self._schedule(self._step - 1)),
    }
    names = (x for x in self._columns if x.startswith('train/'))
    row = {x: values[x.removeprefix('train/')] for x in names}
    timed = self._console.log_train(self._step, row, self._waited)
    self._waited = 0.0
    self._rates.append(timed['train/images_per_second'])
    if ends_epoch:
      row |= self._validate()
    if self._writer:
      self._writer.scalars(self._step, timed)
      self._writer.row(self._step, row)

  def _validate(self) -> dict[str, float]:
    """Validates the epoch that ended, writes its samples, saves the best."""
    config, step = self._config, self._step
    epoch = step // self._steps_per_epoch
    row, samples = self._measure()
    if samples and self._writer:
      grid = evaluate.sample_grid(**samples)
      path = self._workdir / 'samples' / f'epoch_{epoch:03d}.png'
      grids.write_png(path, grid)
      self._writer.image(step, 'val/samples', grid)
    is_best = self._progress.add_epoch(self._score(row))
    self._console.log_epoch(epoch, config.num_epochs, row, is_best)
    if is_best:
      self._save_best(row)
    elif self._is_stale():
      self._console.print(
        f'early stop: {self._progress.stale_epochs} epochs without a better '
        f'{config.best_metric}'
      )
    return row

  def _measure(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Returns mean metrics on the validation split, and its first images."""
    variables, val = self._state.variables(), self._splits['val']
    measured, samples = evaluate.evaluate_split(
      self._eval_step, variables, val, self._config, self._mesh
    )
    row = {f'val/{name}': float(x.mean()) for name, x in measured.items()}
    for name in {'val/loss', self._config.best_metric}:
      self._check_finite(name, row[name])
    return row, samples

  def _score(self, row: Mapping[str, float]) -> float:
    """Returns the number that is smallest in the best epoch."""
    best_metric = self._config.best_metric
    return metrics.badness(best_metric, row[best_metric])

  def _replace_best(self) -> None:
    """Replaces a best checkpoint that was deleted.

    Saves this epoch if it has just ended, else lets the next one be the best.
    """
    self._console.print(
      f'{self._best.directory} has no checkpoint any more: the best epoch from '
      'here on will be kept'
    )
    if self._step % self._steps_per_epoch:
      self._progress.best_loss = None
      return
    row, _ = self._measure()
    self._progress.best_loss = self._score(row)
    self._save_best(row)

  def _save_best(self, row: dict[str, float]) -> None:
    variables = self._state.variables()
    info = {'epoch': self._step // self._steps_per_epoch, **row}
    checkpoints.save(self._best, self._step, variables, info)

  def _save(self) -> None:
    """Saves the state; metrics.csv already has all rows up to this step."""
    self._read_metrics()
    self._progress.seconds += self._console.lap()
    checkpoints.save(
      self._latest, self._step, self._state, dataclasses.asdict(self._progress)
    )
    if self._writer:
      seconds = {'train/seconds': self._progress.seconds}
      self._writer.scalars(self._step, seconds)
