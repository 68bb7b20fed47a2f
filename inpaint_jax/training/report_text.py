"""The table that a test prints."""

from collections.abc import Mapping
from typing import Any

# Columns of the table by hole area, in which whole-image metrics say little.
_BUCKET_METRICS = ('hole_l1', 'hole_psnr', 'seam_ratio', 'lpips')


def format_report(report: Mapping[str, Any]) -> str:
  """Returns what `evaluate.evaluate` returns as text."""
  config = report['config']
  size, kind = config['data']['image_size'], config['masks']['kind']
  lines = [
    '',
    f'test: {report["images"]} images of {size}x{size} '
    f'({config["data"]["dataset"]}), masks {kind}, '
    f'checkpoint of step {report["step"]}',
  ]
  means = report['metrics']
  model = next(iter(means))
  names = [name for name in means[model] if name not in ('loss', 'hole_area')]
  rows = [
    [method, *(_number(values[name]) for name in names)]
    for method, values in means.items()
  ]
  lines += _align([['', *names], *rows])

  names = [name for name in _BUCKET_METRICS if name in means[model]]
  lines += ['', f'{model} by hole area']
  rows = [
    [
      f'{row["low"]:.0%} to {row["high"]:.0%}',
      str(row['count']),
      *(_number(row['means'][name]) for name in names),
    ]
    for row in report['by_hole_area'][model]
  ]
  lines += _align([['', 'images', *names], *rows])
  return '\n'.join(lines)


def _number(value: float) -> str:
  return f'{value:.2f}' if abs(value) >= 10 else f'{value:.4f}'


def _align(rows: list[list[str]]) -> list[str]:
  """Returns rows as lines, the first column left-aligned, the others right."""
  widths = [max(len(x) for x in column) for column in zip(*rows, strict=True)]
  return [
    '  '.join(
      x.rjust(width) if i else x.ljust(width)
      for i, (x, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  ]
