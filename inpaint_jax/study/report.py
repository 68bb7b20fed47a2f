"""report.md: tables, plots and sentences, all made of the tables of results.

No sentence here says what came out; each is chosen by the numbers.
"""

from collections.abc import Mapping, Sequence
import importlib.util
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import (
  comparisons,
  plan,
  protocol,
  reference,
  results,
  statistics,
)
from inpaint_jax.system import atomic_files, errors, json_files

# Of the tables, with their headings and the number of decimals.
_TABLE = {
  'test/hole_psnr': ('hole PSNR, dB ↑', 2),
  'test/hole_l1': ('hole L1 ↓', 4),
  'test/l1': ('whole output L1 ↓', 4),
  'test/ssim': ('SSIM ↑', 4),
  'test/seam_ratio': ('seam ratio', 2),
  # Empty where it was not installed.
  'test/lpips': ('LPIPS ↓', 4),
}
# Those in which differences are told.
_TOLD = {'hole_psnr': ('hole PSNR', ' dB', 2), 'l1': ('whole L1', '', 4)}
_PICTURES = 'pictures.jpg'


def check_installed() -> None:
  """Raises a UserError if what draws the plots is missing."""
  if importlib.util.find_spec('matplotlib') is None:
    raise errors.UserError(
      "the report wants matplotlib: pip install -e '.[study]'"
    )


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Makes report.md and its plots from what lies in a study's folder.

  results.csv is needed; curves.csv, per_picture.npz, baselines.json, study.json
  and the folders of the runs add to it.

  Returns:
    The path of report.md.

  Raises:
    errors.UserError: there are no results, or they are damaged.
  """
  check_installed()
  rows = results.read(workdir / 'results.csv')
  if not any(row['status'] == results.FINISHED for row in rows):
    raise errors.UserError(
      f'workdir={workdir} has no results.csv with a finished run; start '
      'without --report-only first'
    )
  about = protocol.read(workdir)
  found = comparisons.create(rows)
  sweeps = comparisons.sweeps(comparisons.members(rows))
  baselines = {}
  if (workdir / 'baselines.json').exists():
    baselines = json_files.read(workdir / 'baselines.json')
  pictures = results.read_per_picture(workdir)
  with workdirs.disk_full_as_user_error(workdir):
    drawn = _draw(workdir, rows, found, sweeps, baselines)
    sections = [
      _head(rows, about),
      _in_short(found, pictures),
      *(_section(x, pictures, drawn) for x in found),
      _sweep_section(sweeps, drawn),
      _baseline_section(baselines),
      _reference_section(rows),
      _picture_section(drawn),
      _method(rows, found),
    ]
    text = '\n\n'.join(x.strip() for x in sections if x) + '\n'
    atomic_files.write(workdir / 'report.md', text.encode())
  return workdir / 'report.md'


def _draw(
  workdir: pathlib.Path,
  rows: Sequence[results.Row],
  found: Sequence[comparisons.Comparison],
  sweeps: Sequence[comparisons.Sweep],
  baselines: Mapping[str, Mapping[str, float]],
) -> set[str]:
  """Draws all that can be, and returns the names of the files there are."""
  from inpaint_jax.study import plots

  curves = results.read_curves(workdir)
  drawn = set()
  for comparison in found:
    if comparison.sorted('test/hole_l1'):
      name = f'bars_{comparison.key}.png'
      plots.bars(comparison, baselines, workdir / name)
      drawn.add(name)
    name = f'curves_{comparison.key}.png'
    if plots.curves(comparison, curves, workdir / name):
      drawn.add(name)
  if any(sweep.chosen for sweep in sweeps):
    plots.sweep(sweeps, workdir / 'sweep.png')
    drawn.add('sweep.png')
  given, filled = _pictures(workdir, rows)
  if filled:
    plots.picture_grid(filled, given, workdir / _PICTURES)
  # Once drawn it stays, also where the folders of the runs are not at hand.
  if (workdir / _PICTURES).exists():
    drawn.add(_PICTURES)
  return drawn


def _pictures(
  workdir: pathlib.Path, rows: Sequence[results.Row]
) -> tuple[dict[str, np.ndarray], list[tuple[str, np.ndarray]]]:
  """Returns truth and masked pictures, and each cell's composites."""
  given, filled, seen = {}, [], set()
  for row in rows:
    path = results.run_folder(workdir, results.row_name(row)) / 'pictures.npz'
    if row['cell'] in seen or not path.exists():
      continue
    seen.add(row['cell'])
    with np.load(path) as arrays:
      given = {name: arrays[name] for name in ('truth', 'masked')}
      filled.append((row['names'] or row['cell'], arrays['composite']))
  return given, filled


