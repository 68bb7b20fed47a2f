"""Programs, started as a user starts them: their time and their memory."""

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any, IO, NamedTuple

from inpaint_jax.speed import cases, memory
from inpaint_jax.system import errors


class Lines(NamedTuple):
  """What a program printed.

  Attributes:
    lines: (seconds since the start, text) of each.
    peak_bytes: its memory, None where the system does not tell.
  """

  lines: list[tuple[float, str]]
  peak_bytes: int | None


class Usage(NamedTuple):
  """What a program took from start to end.

  Attributes:
    seconds: of the clock.
    cpu_seconds: of all cores together.
    peak_bytes: its memory, None where the system does not tell.
  """

  seconds: float
  cpu_seconds: float
  peak_bytes: int | None


def lines_of(
  command: Sequence[str],
  root: pathlib.Path,
  env: Mapping[str, str],
  until: str = '',
) -> Lines:
  """Runs a Python program and notes when it prints what.

  Args:
    command: the program, below `root`, and its flags.
    root: the checkout, in which it runs.
    env: what is added to the environment.
    until: a line with this ends the program, by SIGTERM; '' = let it end.

  Raises:
    errors.UserError: it failed, or ended without that line.
  """
  lines: list[tuple[float, str]] = []
  peak, found = None, False
  with tempfile.TemporaryFile('w+') as log:
    start = time.perf_counter()
    process = _start(command, root, env, stdout=subprocess.PIPE, stderr=log)
    try:
      for line in process.stdout:
        lines.append((time.perf_counter() - start, line.rstrip('\n')))
        peak = memory.peak(process.pid) or peak
        found = bool(until) and until in line
        if found:
          process.terminate()
          break
    except BaseException:
      process.terminate()
      raise
    finally:
      process.communicate()
    if (until and not found) or (not until and process.returncode):
      raise _failed(command, log, process.returncode)
  return Lines(lines, peak)


def usage_of(command: Sequence[str], root: pathlib.Path) -> Usage:
  """Runs a Python program to its end; arguments and errors as in lines_of."""
  with tempfile.TemporaryFile('w+') as log:
    start = time.perf_counter()
    process = _start(command, root, {}, stdout=subprocess.DEVNULL, stderr=log)
    peak, ended = None, 0
    try:
      while not ended:
        time.sleep(0.02)
        peak = memory.peak(process.pid) or peak
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    except BaseException:
      process.terminate()
      raise
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
      raise _failed(command, log, process.returncode)
  return Usage(seconds, used.ru_utime + used.ru_stime, peak)


def measure(
  case: cases.Case,
  mode: str,
  root: pathlib.Path,
  *,
  num_threads: int,
  seconds: float = 0.0,
  rounds: int = 0,
  onnx_path: pathlib.Path | None = None,
  count_flops: bool = False,
) -> dict[str, Any]:
  """Returns what child.py answers on a case in a mode.

  Args:
    case: what to do.
    mode: see cases.create.
    root: the checkout.
    num_threads: of PyTorch.
    seconds: to spend on it, see timing.interleave.
    rounds: see there.
    onnx_path: see cases.create.
    count_flops: whether to do that as well.

  Raises:
    errors.UserError: it failed, as when memory did not suffice.
  """
  request = {
    'kind': case.kind,
    'config': case.config.to_dict(),
    'size': case.size,
    'batch': case.batch,
    'mode': mode,
    'num_threads': num_threads,
    'seconds': seconds,
    'rounds': rounds,
    'onnx_path': onnx_path and str(onnx_path),
    'count_flops': count_flops,
  }
  command = ['-m', 'inpaint_jax.speed.child', json.dumps(request)]
  return json.loads(lines_of(command, root, {}).lines[-1][1])


def _start(
  command: Sequence[str],
  root: pathlib.Path,
  env: Mapping[str, str],
  **streams: Any,
) -> subprocess.Popen:
  return subprocess.Popen(
    [sys.executable, *command],
    cwd=root,
    env={**os.environ, **env},
    stdin=subprocess.DEVNULL,
    text=True,
    **streams,
  )


def _failed(
  command: Sequence[str], log: IO[str], code: int
) -> errors.UserError:
  """Returns the error of a program that failed, with its last line."""
  log.seek(0)
  lines = [line for line in log.read().splitlines() if line.strip()]
  last = lines[-1].strip()[:200] if lines else 'it said nothing'
  reason = last.removeprefix('error: ')
  if code < 0:
    reason = f'killed by signal {-code}, as for want of memory'
  name = ' '.join(command[:2]) if command[0] == '-m' else command[0]
  return errors.UserError(f'{name} ended with code {code}: {reason}')
