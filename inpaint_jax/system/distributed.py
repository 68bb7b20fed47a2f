"""Several processes that train one run together, on one machine or on many."""

from collections.abc import Iterator
import contextlib
import io
import itertools
import os
import re
import sys
from typing import Any

import jax

# Barriers of JAX's service can wait for any time, those of multihost_utils
# cannot, see WORKSPACE.md; but they have no public interface.
from jax._src import distributed as jax_distributed

from inpaint_jax.system import devices, errors

# A process that sends no heartbeat for this time counts as dead.
HEARTBEAT_SECONDS = 30
# A process that ends, even by an error, waits this long for the others to end;
# then the service ends them.
SHUTDOWN_SECONDS = 10
_YEAR_MS = 365 * 24 * 3600 * 1000

_barrier_numbers = itertools.count()


def is_first() -> bool:
  """Returns whether this process is the one that writes and prints."""
  return jax.process_index() == 0


def barrier(name: str) -> None:
  """Waits for all processes, which must reach the same barriers in order."""
  if jax.process_count() > 1:
    client: Any = jax_distributed.global_state.client
    number = next(_barrier_numbers)
    client.wait_at_barrier(f'inpaint_jax/{number}/{name}', _YEAR_MS)


@contextlib.contextmanager
def first_before_others(name: str) -> Iterator[None]:
  """Runs the block in the first process, then in all the others at once."""
  if not is_first():
    barrier(name)
  yield
  if is_first():
    barrier(name)


@contextlib.contextmanager
def joined(
  coordinator_address: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> Iterator[None]:
  """Connects this process with the others during the block.

  The block must begin before JAX is used. Standard output of all processes but
  the first is discarded. If one process fails or dies, the others end within a
  minute.

  Args:
    coordinator_address: HOST:PORT of process 0; None = ask the cluster.

  Raises:
    errors.UserError: the arguments do not fit together, or the processes do not
      find each other.
  """
  _check_arguments(coordinator_address, num_processes, process_id)
  # JAX's preemption service would take over SIGTERM, see `interrupts`.
  jax.config.update('jax_enable_preemption_service', False)
  try:
    jax.distributed.initialize(
      coordinator_address,
      num_processes,
      process_id,
      cluster_detection_method='deactivate' if coordinator_address else None,
      heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
      shutdown_timeout_seconds=SHUTDOWN_SECONDS,
    )
  # Of many types: an unknown cluster, a port in use, a host without a name.
  except Exception as error:
    reason = errors.one_line(error)
    if coordinator_address is None:
      raise errors.UserError(
        f'found no Slurm, Open MPI, GKE or Cloud TPU, or no way in it ({reason}'
        '); give coordinator_address=HOST:PORT of process 0, num_processes=N '
        'and process_id=I'
      ) from error
    raise errors.UserError(
      f'the processes did not find each other at {coordinator_address} '
      f'({reason}); start all of them, with the same address of process 0'
    ) from error
  devices.check_any()
  with contextlib.ExitStack() as stack:
    if is_first():
      # What is in the buffer would be lost if JAX aborts this process.
      if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    else:
      nowhere = stack.enter_context(open(os.devnull, 'w', errors='ignore'))
      stack.enter_context(contextlib.redirect_stdout(nowhere))
    try:
      yield
    except SystemExit:  # After a signal, all stop after the same step.
      _leave()
      raise
    _leave()


def _check_arguments(
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
) -> None:
  """Raises a UserError unless all three are None or fit together."""
  if coordinator_address is None or num_processes is None or process_id is None:
    if coordinator_address is num_processes is process_id is None:
      return
    raise errors.UserError(
      f'found coordinator_address={coordinator_address}, num_processes='
      f'{num_processes} and process_id={process_id}; give all three, or '
      'distributed=true alone under Slurm, Open MPI, GKE or on Cloud TPU'
    )
  if not re.fullmatch(r'.+:\d+', coordinator_address):
    raise errors.UserError(
      f'coordinator_address={coordinator_address} has no port; wanted '
      'HOST:PORT of process 0, as 10.0.0.1:1234'
    )
  if not 0 <= process_id < num_processes:
    raise errors.UserError(
      f'process_id={process_id} is none of the num_processes={num_processes} '
      'processes; they count from 0'
    )


def _leave() -> None:
  """Disconnects from the other processes once all have finished."""
  barrier('end')
  jax.distributed.shutdown()