def _head(rows: Sequence[results.Row], about: Mapping[str, Any]) -> str:
  """Returns the protocol, from the rows themselves."""
  base = _base(rows)
  seeds = sorted({row['seed'] for row in rows})
  finished = [row for row in rows if row['status'] == results.FINISHED]
  planned = len(about.get('cells', {})) * len(about.get('seeds', []))
  count = f'{len(rows)} of {planned} runs' if planned else f'{len(rows)} runs'
  if len(rows) < planned:
    count += ' (**the study is not complete**)'
  diverged = len(rows) - len(finished)
  if diverged:
    count += f', {diverged} of which diverged'
  lines = [
    '# The study',
    '',
    f'One factor at a time from the base: {base["model"]}, {base["loss"]}, '
    f'{base["optimizer"]} at {base["learning_rate"]:g}. {count}: '
    f'{len({row["cell"] for row in rows})} cells, seeds '
    f'{", ".join(map(str, seeds))}.',
    '',
  ]
  if 'command' in about:
    lines += ['```', about['command'], '```', '']
  total = sum(row['total_seconds'] or 0 for row in rows)
  lines += [
    f'- Pictures: {base["dataset"].split("/")[0]}, {_size(base)} for training, '
    'validation and test.',
    f'- Training: {_all(finished, "steps")} steps of '
    f'{_all(rows, "batch_size")} pictures, without early stopping; what is '
    'tested is the epoch with the least validation loss.',
    f'- Time: {total / 60:.0f} minutes over all runs, training and test, on '
    f'{_all(rows, "device")}, {_all(rows, "cores")} core(s) a run.',
    f'- Versions: {_all(rows, "versions")}.',
    f'- {_sameness(rows)}',
  ]
  return '\n'.join(lines)


def _base(rows: Sequence[results.Row]) -> results.Row:
  return next((row for row in rows if row['cell'] == plan.BASE), rows[0])


def _size(row: results.Row) -> str:
  side = row['image_size']
  counts = ' / '.join(f'{row[f"num_{x}"]:,}' for x in ('train', 'val', 'test'))
  return f'{side}x{side}, {counts} pictures'


def _all(rows: Sequence[results.Row], column: str) -> str:
  """Returns the values that a column has, the first first."""
  values = dict.fromkeys(row[column] for row in rows if row[column] is not None)
  return ' and '.join(
    f'{x:,}' if isinstance(x, int) else str(x) for x in values
  )


def _sameness(rows: Sequence[results.Row]) -> str:
  hashes = [
    {row[name] for row in rows if row[name]} for name in _HASHES.values()
  ]
  if all(len(x) == 1 for x in hashes):
    data, mask = (next(iter(x)) for x in hashes)
    return (
      f'All runs had the same pictures (hash {data}), and the same masks in '
      f'the test (hash {mask}).'
    )
  differing = ' and '.join(
    name for name, x in zip(_HASHES, hashes, strict=True) if len(x) != 1
  )
  return (
    f'**The runs differ in their {differing}: they cannot be compared.** See '
    'the columns of hashes in results.csv.'
  )


_HASHES = {'pictures': 'data_hash', 'test masks': 'mask_hash'}


def _in_short(
  found: Sequence[comparisons.Comparison], pictures: comparisons.Pictures
) -> str:
  """Returns a line for each comparison: what leads, ties and trails."""
  lines = ['## In short', '']
  for comparison in found:
    order = comparison.sorted('test/hole_psnr')
    if len(order) < 2:
      continue
    best, others = order[0], order[1:]
    ties, worse, unknown = [], [], []
    for member in others:
      difference = comparisons.difference(member, best, 'hole_psnr', pictures)
      if difference is None or difference.seeds is None:
        unknown.append(member.label)
      else:
        (worse if difference.sign else ties).append(member.label)
    text = f'{best.label} has the highest mean'
    for names, what in (
      (ties, 'within the spread of it (a tie)'),
      (worse, 'below it by more than the spread'),
      (unknown, 'without a second seed to tell'),
    ):
      if names:
        text += f'; {what}: {", ".join(names)}'
    lost = [m.label for m in comparison.members if not m.rows]
    if lost:
      text += f'; diverged: {", ".join(lost)}'
    lines.append(f'- **{comparison.title}**, PSNR within holes: {text}.')
  return '\n'.join(lines) if len(lines) > 2 else ''


