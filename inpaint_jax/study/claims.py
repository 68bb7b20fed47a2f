"""Who runs what: a claim is a file in a run's folder.

Several processes, on several machines that share a workdir, take free runs. The
files are claim.1, claim.2, ...; the one with the highest number counts. It is
held as long as its holder touches it; a claim that is stale is taken over by
creating the next number, which only one of several takers can do. No taker
renames or deletes a file, so that nothing can hit a claim that is newer than
what it looked at. A holder that finds a newer claim has been given up on.

What this relies on: that one process alone can create a file exclusively, that
modification times advance, and that other machines see both within a minute or
so. This holds for local disks and for NFS since its version 3. Clocks need not
agree: ages are measured by the clock of the file system.
"""

from collections.abc import Callable
import contextlib
import json
import os
import pathlib
import platform
import tempfile
import threading
import time
from typing import NamedTuple

# Far above the interval between two touches, and above the time for which NFS
# clients keep what they know of a file.
STALE_SECONDS = 300.0
TOUCH_SECONDS = 15.0


class Holder(NamedTuple):
  """Who holds a claim.

  Attributes:
    host: name of the machine, '' if the file does not say.
    pid: of the process, 0 if the file does not say.
    seconds: since the claim was touched.
    is_stale: whether it can be taken over.
  """

  host: str
  pid: int
  seconds: float
  is_stale: bool


class Claim:
  """A claim of this process, touched by a thread until it is released."""

  def __init__(self, path: pathlib.Path, on_lost: Callable[[], None]):
    self._path = path
    self._on_lost = on_lost
    self._ended = threading.Event()
    self._thread = threading.Thread(target=self._touch, daemon=True)
    self._thread.start()

  def is_ours(self) -> bool:
    """Returns whether no other process has taken it over."""
    return _newest(self._path.parent) == self._path

  def release(self) -> None:
    """Makes the run free for others at once."""
    self._end()
    # Not deleted: a taker that looks at it now would find another one gone.
    with contextlib.suppress(FileNotFoundError):
      os.utime(self._path, (0, 0))

  def remove(self) -> None:
    """Deletes the claims of a run whose result is written."""
    self._end()
    for path in self._path.parent.glob('claim.*'):
      path.unlink(missing_ok=True)

  def _end(self) -> None:
    self._ended.set()
    self._thread.join()

  def _touch(self) -> None:
    while not self._ended.wait(TOUCH_SECONDS):
      try:
        # Without times, a file server sets its own.
        os.utime(self._path)
      except FileNotFoundError:
        self._on_lost()
        return
      if not self.is_ours():
        self._on_lost()
        return


def take(folder: pathlib.Path, on_lost: Callable[[], None]) -> Claim | None:
  """Claims a run; None if another process holds it.

  Whoever gets a claim looks again whether the run is finished: another may have
  finished it since.

  Args:
    folder: of the run; made if it is not there.
    on_lost: called, in another thread, if the claim is taken over, which
      happens to a process that was stopped for STALE_SECONDS.
  """
  folder.mkdir(parents=True, exist_ok=True)
  path, number = _newest(folder), 0
  if path:
    if not _read(path, _now(folder)).is_stale:
      return None
    number = _number(path)
  path = folder / f'claim.{number + 1}'
  try:
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
  except FileExistsError:
    return None
  with os.fdopen(file, 'w') as stream:
    json.dump({'host': platform.node(), 'pid': os.getpid()}, stream)
  return Claim(path, on_lost)


def holder(folder: pathlib.Path) -> Holder | None:
  """Returns who holds or held a run, None if nobody; writes nothing."""
  path = _newest(folder)
  return _read(path, time.time()) if path else None


def _newest(folder: pathlib.Path) -> pathlib.Path | None:
  return max(folder.glob('claim.[0-9]*'), key=_number, default=None)


def _number(path: pathlib.Path) -> int:
  return int(path.name.removeprefix('claim.'))


def _now(folder: pathlib.Path) -> float:
  """Returns the time of the file system, which may be another machine's."""
  with tempfile.TemporaryFile(dir=folder) as file:
    return os.fstat(file.fileno()).st_mtime


def _read(path: pathlib.Path, now: float) -> Holder:
  host, pid = '', 0
  try:
    seconds = now - path.stat().st_mtime
    # Empty for a moment, while its holder writes it.
    fields = json.loads(path.read_text() or '{}')
    host, pid = str(fields.get('host', '')), int(fields.get('pid', 0))
  except FileNotFoundError:
    seconds = float('inf')
  except ValueError:
    pass
  is_dead = host == platform.node() and not _is_alive(pid)
  return Holder(host, pid, seconds, is_dead or seconds > STALE_SECONDS)


def _is_alive(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    return True
  return True
