"""Standard output and standard error that take any text and may be closed."""

from collections.abc import Iterator
import contextlib
import io
import os
import sys
from typing import Any


class OutputClosed(BaseException):
  """The output cannot be written any more.

  Its text is '' if nobody reads on, as after `| head -1`, and otherwise the
  reason, such as a full disk. It is not an OSError, since a command might then
  believe that one of its files cannot be written.
  """


class _Raw(io.FileIO):
  """A file that raises OutputClosed if it cannot be written."""

  def write(self, data: Any) -> int:
    try:
      return super().write(data)
    except OSError as error:
      # Discard what is still in buffers.
      with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), self.fileno())
      is_closed = isinstance(error, BrokenPipeError)
      raise OutputClosed('' if is_closed else error.strerror) from None


def prepare() -> None:
  """Prepares standard output and error for any text, and for being closed.

  - Characters that they cannot show, as in file names, are escaped.
  - A closed pipe or a full disk raises OutputClosed.
  - If they are closed from the start, what is printed is discarded; it would
    otherwise go into the next file that is opened.
  """
  for descriptor in range(3):
    try:
      os.fstat(descriptor)
    except OSError:
      os.open(os.devnull, os.O_RDWR)  # Takes the lowest free number.
  sys.stdout = _stream(sys.stdout, 1)
  sys.stderr = _stream(sys.stderr, 2)


def _stream(stream: Any, descriptor: int) -> Any:
  if stream is None:
    return open(os.devnull, 'w', errors='ignore')
  if not isinstance(stream, io.TextIOWrapper):
    return stream  # The stream of a notebook or a test.
  stream.flush()
  raw = _Raw(descriptor, 'w', closefd=False)
  # Unbuffered if Python was started with -u.
  buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)
  return io.TextIOWrapper(
    buffer,
    stream.encoding,
    'backslashreplace',
    line_buffering=stream.line_buffering,
    write_through=stream.write_through,
  )


@contextlib.contextmanager
def quiet_end() -> Iterator[None]:
  """Ends the process if the block raises OutputClosed.

  It prints no message if nobody reads on.
  """
  try:
    try:
      yield
    finally:
      sys.stdout.flush()
      sys.stderr.flush()
  except OutputClosed as error:
    if reason := str(error):
      print(f'error: standard output: {reason}', file=sys.stderr, flush=True)
      os._exit(1)
    # The exit code that a shell shows for a program that SIGPIPE ended.
    os._exit(128 + 13)


def bar_interval() -> float:
  """Returns the least seconds between two updates of a progress bar.

  A log file gets a line now and then, not ten a second.
  """
  return 0.2 if sys.stderr.isatty() else 10