def _section(
  comparison: comparisons.Comparison,
  pictures: comparisons.Pictures,
  drawn: set[str],
) -> str:
  """Returns a comparison: table, differences, plots."""
  lines = [f'## {comparison.title[0].upper()}{comparison.title[1:]}', '']
  header = [name for name, _ in _TABLE.values()]
  lines += [_line(['', *header, 'seeds']), _line(['---'] * (len(header) + 2))]
  order = comparison.sorted('test/hole_psnr')
  for member in order:
    cells = [
      _mean(member.summary(column), decimals)
      for column, (_, decimals) in _TABLE.items()
    ]
    seeds = str(len(member.rows))
    if member.diverged:
      seeds += f', {member.diverged} diverged'
    lines.append(_line([member.label, *cells, seeds]))
  for member in comparison.members:
    if not member.rows:
      lines.append(
        _line([member.label, *['diverged'] * len(header), f'{member.diverged}'])
      )
  lines += ['', 'Mean ± standard deviation over the seeds.', '']
  others = [m for m in order if m.cell != comparison.base.cell]
  if others and comparison.base.rows:
    lines += [f'Against {comparison.base.label}, paired by seed:', '']
    lines += [_told(m, comparison.base, pictures) for m in others]
  for name in (f'bars_{comparison.key}.png', f'curves_{comparison.key}.png'):
    if name in drawn:
      lines += ['', f'![{comparison.title}]({name})']
  return '\n'.join(lines)


def _told(
  ours: comparisons.Member,
  base: comparisons.Member,
  pictures: comparisons.Pictures,
) -> str:
  """Returns a sentence on each difference of a cell from the base."""
  parts = []
  for metric, (name, unit, decimals) in _TOLD.items():
    difference = comparisons.difference(ours, base, metric, pictures)
    if difference is None:
      parts.append(f'{name}: no seed in common')
      continue
    better = difference.sign * (-1 if statistics.is_error(metric) else 1)
    if difference.seeds is None:
      verdict = 'one seed alone says nothing of the spread'
    elif better:
      word = 'better' if better > 0 else 'worse'
      verdict = f'**{word}, by more than the spread**'
    else:
      verdict = 'a tie, within the spread'
    ranges = [
      f'{_interval(interval, decimals)} over {what}'
      for interval, what in (
        (difference.seeds, 'seeds'),
        (difference.pictures, 'test pictures'),
      )
      if interval is not None
    ]
    ranges = f' ({"; ".join(ranges)})' if ranges else ''
    parts.append(
      f'{name} {_signed(difference.mean, decimals)}{unit}{ranges}: {verdict}'
    )
  return f'- {ours.label}: ' + '; '.join(parts) + '.'


def _sweep_section(sweeps: Sequence[comparisons.Sweep], drawn: set[str]) -> str:
  if not sweeps:
    return ''
  lines = [
    '## Learning rates',
    '',
    'Chosen on the validation loss (mean over the seeds); the test had no part '
    'in it.',
    '',
    _line(['', 'learning rate', 'validation loss', 'test hole PSNR, dB', '']),
    _line(['---'] * 5),
  ]
  for sweep in sweeps:
    for rate, member in sweep.members.items():
      note = ''
      if rate == sweep.chosen:
        note = 'chosen'
        note += ', at the edge of what was tried' * sweep.is_at_edge
      if member.diverged:
        note = f'{member.diverged} seed(s) diverged'
      lines.append(
        _line(
          [
            sweep.name.rpartition('/')[2],
            f'{rate:g}',
            _mean(member.summary('val/loss'), 5),
            _mean(member.summary('test/hole_psnr'), 2),
            note,
          ]
        )
      )
  if 'sweep.png' in drawn:
    lines += ['', '![Validation loss by learning rate](sweep.png)']
  return '\n'.join(lines)


def _baseline_section(baselines: Mapping[str, Mapping[str, float]]) -> str:
  if not baselines:
    return ''
  lines = [
    '## Without training',
    '',
    'The same test pictures and masks, filled by methods that learn nothing.',
    '',
    _line(['', *(name for name, _ in _TABLE.values())]),
    _line(['---'] * (len(_TABLE) + 1)),
  ]
  for name, means in baselines.items():
    cells = [
      f'{means[name]:.{decimals}f}' if name in means else ''
      for name, decimals in (
        (column.removeprefix('test/'), decimals)
        for column, (_, decimals) in _TABLE.items()
      )
    ]
    lines.append(_line([name, *cells]))
  return '\n'.join(lines)


