"""report.md: tables, plots and sentences, all from the tables of results.

No sentence here states a result; the numbers choose the sentences.
"""

from collections.abc import Mapping, Sequence
import importlib.util
import pathlib
from typing import Any

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import (
  comparisons,
  folder,
  plan,
  reference,
  results,
  statistics,
)
from inpaint_jax.study.markdown import mean, signed, table, values
from inpaint_jax.system import atomic_files, errors, json_files

# The columns of the tables: the heading and the number of decimals.
_COLUMNS = {
  'hole_psnr': ('hole PSNR, dB ↑', 2),
  'hole_l1': ('hole L1 ↓', 4),
  'l1': ('whole output L1 ↓', 4),
  'ssim': ('SSIM ↑', 4),
  'seam_ratio': ('seam ratio', 2),
  # Empty where it was not installed.
  'lpips': ('LPIPS ↓', 4),
}
_HEADINGS = [heading for heading, _ in _COLUMNS.values()]
_PHOTOS = """## Six test photographs

The first seed of each cell; known pixels are those of the photograph."""
# The metrics whose differences are told in words: name, unit, decimals.
_IN_WORDS = {'hole_psnr': ('hole PSNR', ' dB', 2), 'l1': ('whole L1', '', 4)}


def check_installed() -> None:
  """Raises a UserError if what draws the plots is missing."""
  if importlib.util.find_spec('matplotlib') is None:
    raise errors.UserError(
      "the report wants matplotlib: pip install -e '.[study]'"
    )


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Makes the tables, report.md and its plots in the folder of a study.

  results.csv or the folders of the runs are needed; the other files of the
  study (see folder.py) add to the report.

  Returns:
    The path of report.md.

  Raises:
    errors.UserError: there are no results, or they are damaged.
  """
  check_installed()
  from inpaint_jax.study import plots

  with workdirs.disk_full_as_user_error(workdir):
    folder.gather(workdir)
    rows = results.read_study(workdir)
    if not any(row['status'] == results.FINISHED for row in rows):
      raise errors.UserError(
        f'workdir={workdir} has no results.csv with a finished run; start '
        'without --report-only first'
      )
    path = workdir / 'baselines.json'
    baselines = json_files.read(path) if path.exists() else {}
    members = comparisons.members(rows)
    compared = comparisons.create(members)
    sweeps = comparisons.sweeps(members)
    for comparison in compared:
      plots.bars(comparison, baselines, workdir / f'bars_{comparison.key}.png')
      plots.curves(comparison, workdir / f'curves_{comparison.key}.png')
    if any(sweep.chosen for sweep in sweeps):
      plots.sweep(sweeps, workdir / 'sweep.png')
    filled = results.read_images(workdir / 'images.npz')
    if filled:
      given = {name: filled.pop(name) for name in results.GIVEN}
      names = {row['cell']: row['names'] or row['cell'] for row in rows}
      filled = {names.get(cell, cell): x for cell, x in filled.items()}
      plots.photo_grid(filled, given, workdir / 'images.jpg')
    shown = results.find(workdir, 'images.jpg').name
    photos = _show(workdir, 'Six test photographs, filled by each cell', shown)
    sections = [
      _head(rows, folder.read(workdir)),
      _in_short(compared),
      *(_compare(x, workdir) for x in compared),
      _sweeps(sweeps, workdir),
      _baselines(baselines),
      _beside_reference(rows, members),
      f'{_PHOTOS}{photos}' if photos else '',
      _method(rows, compared),
    ]
    text = '\n\n'.join(section for section in sections if section)
    atomic_files.write(workdir / 'report.md', f'{text}\n'.encode())
  return workdir / 'report.md'


def _show(workdir: pathlib.Path, title: str, name: str) -> str:
  """Returns what shows a plot, if it is there: it may be of an earlier time."""
  return f'\n\n![{title}]({name})' if (workdir / name).exists() else ''


def _head(rows: Sequence[results.Row], about: Mapping[str, Any]) -> str:
  """Returns what was trained and how, from the rows themselves."""
  base = _base(rows)
  finished = [row for row in rows if row['status'] == results.FINISHED]
  planned = len(about.get('cells', {})) * len(about.get('seeds', []))
  count = f'{len(rows)} of {planned} runs' if planned else f'{len(rows)} runs'
  if len(rows) < planned:
    count += ' (**the study is not complete**)'
  if diverged := len(rows) - len(finished):
    count += f', {diverged} of which diverged'
  seeds = ', '.join(map(str, sorted({row['seed'] for row in rows})))
  command = f'```\n{about["command"]}\n```\n\n' if 'command' in about else ''
  minutes = sum(row['total_seconds'] or 0 for row in rows) / 60
  return f"""# The study

One factor at a time from the base: {base['model']}, {base['loss']}, \
{base['optimizer']} at {base['learning_rate']:g}. {count}: \
{len({row['cell'] for row in rows})} cells, seeds {seeds}.

