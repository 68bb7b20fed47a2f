"""Several processes that train one run together, on one machine or on many.

The engine is JAX's: jax.distributed makes the processes know each other, XLA
moves the numbers. Here is what it leaves open: which process writes, who waits
for whom, and what is said when one of them ends before the others. XLA alone
would wait for it in some collectives, or abort with a stack trace.
"""

from collections.abc import Callable, Iterator
import contextlib
import ctypes
import itertools
import os
import re
import signal
import sys
import threading
import time
import traceback
from typing import NoReturn

import jax

# The service that processes meet at has no public face. Its barriers, unlike
# those of multihost_utils, can last as long as the building of a dataset.
from jax._src import distributed as jax_distributed

from inpaint_jax.system import errors

# A process that the others have not heard of for so long is taken for dead.
HEARTBEAT_SECONDS = 30
_YEAR_MS = 365 * 24 * 3600 * 1000
_ERROR = 'inpaint_jax/error'
_LOST = (
  'another process of this run has died or cannot be reached; see what the '
  'other hosts printed, and start the same command again on all of them: it '
  'goes on from the last checkpoint'
)
# What XLA says of a process that is gone, in its several layers.
_GONE = re.compile(
  r'gloo|nccl|coordination ?service|heartbeat|barrier|connection (closed|reset)'
  r'|socket closed|unhealthy',
  re.IGNORECASE,
)

_numbers = itertools.count()
_ended = threading.Event()
_one_speaks = threading.Lock()


def is_first() -> bool:
  """Returns whether this process is the one that writes and prints."""
  return jax.process_index() == 0


def barrier(name: str) -> None:
  """Waits until all processes are here; all come to the same ones in order."""
  if jax.process_count() > 1:
    _client().wait_at_barrier(f'inpaint_jax/{next(_numbers)}/{name}', _YEAR_MS)


@contextlib.contextmanager
def first_before_others(name: str) -> Iterator[None]:
  """The first process goes through the block alone, then all the others."""
  if not is_first():
    barrier(name)
  yield
  if is_first():
    barrier(name)


def check_flags(
  distributed: bool,
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
) -> bool:
  """Returns whether the flags ask for several processes.

  Raises:
    errors.UserError: they do not fit together.
  """
  named = {
    '--coordinator_address': coordinator_address,
    '--num_processes': num_processes,
    '--process_id': process_id,
  }
  given = [flag for flag, value in named.items() if value is not None]
  if distributed and given:
    raise errors.UserError(
      f'--distributed finds by itself what {given[0]} says; leave one of the '
      'two out'
    )
  if not given:
    return distributed
  missing = [flag for flag in named if flag not in given]
  if missing:
    raise errors.UserError(
      f'{given[0]} comes without {" and ".join(missing)}; give all three, or '
      '--distributed alone under Slurm, Open MPI, GKE or on Cloud TPU'
    )
  if not re.fullmatch(r'.+:\d+', coordinator_address):
    raise errors.UserError(
      f'--coordinator_address={coordinator_address} has no port; wanted '
      'HOST:PORT of process 0, as 10.0.0.1:1234'
    )
  if not 0 <= process_id < num_processes:
    raise errors.UserError(
      f'--process_id={process_id} is none of the --num_processes='
      f'{num_processes} processes; they count from 0'
    )
  return True


@contextlib.contextmanager
def joined(
  coordinator_address: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
  timeout_seconds: int = 300,
) -> Iterator[None]:
  """Within the block this process is one of several; before any use of JAX.

  They end together: after an error in one of them, each prints a line and
  leaves with exit code 1, without coming out of the block. Only the first one's
  standard output is shown.

  Args:
    coordinator_address: HOST:PORT of process 0, None = as the cluster says.
    num_processes: how many there are, None = as the cluster says.
    process_id: which one this is, None = as the cluster says.
    timeout_seconds: how long to wait for the others to start.

  Raises:
    errors.UserError: the processes do not find each other.
  """
  _start(coordinator_address, num_processes, process_id, timeout_seconds)
  watches = _watch()
  with contextlib.ExitStack() as stack:
    if jax_distributed.global_state.process_id:
      nowhere = stack.enter_context(open(os.devnull, 'w'))
      stack.enter_context(contextlib.redirect_stdout(nowhere))
    try:
      yield
    # All stop at the same step upon a signal: that is an end like any other.
    except SystemExit:
      _leave(watches)
      raise
    except Exception as error:
      _end_with(error)
    _leave(watches)


