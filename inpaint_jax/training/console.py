"""What a run shows on the terminal."""

from collections.abc import Mapping
import pathlib
import shlex
import sys
import time
from typing import Any

import tqdm

from inpaint_jax.system import distributed, terminal


class Console:
  """A progress bar, lines above it, and a clock."""

  def __init__(self, step: int, num_steps: int, batch_size: int):
    """Shows the bar."""
    self._num_steps = num_steps
    self._batch_size = batch_size
    self._bar = tqdm.tqdm(
      initial=step,
      total=num_steps,
      desc='training',
      bar_format='{desc} {percentage:3.0f}% |{bar}| step {n_fmt}/{total_fmt}'
      '{postfix} [{elapsed} gone, {remaining} left]',
      dynamic_ncols=True,
      disable=not distributed.is_first(),
      mininterval=terminal.bar_interval(),
    )
    self._lap = self._since = time.monotonic()
    self._steps = 0

  def close(self) -> None:
    """Leaves the bar as it is."""
    self._bar.close()

  def print(self, line: str) -> None:
    """Prints a line above the bar."""
    self._bar.write(line)
    sys.stdout.flush()

  def advance(self) -> None:
    """Moves the bar by a step."""
    self._steps += 1
    self._bar.update()

  def lap(self) -> float:
    """Returns the seconds since the last call, or since the start."""
    before, self._lap = self._lap, time.monotonic()
    return self._lap - before

  def log_train(
    self, step: int, row: Mapping[str, float], waited: float
  ) -> dict[str, float]:
    """Prints train metrics, and returns the speed since the last log.

    `waited` is the time since then that the loop waited for batches, in s.
    """
    elapsed = max(time.monotonic() - self._since, 1e-9)
    rate = self._steps * self._batch_size / elapsed
    self._bar.set_postfix_str(
      f'loss {row["train/loss"]:.4g}, {rate:.1f} images/s', refresh=False
    )
    self.print(f'step {step}/{self._num_steps}  {_values(row)}')
    self._restart()
    return {
      'train/images_per_second': rate,
      'train/input_wait': waited / elapsed,
    }

  def log_epoch(
    self, epoch: int, num_epochs: int, row: Mapping[str, float], is_best: bool
  ) -> None:
    """Prints the validation of an epoch."""
    best = '  (best so far)' if is_best else ''
    self.print(f'epoch {epoch}/{num_epochs}  {_values(row)}{best}')
    self._restart()

  def _restart(self) -> None:
    self._since, self._steps = time.monotonic(), 0


def _values(row: Mapping[str, float]) -> str:
  return '  '.join(f'{name} {value:.4g}' for name, value in row.items())


def show_end(
  workdir: pathlib.Path, report: Mapping[str, Any], seconds: float
) -> None:
  """Prints where the results of a run are and what to do with them."""
  best = workdir / 'checkpoints' / 'best' / str(report['step'])
  samples = workdir / 'samples'
  # With num_samples = 0 there are none.
  samples_line = f'  samples     {samples}\n' if samples.exists() else ''
  flag = shlex.quote(f'--workdir={workdir}')
  logdir = shlex.quote(f'--logdir={workdir}')
  print(
    f"""
trained for {seconds:.0f} s; the best epoch is number {report['epoch']}
  checkpoint  {best}
  curves      {workdir / 'metrics.csv'}; tensorboard {logdir}
{samples_line}  metrics     {workdir / 'test_metrics.json'}

To inpaint a photo with it; the mask is white where the hole is:
  inpaint-jax {flag} photo.jpg mask.png out.png""",
    flush=True,
  )
