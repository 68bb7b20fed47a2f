"""Standard output and standard error of a command, whatever they are."""

from collections.abc import Iterator
import contextlib
import io
import os
import sys
from typing import Any


class OutputClosed(BaseException):
  """Nobody reads the output any more, as after `| head -1`.

  Its text is the reason where another one is, as that a disk is full. It is no
  OSError, which a command might take for one of its files.
  """


class _Raw(io.FileIO):
  """A file descriptor that tells by OutputClosed that it cannot be written."""

  def write(self, data: Any) -> int:
    try:
      return super().write(data)
    except OSError as error:
      # What is still in buffers goes nowhere.
      with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), self.fileno())
      is_closed = isinstance(error, BrokenPipeError)
      raise OutputClosed('' if is_closed else error.strerror) from None


def prepare() -> None:
  """Makes standard output and error fit for any text and any end.

  - Characters that they cannot show, as in the names of files, are escaped.
  - A closed pipe or a full disk raises OutputClosed.
  - If they are closed from the start, what is printed goes nowhere, rather than
    into the next file that is opened.
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
    return stream  # That of a notebook or of a test.
  stream.flush()
  raw = _Raw(descriptor, 'w', closefd=False)
  # Unbuffered, as Python does it for python -u.
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
  """Ends the process where the block raises OutputClosed.

  It does so without a word if nobody reads on.
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
    # What a shell shows for a program that SIGPIPE ended.
    os._exit(128 + 13)