{command}- Images: {base['dataset'].split('/')[0]}, {_size(base)} for \
training, validation and test.
- Training: {values(finished, 'steps')} steps of \
{values(rows, 'batch_size')} images, without early stopping; what is \
tested is the epoch with the least validation loss.
- Time: {minutes:.0f} minutes over all runs, training and test, on \
{values(rows, 'device')}, {values(rows, 'cores')} core(s) a run.
- Versions: {values(rows, 'versions')}.
- {_sameness(rows)}"""


def _base(rows: Sequence[results.Row]) -> results.Row:
  return next((row for row in rows if row['cell'] == plan.BASE), rows[0])


def _size(row: results.Row) -> str:
  side = row['image_size']
  counts = ' / '.join(f'{row[f"num_{x}"]:,}' for x in ('train', 'val', 'test'))
  return f'{side}x{side}, {counts} images'


def _sameness(rows: Sequence[results.Row]) -> str:
  columns = {'images': 'data_hash', 'test masks': 'mask_hash'}
  found = {name: values(rows, column) for name, column in columns.items()}
  differing = [x for x, hashes in found.items() if len(hashes.split()) != 1]
  if differing:
    return (
      f'**The runs differ in their {" and ".join(differing)}: they cannot be '
      'compared.** See the columns of hashes in results.csv.'
    )
  return (
    f'All runs had the same images (hash {found["images"]}), and the same '
    f'masks in the test (hash {found["test masks"]}).'
  )


def _in_short(compared: Sequence[comparisons.Comparison]) -> str:
  """Returns a line for each comparison: what leads, ties and trails."""
  lines = []
  for comparison in compared:
    order = comparison.sorted('test/hole_psnr')
    if len(order) < 2:
      continue
    best, *others = order
    places: dict[str, list[str]] = {
      'within the spread of it (a tie)': [],
      'below it by more than the spread': [],
      'without a second seed to tell': [],
      'diverged': [x.label for x in comparison.members if not x.rows],
    }
    tie, below, unknown, _ = places.values()
    for member in others:
      found = member.minus(best, 'hole_psnr')
      place = below if found and found.sign else tie
      place = place if found and found.seeds else unknown
      place.append(member.label)
    text = [f'{best.label} has the highest mean']
    text += [f'{x}: {", ".join(names)}' for x, names in places.items() if names]
    lines.append(
      f'- **{comparison.title}**, PSNR within holes: {"; ".join(text)}.'
    )
  return '\n'.join(['## In short', '', *lines]) if lines else ''


def _compare(comparison: comparisons.Comparison, workdir: pathlib.Path) -> str:
  """Returns a comparison: table, differences, plots."""
  rows = []
  order = comparison.sorted('test/hole_psnr')
  for member in order:
    cells = _cells({x: member.summary(f'test/{x}') for x in _COLUMNS})
    also = f', {member.diverged} diverged' if member.diverged else ''
    rows.append([member.label, *cells, f'{len(member.rows)}{also}'])
  rows += [
    [member.label, *['diverged'] * len(_COLUMNS), f'{member.diverged}']
    for member in comparison.members
    if not member.rows
  ]
  key, title, base = comparison.key, comparison.title, comparison.base
  others = [_in_words(x, base) for x in order if x.cell != base.cell]
  words = ''
  if others and base.rows:
    against = f'Against {base.label}, paired by seed:'
    words = '\n'.join(['', '', against, '', *others])
  bars = _show(workdir, title, f'bars_{key}.png')
  curves = _show(workdir, title, f'curves_{key}.png')
  return f"""## {title[0].upper()}{title[1:]}

{table(['', *_HEADINGS, 'seeds'], rows)}

Mean ± standard deviation over the seeds.{words}{bars}{curves}"""


def _in_words(ours: comparisons.Member, base: comparisons.Member) -> str:
  """Returns a sentence on the differences of a cell from the base."""
  parts = []
  for metric, (name, unit, decimals) in _IN_WORDS.items():
    found = ours.minus(base, metric)
    if found is None:
      parts.append(f'{name}: no seed in common')
      continue
    verdict = 'a tie, within the spread'
    if found.seeds is None:
      verdict = 'one seed alone says nothing of the spread'
    elif found.sign:
      is_better = (found.sign < 0) == statistics.is_error(metric)
      word = 'better' if is_better else 'worse'
      verdict = f'**{word}, by more than the spread**'
    intervals = {'seeds': found.seeds, 'test images': found.images}
    ranges = '; '.join(
      f'{signed(x[0], decimals)} to {signed(x[1], decimals)} over {what}'
      for what, x in intervals.items()
      if x is not None
    )
    ranges = f' ({ranges})' if ranges else ''
    by = signed(found.mean, decimals)
    parts.append(f'{name} {by}{unit}{ranges}: {verdict}')
  return f'- {ours.label}: {"; ".join(parts)}.'


def _sweeps(sweeps: Sequence[comparisons.Sweep], workdir: pathlib.Path) -> str:
  rows = []
  for sweep in sweeps:
    for rate, member in sweep.members.items():
      note = ''
      if member.diverged:
        note = f'{member.diverged} seed(s) diverged'
      elif rate == sweep.chosen:
        edge = ', at the edge of what was tried' if sweep.is_at_edge else ''
        note = f'chosen{edge}'
      loss = mean(member.summary('val/loss'), 5)
      psnr = mean(member.summary('test/hole_psnr'), 2)
      name = sweep.name.rpartition('/')[2]
      rows.append([name, f'{rate:g}', loss, psnr, note])
  if not rows:
    return ''
  header = ['', 'learning rate', 'validation loss', 'test hole PSNR, dB', '']
  plot = _show(workdir, 'Validation loss by learning rate', 'sweep.png')
  return f"""## Learning rates

