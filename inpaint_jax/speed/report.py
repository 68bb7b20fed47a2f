"""Writes rows of measurements as tables and as JSON."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.system import json_files

Row = dict[str, Any]


def _ms(seconds: float) -> str:
  return f'{seconds * 1e3:.4g}' if seconds < 1 else f'{seconds * 1e3:.0f}'


def _mb(count: float) -> str:
  return f'{count / 1e6:.1f}' if count < 1e8 else f'{count / 1e6:.0f}'


# Keys of a row: heading, and function that formats a value. A table has the
# columns for which at least one of its rows has a value.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
  'what': ('what', str),
  'mode': ('mode', str),
  'seconds': ('median ms', _ms),
  'quartiles': ('quartiles', lambda x: f'{_ms(x[0])} to {_ms(x[1])}'),
  'runs': ('runs', str),
  'seconds_per_image': ('ms/image', _ms),
  'flops_per_second': ('GFLOP/s', lambda x: f'{x / 1e9:.4g}'),
  'share': ('of product rate', '{:.0%}'.format),
  'ratio': ('ratio', '{:.3f}'.format),
  'cores': ('cores busy', '{:.2f}'.format),
  'peak_bytes': ('peak MB', _mb),
}


def create_row(
  what: str,
  mode: str,
  times: Sequence[float],
  *,
  images: int = 0,
  **fields: Any,
) -> Row:
  """Returns a row with statistics of `times`, in seconds.

  Args:
    images: number of images per call; 0 = the row has no time per image.
    **fields: further keys, such as those of COLUMNS; None = an empty cell.
  """
  low, median, high = map(float, np.quantile(times, (0.25, 0.5, 0.75)))
  row = {'what': what, 'mode': mode, 'seconds': median}
  row |= {'quartiles': (low, high), 'runs': len(times)}
  if images:
    row['seconds_per_image'] = median / images
  return row | fields


def table(rows: Sequence[Mapping[str, Any]]) -> str:
  """Returns rows as a Markdown table with aligned columns."""
  keys = [k for k in COLUMNS if any(row.get(k) is not None for row in rows)]
  lines = [[COLUMNS[key][0] for key in keys]]
  for row in rows:
    values = [(key, row.get(key)) for key in keys]
    lines.append(['' if x is None else COLUMNS[k][1](x) for k, x in values])
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  lines.insert(1, ['-' * width for width in widths])
  return '\n'.join(
    f'| {" | ".join(map(str.ljust, line, widths))} |' for line in lines
  )


@dataclasses.dataclass
class Report:
  """All measurements so far: prints each section, and keeps all as JSON.

  Attributes:
    rates: operations per second of the fastest matrix product, by dtype.
    left_out: lines that say what was not measured, and why.
  """

  path: pathlib.Path | None
  about: Row = dataclasses.field(default_factory=dict)
  rates: dict[str, float] = dataclasses.field(default_factory=dict)
  left_out: list[str] = dataclasses.field(default_factory=list)
  sections: dict[str, list[Row]] = dataclasses.field(default_factory=dict)

  def add(self, section: str, title: str, rows: Sequence[Row]) -> None:
    """Prints rows as a table, and rewrites the file with them."""
    self.sections.setdefault(section, []).extend(rows)
    self._write()
    if rows:
      print(f'\n{title}\n\n{table(rows)}', flush=True)

  def leave_out(self, line: str) -> None:
    """Prints and records, once, what is not measured and why."""
    if line not in self.left_out:
      self.left_out.append(line)
      self._write()
      print(f'left out: {line}', flush=True)

  def _write(self) -> None:
    if self.path is not None:
      fields = {
        'about': self.about,
        'product_flops_per_second': self.rates,
        'left_out': self.left_out,
      }
      json_files.write(self.path, fields | self.sections)
