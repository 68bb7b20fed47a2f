"""The tables of a comparison, and the page that shows it."""

from collections.abc import Mapping, Sequence
import html
import pathlib

import numpy as np
from PIL import Image

from inpaint_jax.comparison import cases, scores
from inpaint_jax.system import atomic_files, markdown

# The method that others are compared with.
REFERENCE = 'pypatchmatch'
# Columns for which tables show ratios of means.
_RATIOS = ('hole_l1', 'lpips_alex', 'lpips_vgg')

# Maps a method to the scores of all cases, in their order.
Scores = Mapping[str, Sequence[scores.Scored]]


def table(kind: str, scored: Scores) -> str:
  """Returns the table of a kind of holes, in Markdown.

  Each cell has the median over the cases and, in brackets, the mean; for
  seconds, the maximum. Ratios are of means to PyPatchMatch's means.
  """
  columns = [
    column
    for column in scores.COLUMNS
    if any(column in x.values for rows in scored.values() for x in rows)
  ]
  reference = scored.get(REFERENCE)
  ratios = [c for c in _RATIOS if reference and c in columns]
  count = len(next(iter(scored.values())))
  heads = ['', *columns, 'detectability', 'fooled']
  heads += [f'{column} / PM' for column in ratios]
  lines = []
  for method, rows in scored.items():
    cells = [method]
    means = {}
    for column in columns:
      values = np.array([row.values.get(column, np.nan) for row in rows])
      means[column] = values.mean()
      second = values.max() if column == 'seconds' else values.mean()
      digits = scores.COLUMNS[column]
      cell = f'{np.median(values):.{digits}f} ({second:.{digits}f})'
      cells.append('' if np.isnan(second) else cell)
    told = scores.of_set(rows)
    cells += ['' if np.isnan(x) else f'{x:.0%}' for x in told]
    for column in ratios:
      ratio = means[column] / np.mean(
        [x.values.get(column, np.nan) for x in reference or ()]
      )
      cells.append('' if np.isnan(ratio) else f'{ratio:.3f}')
    lines.append(cells)
  return f'## {kind}, {count} images\n\n{markdown.table(heads, lines)}'


def write(
  folder: pathlib.Path, kind: str, shown: Sequence[cases.Case], scored: Scores
) -> None:
  """Prints the table of a kind, and writes all its files to OUT/KIND."""
  text = table(kind, scored)
  print(f'\n{text}', flush=True)
  atomic_files.write(folder / 'table.md', f'{text}\n'.encode())
  write_csv(folder / 'scores.csv', [x.name for x in shown], scored)
  write_page(folder, kind, shown, list(scored))


def join_tables(out: pathlib.Path) -> None:
  """Writes OUT/report.md, with the tables of all kinds that have one."""
  paths = [out / kind / 'table.md' for kind in cases.KINDS]
  text = '\n'.join(path.read_text() for path in paths if path.exists())
  atomic_files.write(out / 'report.md', text.encode())


def write_csv(path: pathlib.Path, names: Sequence[str], scored: Scores) -> None:
  """Writes the scores of cases by name, one row for each filling."""
  lines = (
    [method, name, *map(row.values.get, scores.COLUMNS)]
    for method, rows in scored.items()
    for name, row in zip(names, rows, strict=True)
  )
  header = ['method', 'case', *scores.COLUMNS]
  atomic_files.write_csv(path, header, lines)


def write_page(
  folder: pathlib.Path,
  kind: str,
  shown: Sequence[cases.Case],
  methods: Sequence[str],
) -> None:
  """Writes index.html, which shows what each method made of each case."""
  (folder / 'cut').mkdir(exist_ok=True)
  body = []
  for case in shown:
    cells = []
    for part in ('truth', 'hole', *methods):
      whole = case.path(pathlib.Path(), part).as_posix()
      cut = f'cut/{part}-{case.name}.png'
      image = cases.read(folder / whole)
      if part == 'hole':
        image = np.where(case.hole[..., None], np.uint8(255), case.truth)
      region = Image.fromarray(image[scores.region(case.hole)])
      region.save(folder / cut, compress_level=1)
      cells.append(
        f'<figure><a href="{whole}"><img src="{cut}" loading="lazy"></a>'
        f'<figcaption>{html.escape(part)}</figcaption></figure>'
      )
    body.append(f'<h2>{case.name}</h2><div>{"".join(cells)}</div>')
  text = f"""<!doctype html><meta charset="utf-8"><title>{kind}</title>
<style>body {{font: 14px sans-serif}} div {{display: flex; flex-wrap: wrap}}
figure {{margin: 4px}} img {{max-width: 100%}}</style>
<h1>{kind}</h1>
<p>The box of the hole and {scores.MARGIN} px around it; a click shows the whole
image.</p>
{''.join(body)}
"""
  atomic_files.write(folder / 'index.html', text.encode())
