"""Tables in Markdown."""

from collections.abc import Sequence


def table(
  head: Sequence[str], rows: Sequence[Sequence[str]], texts: int | None = None
) -> str:
  """Returns a table; columns after the first `texts` are aligned right."""
  numbers = 0 if texts is None else len(head) - texts
  rule = ['---'] * (len(head) - numbers) + ['---:'] * numbers
  return '\n'.join(f'| {" | ".join(line)} |' for line in [head, rule, *rows])
