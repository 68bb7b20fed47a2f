"""Runs programs in processes of their own; measures their time and memory."""

from collections.abc import Mapping, Sequence
from concurrent import futures
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from inpaint_jax.speed import cases, timing
from inpaint_jax.system import errors, machine

_ROOT = str(pathlib.Path(__file__).parents[2])


class Program(NamedTuple):
  """What a program printed, and the time and memory that it took.

  Attributes:
    lines: (seconds since the start, text) of each line.
    seconds: time from start to end.
    cpu_seconds: CPU time of all cores together.
    peak_bytes: peak memory, None if the system does not report it.
  """

  lines: list[tuple[float, str]]
  seconds: float
  cpu_seconds: float
  peak_bytes: int | None


def run_program(
  entry: str,
  args: Sequence[str],
  env: Mapping[str, str] | None = None,
  until: str = '',
) -> Program:
  """Calls an entry point, and records when it prints what.

  Args:
    entry: MODULE:FUNCTION.
    until: ends the program by SIGTERM after a line with this text; '' = lets
      it run to its end.

  Raises:
    errors.UserError: the program failed, or ended without that line.
  """
  module, name = entry.split(':')
  path = os.pathsep.join([_ROOT, *sys.path])
  lines: list[tuple[float, str]] = []
  peak, found = None, False
  used, start = os.times(), time.perf_counter()
  with tempfile.TemporaryFile('w+') as log:
    process = subprocess.Popen(
      [sys.executable, '-c', f'from {module} import {name}; {name}()', *args],
      env={**os.environ, 'PYTHONPATH': path, **(env or {})},
      stdin=subprocess.DEVNULL,
      stdout=subprocess.PIPE,
      stderr=log,
      text=True,
    )
    assert process.stdout is not None  # For mypy: a pipe was asked for.
    try:
      for line in process.stdout:
        lines.append((time.perf_counter() - start, line.rstrip('\n')))
        peak = machine.peak_bytes(process.pid) or peak
        found = bool(until) and until in line
        if found:
          process.terminate()
          break
    except BaseException:
      process.terminate()
      raise
    finally:
      process.communicate()
    if not found and (until or process.returncode):
      log.seek(0)
      *_, reason = ['it said nothing', *filter(str.strip, log)]
      reason = reason.strip().removeprefix('error: ')[:200]
      if process.returncode < 0:
        reason = 'it was killed, perhaps for lack of memory'
      raise errors.UserError(
        f'{entry} ended with code {process.returncode}: {reason}'
      )
  seconds, now = time.perf_counter() - start, os.times()
  cpu_seconds = sum(now[2:4]) - sum(used[2:4])  # Times of ended children.
  return Program(lines, seconds, cpu_seconds, peak)


def measure_alone(
  case: cases.Case, mode: str, seconds: float
) -> tuple[list[float], int | None]:
  """Measures a case in one of our modes in a process of its own.

  Returns:
    The seconds of each call, and the peak memory in bytes: that of the process
    or, on an accelerator, of its arrays; None if the system does not report it.

  Raises:
    errors.UserError: the process was killed. Its exceptions are raised here.
  """
  context = multiprocessing.get_context('spawn')
  with futures.ProcessPoolExecutor(1, context) as pool:
    try:
      return pool.submit(_measure, case, mode, seconds).result()
    except futures.BrokenExecutor as error:
      raise errors.UserError(
        'its process was killed, perhaps for lack of memory'
      ) from error


def _measure(
  case: cases.Case, mode: str, seconds: float
) -> tuple[list[float], int | None]:
  calls = {mode: cases.CREATE[case.kind](case, mode)}
  times = timing.interleave(calls, seconds=seconds)[mode]
  # On an accelerator, its memory is the one that may run out.
  return times, cases.peak_bytes_on_device() or machine.peak_bytes()