Chosen on the validation loss (mean over the seeds); the test had no part in it.

{table(header, rows)}{plot}"""


def _baselines(baselines: Mapping[str, Mapping[str, float]]) -> str:
  rows = [
    [name, *_cells({x: statistics.summarize([y]) for x, y in means.items()})]
    for name, means in baselines.items()
  ]
  if not rows:
    return ''
  return f"""## Without training

The same test images and masks, filled by methods that learn nothing.

{table(['', *_HEADINGS], rows)}"""


def _beside_reference(
  rows: Sequence[results.Row], members: Mapping[str, comparisons.Member]
) -> str:
  """Returns the reference's numbers beside ours, and why they differ."""
  base, rate = _base(rows), f'{reference.LEARNING_RATE:g}'
  size = (base['image_size'], base['num_train'], base['num_test'])
  lines = []
  notes: dict[str, int] = {}
  for number in reference.NUMBERS:
    name = number.name
    member = members.get(name) or members.get(f'{name}/lr{rate}')
    why = ', '.join(
      f'({notes.setdefault(reason, len(notes) + 1)})'
      for reason in number.why.split()
      if reason != 'size' or size != reference.PROTOCOL
    )
    lines.append([number.what, number.theirs, _ours(number, member), why])
  reasons = '\n'.join(f'{i}. {reference.REASONS[x]}.' for x, i in notes.items())
  return f"""## Beside the reference

The reference: 256x256, 10,000 / 2,000 / 10,000 images, 20 epochs in \
batches of 32, a learning rate of {rate} for all; here: {_size(base)}. \
L1 is that of the whole output on the test images.

{table(['', 'reference', 'here', 'why they may differ'], lines)}

{reasons}"""


def _ours(number: reference.Number, member: comparisons.Member | None) -> str:
  summary = member.summary(number.column) if member else None
  if member is None or summary is None:
    return 'diverged' if member and member.diverged else 'not measured'
  if number.column == 'parameters':
    return f'{summary.mean:,.0f}'
  if number.column.startswith('test/'):
    return mean(summary, 4)
  row = member.rows[0]
  return f'{mean(summary, 2)} s ({row["device"]}, {row["cores"]} core(s))'


def _method(
  rows: Sequence[results.Row], compared: Sequence[comparisons.Comparison]
) -> str:
  """Returns what a reader must know to judge the numbers."""
  count = sum(len(x.members) - 1 for x in compared) * len(_IN_WORDS)
  percent = f'{statistics.CONFIDENCE:.0%}'
  return f"""## How it was measured

- For a given seed all cells have the same order of images, augmentation and
  training masks, and the same initial weights if they have the same model.
  Validation and test masks are the same in all runs.
- Hole PSNR, hole L1, SSIM and seam ratio are of the composite in 8 bits, whose
  known pixels are the photograph's; whole L1 is of the model's whole output.
- "By more than the spread" means that two {percent} intervals of the difference
  lie on one side of zero: that of Student's paired t-test over the seeds, and a
  bootstrap over the test images (the differences of each image, averaged over
  the seeds), where the metrics of single images are at hand. Everything
  else is called a tie, which is not to say that there is no difference.
- There are {count} such statements above, each with {percent}: if there were no
  differences at all, about {count * (1 - statistics.CONFIDENCE):.1f} would be
  found by an interval over seeds alone. Three seeds make wide intervals.
- Only optimizers have a sweep of learning rates; losses and models are compared
  at that of the base.
- `results.csv` has a row for each of the {len(rows)} runs with all metrics."""


def _cells(summaries: Mapping[str, statistics.Summary | None]) -> list[str]:
  """Returns a cell of the tables for each of _COLUMNS."""
  return [
    mean(summaries.get(metric), decimals)
    for metric, (_, decimals) in _COLUMNS.items()
  ]
