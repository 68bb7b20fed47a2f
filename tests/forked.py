"""Starts processes without the seconds that importing JAX takes.

  python tests/forked.py

imports what commands import, but starts no device. It forks for each line of
stdin, a request in JSON. The fork then runs the program of the request, as an
ordinary process with its own flags, signals, devices and exit code.
"""

import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]


class Process:
  """A running program, whose output goes to files."""

  def __init__(self, server: 'Server', pid: int, folder: pathlib.Path):
    self.pid = pid
    self.returncode: int | None = None
    self._server = server
    self._files = folder / 'stdout', folder / 'stderr'

  def poll(self) -> int | None:
    """Returns the exit code, -N after signal N, None while it runs."""
    if self.returncode is None:
      self.returncode = self._server.ask(poll=self.pid)
    return self.returncode

  def wait_for(self, text: str) -> None:
    """Waits until stdout has a text, or the process has ended."""
    while self.poll() is None and text not in self._files[0].read_text():
      time.sleep(0.02)

  def communicate(self, timeout: float | None = None) -> list[str]:
    """Returns stdout and stderr, once the process has ended."""
    end = time.monotonic() + (timeout or float('inf'))
    while self.poll() is None:
      if time.monotonic() > end:
        raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
      time.sleep(0.02)
    return [file.read_text() for file in self._files]

  def send_signal(self, number: int) -> None:
    # No other process gets its id before poll has seen its end.
    if self.poll() is None:
      os.kill(self.pid, number)

  def kill(self) -> None:
    self.send_signal(signal.SIGKILL)


class Server:
  """The process that forks. It is started by the first request."""

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._process: subprocess.Popen | None = None
    self._count = 0

  def ask(self, **request) -> int | None:
    """Sends a request and returns the answer."""
    if self._process is None:
      self._process = subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        # Not the path of the test, which all later processes would inherit.
        env={**os.environ, 'PYTHONPATH': ''},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
      )
    self._process.stdin.write(json.dumps(request) + '\n')
    self._process.stdin.flush()
    return json.loads(self._process.stdout.readline())

  def start(self, *command, cwd=ROOT, env=None) -> Process:
    """Starts a Python program.

    Args:
      *command: a file, or -c and code, then arguments.
      cwd: the folder to start it in.
      env: its environment; None = that of the tests.
    """
    self._count += 1
    folder = self._folder / str(self._count)
    folder.mkdir()
    pid = self.ask(
      command=[str(x) for x in command],
      cwd=str(cwd),
      env=dict(os.environ if env is None else env),
      folder=str(folder),
    )
    return Process(self, pid, folder)

  def run(self, *command, **options) -> subprocess.CompletedProcess:
    """Starts a program and waits until it ends."""
    process = self.start(*command, **options)
    out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)

  def stop(self) -> None:
    if self._process is not None:
      self._process.communicate()


def _serve():
  """Serves requests. Returns its request in a fork, None in the server."""
  for line in sys.stdin:
    request = json.loads(line)
    if 'poll' in request:
      pid, status = os.waitpid(request['poll'], os.WNOHANG)
      answer = os.waitstatus_to_exitcode(status) if pid else None
    else:
      answer = os.fork()
      if answer == 0:
        return request
    print(json.dumps(answer), flush=True)
  return None


def _become(request):
  """Runs the program of a request in this process."""
  folder = pathlib.Path(request['folder'])
  streams = os.devnull, folder / 'stdout', folder / 'stderr'
  for number, path in enumerate(streams):
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.dup2(file, number)
    os.close(file)
  os.chdir(request['cwd'])
  os.environ.clear()
  os.environ.update(request['env'])
  first, *rest = request['command']
  paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
  if first == '-c':
    sys.argv = ['-c', *rest[1:]]
    sys.path[:0] = ['', *paths]
    exec(rest[0], {'__name__': '__main__'})
  else:
    sys.argv = [first, *rest]
    sys.path[:0] = [os.path.dirname(os.path.abspath(first)), *paths]
    runpy.run_path(first, run_name='__main__')


def main():
  # The heaviest import of all commands.
  from inpaint_jax.training import train

  del train
  request = _serve()
  if request is not None:
    _become(request)


if __name__ == '__main__':
  # Python put the folder of this script there, which programs must not see.
  sys.path[0] = str(ROOT)
  main()