def _start(
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
  timeout_seconds: int,
) -> None:
  # It takes SIGTERM for itself; the loop has its own way to stop together.
  jax.config.update('jax_enable_preemption_service', False)
  named = coordinator_address is not None
  try:
    jax.distributed.initialize(
      coordinator_address,
      num_processes,
      process_id,
      cluster_detection_method='deactivate' if named else None,
      initialization_timeout=timeout_seconds,
      heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    )
  # Of many types: an unknown cluster, a port in use, a host without a name.
  except Exception as error:
    reason = errors.one_line(error, 200)
    if not named and re.search('(should|must) be defined', reason):
      raise errors.UserError(
        '--distributed found no Slurm, Open MPI, GKE or Cloud TPU around it; '
        'give --coordinator_address, --num_processes and --process_id'
      ) from error
    place = coordinator_address or 'the address that the cluster names'
    raise errors.UserError(
      f'the processes did not find each other at {place} ({reason}); see that '
      'all are started, with the same address, and that it is of process 0'
    ) from error


def _watch() -> list[threading.Thread]:
  """Starts the threads that end this process when another one has ended."""
  # JAX aborts a process that has lost another one, with a stack trace alone.
  # sleep(SIGABRT), which is sleep(6), holds the thread that aborts for as many
  # seconds, in which a thread below says in one line what has happened.
  libc = ctypes.CDLL(None)
  libc.signal.restype = ctypes.c_void_p
  libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
  libc.signal(signal.SIGABRT, ctypes.cast(libc.sleep, ctypes.c_void_p))
  client, own = _client(), jax_distributed.global_state.process_id
  waits = (
    lambda: client.blocking_key_value_get(_ERROR, _YEAR_MS),
    # Nobody else ever comes to this barrier: it fails when a process is gone.
    lambda: client.wait_at_barrier(f'inpaint_jax/watch/{own}', _YEAR_MS),
  )
  threads = [
    threading.Thread(target=_wait_for_end, args=(wait,), daemon=True)
    for wait in waits
  ]
  for thread in threads:
    thread.start()
  return threads


def _wait_for_end(wait: Callable[[], str | None]) -> None:
  try:
    reason = wait()
  except Exception:
    reason = None
  if not _ended.is_set():
    _exit(reason or _LOST)


def _leave(watches: list[threading.Thread]) -> None:
  """Parts from the others, which have come to their ends as well."""
  _ended.set()
  jax.distributed.shutdown()
  # A thread that came back from C++ as Python winds up would abort it.
  for thread in watches:
    thread.join(10)


def _end_with(error: Exception) -> NoReturn:
  """Ends all processes upon an error of this one."""
  if _is_loss(error):
    # If the other has told why it ended, a watch is about to say so.
    time.sleep(1)
    _exit(_LOST)
  own = jax_distributed.global_state.process_id
  if isinstance(error, errors.UserError):
    line = str(error)
  else:
    traceback.print_exception(error)
    line = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
  _ended.set()
  with contextlib.suppress(Exception):
    _client().key_value_set(_ERROR, f'process {own}: {line}')
    # The others read it from process 0.
    if own == 0 and jax_distributed.global_state.num_processes > 1:
      time.sleep(2)
  _exit(line)


def _is_loss(error: BaseException | None) -> bool:
  """Returns whether an error comes of another process that is gone."""
  while error is not None:
    # Gloo's errors come as ValueError, too.
    if isinstance(error, jax.errors.JaxRuntimeError | ValueError) and (
      not isinstance(error, errors.UserError) and _GONE.search(str(error))
    ):
      return True
    error = error.__cause__ or error.__context__
  return False


def _exit(line: str) -> NoReturn:
  # Never released: the first one who speaks ends the process.
  _one_speaks.acquire()
  print(f'error: {line}', file=sys.stderr)
  sys.stdout.flush()
  sys.stderr.flush()
  # Not sys.exit: winding up would wait for the processes that are gone.
  os._exit(1)


def _client():
  return jax_distributed.global_state.client
