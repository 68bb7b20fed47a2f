"""Writes the metrics of a run as metrics.csv and as TensorBoard events."""

from collections.abc import Mapping, Sequence
import csv
import itertools
import pathlib
import sys
import time
from typing import Any

import numpy as np
from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2

from inpaint_jax.system import atomic_files


class Writer:
  """Writes metrics.csv and TensorBoard events.

  metrics.csv has no clock times, so that equal runs have equal files, whether
  they were interrupted or not.
  """

  def __init__(
    self, workdir: pathlib.Path, columns: Sequence[str], start_step: int
  ):
    """Opens the files, and removes rows of steps after `start_step`.

    Columns that only the earlier rows have, such as a metric that was removed
    since, are kept.
    """
    path = workdir / 'metrics.csv'
    rows = _rows_until(path, start_step)
    names = list(dict.fromkeys(['step', *columns, *(rows[0] if rows else [])]))
    with (
      atomic_files.replacing(path) as temporary,
      temporary.open('w', newline='') as file,
    ):
      rewritten = csv.DictWriter(file, names, lineterminator='\n')
      rewritten.writeheader()
      rewritten.writerows(rows)
    self._file = path.open('a', newline='')
    self._csv = csv.DictWriter(self._file, names, lineterminator='\n')
    # tensorboardX.SummaryWriter would write in a thread of its own, and the
    # loop would not see the error when the disk is full.
    self._events = event_file_writer.EventsWriter(str(workdir / 'events'))
    # Hides what an interrupted run logged after its checkpoint.
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._event(start_step + 1, session_log=start)

  def row(self, step: int, values: Mapping[str, float]) -> None:
    """Writes values of a step to metrics.csv and to TensorBoard."""
    # repr is the shortest text that reads back as the same number.
    texts = {name: repr(float(value)) for name, value in values.items()}
    self._csv.writerow({'step': step, **texts})
    self._file.flush()
    self.scalars(step, values)

  def scalars(self, step: int, values: Mapping[str, float]) -> None:
    """Writes values, such as clock times, only to TensorBoard."""
    for name, value in values.items():
      self._event(step, summary=summary.scalar(name, value))
    self._events.flush()

  def image(self, step: int, name: str, image: np.ndarray) -> None:
    """Writes a uint8 [H, W, 3] image to TensorBoard."""
    self._event(step, summary=summary.image(name, image, dataformats='HWC'))

  def _event(self, step: int, **content: Any) -> None:
    event = event_pb2.Event(wall_time=time.time(), step=step, **content)
    self._events.write_event(event)

  def close(self) -> None:
    """Writes what is still in memory, and closes the files."""
    self._file.close()
    self._events.close()


def _rows_until(path: pathlib.Path, last_step: int) -> list[dict[str, str]]:
  """Returns the rows of a metrics.csv up to a step, as {column: text}."""
  if not last_step:
    return []
  if not path.exists():
    line = f'{path} is missing; rows up to step {last_step} are lost'
    print(line, file=sys.stderr)
    return []
  # Damaged bytes damage no more than their row.
  with path.open(newline='', errors='replace') as file:
    text = file.read().replace('\0', '')
  names, *rows = list(csv.reader(text.splitlines())) or [[]]
  are_whole = [len(row) == len(names) and _are_numbers(row) for row in rows]
  # A killed run may leave a partial last row, of a step after its checkpoint.
  damaged = are_whole[:-1].count(False)
  if damaged:
    print(f'{path}: damaged rows left out: {damaged}', file=sys.stderr)
  return [
    dict(zip(names, row, strict=True))
    for row in itertools.compress(rows, are_whole)
    if int(row[0]) <= last_step
  ]


def _are_numbers(row: Sequence[str]) -> bool:
  """Returns whether a row has a step, and a number or nothing elsewhere."""
  try:
    for text in row[1:]:
      float(text or 0)
  except ValueError:
    return False
  return bool(row) and row[0].isdigit()
