"""Numbers and tables as the report shows them."""

from collections.abc import Sequence

from inpaint_jax.study import comparisons, results, statistics
from inpaint_jax.system import markdown


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a Markdown table, without columns that are empty in all rows."""
  filled = [0, *(i for i in range(1, len(header)) if any(x[i] for x in rows))]
  return markdown.table(
    [header[i] for i in filled], [[x[i] for i in filled] for x in rows]
  )


def values(rows: Sequence[results.Row], column: str) -> str:
  """Returns the different values of a column, in order of appearance."""
  found = dict.fromkeys(row[column] for row in rows)
  return ' and '.join(
    f'{x:,}' if isinstance(x, int) else str(x)
    for x in found
    if x not in (None, '')
  )


def names(members: Sequence[comparisons.Member], joint: str = ', ') -> str:
  """Returns the labels of cells, each as code."""
  return joint.join(f'`{member.label}`' for member in members)


def mean(summary: statistics.Summary | None, decimals: int) -> str:
  """Returns the mean of a few seeds, ± their deviation; '' for None."""
  if summary is None:
    return ''
  text = f'{summary.mean:.{decimals}f}'
  if len(summary.values) > 1:
    text += f' ± {summary.deviation:.{decimals}f}'
  return text


def signed(value: float, decimals: int) -> str:
  """Returns a number with its sign."""
  return f'{value:+.{decimals}f}'.replace('-', '\N{MINUS SIGN}')
