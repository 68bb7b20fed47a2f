"""Writes a jax.profiler trace of a few training steps."""

import contextlib
import pathlib
from typing import Any

import jax
import ml_collections

from inpaint_jax.system import distributed


class Profiler:
  """Traces the steps that the section `profile` of a config names.

  TensorBoard's profile plugin shows the trace; https://ui.perfetto.dev opens
  its perfetto_trace.json.gz. Only the first process writes one.
  """

  def __init__(self, config: ml_collections.ConfigDict, folder: pathlib.Path):
    """Does not write to `folder` yet."""
    self._folder = folder
    self._first = config.skip_steps + 1
    self._last = config.skip_steps + config.num_steps
    self._step = 0
    self._trace = contextlib.ExitStack()

  def begin_step(self) -> None:
    """Starts the trace if the step that begins is its first."""
    self._step += 1
    is_first = self._step == self._first <= self._last
    if is_first and distributed.is_first():
      self._trace.enter_context(
        jax.profiler.trace(self._folder, create_perfetto_trace=True)
      )

  def end_step(self, outputs: Any) -> None:
    """Waits for `outputs` and writes the trace if its last step ended."""
    if self._first <= self._step == self._last:
      jax.block_until_ready(outputs)
      self._trace.close()

  def close(self) -> None:
    """Writes the trace if it is still running; says so if none was begun."""
    self._trace.close()
    if 0 < self._step < self._first <= self._last and distributed.is_first():
      print(
        f'no trace: the training ended after {self._step} steps, of which '
        f'profile.skip_steps={self._first - 1} are skipped; lower it'
      )