def _reference_section(rows: Sequence[results.Row]) -> str:
  """Returns the reference's numbers beside ours, and why they differ."""
  found = comparisons.members(rows)
  base = _base(rows)
  protocol_here = (base['image_size'], base['num_train'], base['num_test'])
  is_smaller = protocol_here != reference.PROTOCOL
  lines = [
    '## Beside the reference',
    '',
    'The reference: 256x256, 10,000 / 2,000 / 10,000 pictures, 20 epochs in '
    'batches of 32, a learning rate of '
    f'{reference.LEARNING_RATE:g} for all; here: {_size(base)}. L1 is that of '
    'the whole output on the test pictures.',
    '',
    _line(['', 'reference', 'here', 'why they may differ']),
    _line(['---'] * 4),
  ]
  notes: dict[str, int] = {}
  for number in reference.NUMBERS:
    member = found.get(number.name) or found.get(
      f'{number.name}/lr{reference.LEARNING_RATE:g}'
    )
    reasons = [x for x in number.why if x != 'size' or is_smaller]
    for key in reasons:
      notes.setdefault(key, len(notes) + 1)
    why = ', '.join(f'({notes[key]})' for key in reasons)
    lines.append(
      _line([number.what, number.theirs, _ours(number, member), why])
    )
  lines.append('')
  lines += [f'{i}. {reference.REASONS[key]}.' for key, i in notes.items()]
  return '\n'.join(lines)


def _ours(number: reference.Number, member: comparisons.Member | None) -> str:
  if member is None:
    return 'not measured'
  summary = member.summary(number.column)
  if summary is None:
    return 'diverged' if member.diverged else 'not measured'
  if number.column == 'parameters':
    return f'{summary.mean:,.0f}'
  text = _mean(summary, 4 if number.column.startswith('test/') else 2)
  unit = f' {number.unit}' if number.unit else ''
  row = member.rows[0]
  if number.unit == 's':
    unit += f' ({row["device"]}, {row["cores"]} core(s))'
  return text + unit


def _picture_section(drawn: set[str]) -> str:
  if _PICTURES not in drawn:
    return ''
  return (
    '## Six test photographs\n\n'
    'The first seed of each cell; known pixels are those of the photograph.\n\n'
    f'![Six test photographs, filled by each cell]({_PICTURES})'
  )


def _method(
  rows: Sequence[results.Row], found: Sequence[comparisons.Comparison]
) -> str:
  """Returns what is to be known to judge the numbers."""
  count = sum(len(x.members) - 1 for x in found) * len(_TOLD)
  percent = f'{statistics.CONFIDENCE:.0%}'
  return f"""## How it was measured

- For a given seed all cells have the same order of pictures, augmentation and
  training masks, and the same initial weights if they have the same net.
  Validation and test masks are the same in all runs.
- Hole PSNR, hole L1, SSIM and seam ratio are of the composite in 8 bits, whose
  known pixels are the photograph's; whole L1 is of the net's whole output.
- "By more than the spread" means that two {percent} intervals of the difference
  lie on one side of zero: that of Student's paired t-test over the seeds, and a
  bootstrap over the test pictures (the differences of each picture, averaged
  over the seeds), where the metrics of single pictures are at hand. Everything
  else is called a tie, which is not to say that there is no difference.
- There are {count} such statements above, each with {percent}: if there were no
  differences at all, about {count * (1 - statistics.CONFIDENCE):.1f} would be
  found by an interval over seeds alone. Three seeds make wide intervals.
- Only optimizers have a sweep of learning rates; losses and nets are compared
  at that of the base.
- `results.csv` has a row for each of the {len(rows)} runs with all metrics."""


def _mean(summary: statistics.Summary | None, decimals: int) -> str:
  if summary is None:
    return ''
  text = f'{summary.mean:.{decimals}f}'
  if len(summary.values) > 1:
    text += f' ± {summary.deviation:.{decimals}f}'
  return text


def _signed(value: float, decimals: int) -> str:
  return f'{value:+.{decimals}f}'.replace('-', '\N{MINUS SIGN}')


def _interval(interval: tuple[float, float], decimals: int) -> str:
  return ' to '.join(_signed(x, decimals) for x in interval)


def _line(cells: Sequence[str]) -> str:
  return '| ' + ' | '.join(cells) + ' |'
