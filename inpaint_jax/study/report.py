"""report.md: answers, plots and tables, all from the tables of results.

No sentence here states a result; the numbers choose the sentences.
"""

import collections
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
from inpaint_jax.study.markdown import mean, names, signed, table, values
from inpaint_jax.system import atomic_files, errors, json_files

# The metrics of the tables: the heading and the number of decimals. LPIPS and
# what rests on its nets are empty where they were not installed.
_METRICS = {
  'hole_psnr': ('hole PSNR, dB ↑', 2),
  'lpips': ('LPIPS ↓', 4),
  'lpips_vgg': ('by VGG ↓', 4),
  'ssim': ('SSIM ↑', 4),
  'l1': ('whole L1 ↓', 4),
  'seam_ratio': ('seam → 1', 2),
  'texture_ratio': ('texture → 1', 2),
  'detectability': ('told apart → 0.5', 3),
}
# Those with differences from the base.
_EFFECTS = ('hole_psnr', 'lpips')
_LPIPS = 'test/lpips'
_IN_WORDS = {
  'hole_psnr': 'hole PSNR',
  'lpips': 'LPIPS',
  'lpips_vgg': 'LPIPS by VGG',
  'ssim': 'SSIM',
  'seam_ratio': 'seam',
  'texture_ratio': 'texture',
  'detectability': 'detectability',
}

_OF_ANOTHER = '; LPIPS by VGG, and "told apart", are of another'
# Of a study whose rows have num_test=0.
_UNTESTED = [
  'Not tested: all metrics are of the validation images, by which the epoch '
  'was chosen, too.'
]


def check_installed() -> None:
  """Raises a UserError if what draws the plots is missing."""
  if importlib.util.find_spec('matplotlib') is None:
    raise errors.UserError(
      "the report wants matplotlib: pip install -e '.[study]'"
    )


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Makes the tables, report.md and its plots in the folder of a study.

  results.csv or the folders of the runs are needed; the other files of the
  study (see folder.py) add to the report. Folders in it may hold the tables of
  other studies, whose sweeps of learning rates are shown, too.

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
    about = folder.read(workdir)
    rows = _of_one_split(rows)
    path = workdir / 'baselines.json'
    baselines = json_files.read(path) if path.exists() else {}
    compared = comparisons.create(comparisons.members(rows))
    others = [results.read(x) for x in sorted(workdir.glob('*/results.csv'))]
    sweeps = _find_sweeps([rows, *others])
    for comparison in compared:
      plots.answer(comparison, workdir / f'{comparison.factor}.png')
    if sweeps:
      plots.sweep(sweeps, workdir / 'rates.png')
    filled = _filled(workdir, compared)
    if filled:
      given = {name: filled.pop(name) for name in results.GIVEN}
      plots.photo_grid(filled, given, workdir / 'images.jpg')
    sections = [
      _head(rows, about),
      _in_short(compared, baselines),
      *(_answer(x, workdir) for x in compared),
      _sweeps(sweeps, workdir),
      _weights(others),
      _baselines(baselines, rows),
      _photos(workdir),
      _weaknesses(rows, compared, about),
      _method(rows),
    ]
    text = '\n\n'.join(section for section in sections if section)
    atomic_files.write(workdir / 'report.md', f'{text}\n'.encode())
  return workdir / 'report.md'


def _of_one_split(rows: Sequence[results.Row]) -> list[results.Row]:
  """Returns the rows, all of validation if some of them were not tested."""
  if all(row['num_test'] for row in rows):
    return list(rows)
  found = []
  for row in rows:
    own = {
      k: x for k, x in row.items() if not k.startswith(('test/', 'images/'))
    }
    own |= {f'test/{k[4:]}': x for k, x in row.items() if k.startswith('val/')}
    # A tested row has that of the test.
    mask_hash = '' if row['num_test'] else row['mask_hash']
    found.append(own | {'num_test': 0, 'mask_hash': mask_hash})
  return found


def _show(workdir: pathlib.Path, title: str, name: str) -> str:
  """Returns what shows a plot, if it is there: it may be of an earlier time."""
  return f'![{title}]({name})' if (workdir / name).exists() else ''


def _filled(
  workdir: pathlib.Path, compared: Sequence[comparisons.Comparison]
) -> dict[str, Any]:
  """Returns the images that are given, and those of each compared cell."""
  images = results.read_images(workdir / 'images.npz')
  labels: dict[str, str] = {}
  for comparison in compared:
    for member in comparison.members:
      label = f'{comparison.factor}: {member.label}'
      labels.setdefault(member.cell, label)
  chosen = dict.fromkeys(results.GIVEN) | labels
  return {y or x: images[x] for x, y in chosen.items() if x in images}


def _head(rows: Sequence[results.Row], about: Mapping[str, Any]) -> str:
  """Returns what was trained, from the rows themselves."""
  base = _base(rows)
  planned = len(about.get('cells', {})) * len(about.get('seeds', []))
  count = f'{len(rows)} of {planned} runs' if planned else f'{len(rows)} runs'
  if len(rows) < planned:
    count += ' (**the study is not complete**)'
  if diverged := len(rows) - len(_finished(rows)):
    count += f', {diverged} of which diverged'
  hours = sum(row['total_seconds'] or 0 for row in rows) / 3600
  return f"""# The study

Which loss, optimizer, model and objective fill holes best? One factor at a \
time from \
{base['model']}, {base['loss']}, {base['optimizer']} at \
{base['learning_rate']:g}: {count}, {len({row['cell'] for row in rows})} cells \
with seeds {', '.join(map(str, sorted({row['seed'] for row in rows})))}, \
{values(_finished(rows), 'steps')} steps of {values(rows, 'batch_size')} \
images, {_size(base)}. The runs took {hours:.1f} hours together."""


def _base(rows: Sequence[results.Row]) -> results.Row:
  return next((row for row in rows if row['cell'] == plan.BASE), rows[0])


def _finished(rows: Sequence[results.Row]) -> list[results.Row]:
  return [row for row in rows if row['status'] == results.FINISHED]


def _size(row: results.Row) -> str:
  side = row['image_size']
  counts = ' / '.join(f'{row[f"num_{x}"]:,}' for x in ('train', 'val', 'test'))
  return f'{side}x{side}, {counts} for training, validation and test'


def _in_short(
  compared: Sequence[comparisons.Comparison],
  baselines: Mapping[str, Mapping[str, float]],
) -> str:
  """Returns what to use, a line a question."""
  lines = [_advice(x) for x in compared if len(x.sorted('test/hole_psnr')) > 1]
  best = [x.sorted('test/hole_psnr')[0] for x in compared]
  most = max((_psnr(x) for x in best), default=float('inf'))
  better = {
    name: found['hole_psnr']
    for name, found in baselines.items()
    if found['hole_psnr'] > most
  }
  if better:
    beaten = ', '.join(f'{name} ({x:.2f} dB)' for name, x in better.items())
    lines.append(
      f'- **Or nothing of it**: {beaten}, which learned nothing, beats every '
      f'model here ({most:.2f} dB at most).'
    )
  return '\n'.join(['## What we would use today', '', *lines]) if lines else ''


def _psnr(member: comparisons.Member) -> float:
  summary = member.summary('test/hole_psnr')
  return summary.mean if summary else float('-inf')


def _advice(comparison: comparisons.Comparison) -> str:
  """Returns the line of a question: the best by error and by looks."""
  pixels, looks = (comparison.ties(x) for x in ('hole_psnr', 'lpips'))
  both = [x for x in pixels if x in looks]
  base = comparison.base
  if base in pixels and (base in looks or not base.summary(_LPIPS)):
    chosen, why = [base], 'nothing is better by more than chance'
  elif not looks:
    chosen, why = [pixels[0]], 'the least error'
  elif both:
    chosen, why = [both[0]], 'nothing is better by error or looks'
  else:
    chosen = [pixels[0], looks[0]]
    why = 'the first for the least error, the second for looks'
  text = f'- **{comparison.factor}**: {names(chosen, " or ")}: {why}.'
  for what, tied in {'hole PSNR': pixels, 'LPIPS': looks}.items():
    if tied:
      best, *others = tied
      enough = [x for x in others if x.has_enough(best)]
      few = [x for x in others if x not in enough]
      text += f' Best {what}: {names([best])}'
      text += f', a tie with {names(enough)}' if enough else ''
      text += f', too few seeds to tell it from {names(few)}' if few else ''
      text += '.' if others else ', alone.'
  missing = [x for x in comparison.members if looks and not x.summary(_LPIPS)]
  text += f' LPIPS is not known of {names(missing)}.' if missing else ''
  for member in comparison.members:
    failed = member.diverged + len(member.collapsed)
    if failed:
      seeds = failed + len(member.rows)
      text += f' {names([member])} failed with {failed} of {seeds} seeds.'
  return text


def _answer(comparison: comparisons.Comparison, workdir: pathlib.Path) -> str:
  """Returns a question: plot, table and a paragraph."""
  factor, order = comparison.factor, comparison.sorted('test/hole_psnr')
  rows = []
  for member in order:
    found = {x: member.summary(f'test/{x}') for x in _METRICS}
    cells = [mean(found[x], decimals) for x, (_, decimals) in _METRICS.items()]
    effects = [_effect(member, comparison.base, x) for x in _EFFECTS]
    row = member.rows[0]
    speed = row['images_per_second']
    also = f', {member.diverged} diverged' if member.diverged else ''
    for own in member.collapsed:
      also += f', 1 collapsed ({own["test/hole_psnr"]:.1f} dB)'
    rows.append(
      [
        member.label,
        f'{row["learning_rate"]:g}',
        cells[0],
        effects[0],
        cells[1],
        effects[1],
        *cells[2:],
        f'{1000 * row["batch_size"] / speed:.0f}' if speed else '',
        f'{len(member.rows)}{also}',
      ]
    )
  rows += [
    [member.label, '', 'diverged', *[''] * (len(_METRICS) + 2), '0']
    for member in comparison.members
    if not member.rows
  ]
  psnr, lpips, *others = (heading for heading, _ in _METRICS.values())
  less = f'less {comparison.base.label}'
  header = ['', 'rate', psnr, less, lpips, less, *others]
  parts = [
    f'## {factor[0].upper()}{factor[1:]}',
    _show(workdir, factor, f'{factor}.png'),
    table(*_without_empty([*header, 'step, ms', 'seeds'], rows)),
    ' '.join(
      [*_ties(comparison), *_by_metric(comparison), *_by_step(comparison)]
    ),
    _beside_reference(comparison),
  ]
  return '\n\n'.join(part for part in parts if part)


def _without_empty(
  header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
  """Leaves out the columns of a table that say nothing."""
  filled = [0, *(i for i in range(1, len(header)) if any(x[i] for x in rows))]
  return [header[i] for i in filled], [[x[i] for i in filled] for x in rows]


def _effect(
  ours: comparisons.Member, base: comparisons.Member, metric: str
) -> str:
  """Returns a difference with its interval, bold where it is no tie."""
  found = ours.minus(base, metric) if ours is not base else None
  if found is None:
    return ''
  decimals = _METRICS[metric][1]
  text = signed(found.mean, decimals)
  if found.interval:
    low, high = (signed(x, decimals) for x in found.interval)
    text += f' ({low} to {high})'
  return text if found.is_tie else f'**{text}**'


def _ties(comparison: comparisons.Comparison) -> list[str]:
  """Returns what is a tie, and how many seeds would break it."""
  order = comparison.sorted('test/hole_psnr')
  if len(order) < 2:
    return []
  tied = comparison.ties('hole_psnr')[1:]
  if not tied:
    return [f'By hole PSNR {names(order[:1])} is ahead by more than chance.']
  needed = []
  for member in tied:
    found = member.minus(order[0], 'hole_psnr')
    if found is None or found.interval is None:
      needed.append(f'{member.label} unknown, of one seed in common or none')
      continue
    count = statistics.seeds_needed(found.mean, found.deviation)
    seeds = f'{count}' if count else f'more than {statistics.MOST_SEEDS:,}'
    needed.append(
      f'{member.label} {seeds} ({signed(found.mean, 2)} dB, deviation '
      f'{found.deviation:.2f} dB over {found.pairs} seeds)'
    )
  return [
    f'By hole PSNR chance could put {names(tied)} before {names(order[:1])}. '
    f'Seeds that would tell: {", ".join(needed)}.'
  ]


def _by_metric(comparison: comparisons.Comparison) -> list[str]:
  """Returns which cell is the best by which metric."""
  winners: dict[str, list[str]] = {}
  for metric, words in _IN_WORDS.items():
    for member in comparison.sorted(f'test/{metric}')[:1]:
      winners.setdefault(member.label, []).append(words)
  found = [f'{", ".join(x)}: {label}' for label, x in winners.items()]
  return [f'The best by metric: {"; ".join(found)}.'] if found else []


def _by_step(comparison: comparisons.Comparison) -> list[str]:
  """Returns how the order changes with the steps."""
  orders = dict(comparison.order_at(share) for share in (0.25, 0.5, 1))
  last = list(orders.values())[-1]
  if len(last) < 2:
    return []
  if all(order == last for order in orders.values()):
    return [f'In validation the order was the same at {_steps(orders)} steps.']
  told = (f'{step:,}: {" > ".join(order)}' for step, order in orders.items())
  return [
    f'The order in validation, by hole PSNR, after steps: {"; ".join(told)}.'
  ]


def _steps(orders: Mapping[int, Any]) -> str:
  return ', '.join(f'{step:,}' for step in orders)


def _beside_reference(comparison: comparisons.Comparison) -> str:
  """Returns the reference's numbers beside ours, and why they differ."""
  reported = reference.REPORTED.get(comparison.factor)
  if reported is None:
    return ''
  members = {x.label.split(' at ')[0]: x for x in comparison.members}
  lines = []
  for name, theirs in reported.l1.items():
    member = members.get(name)
    ours = mean(member.summary('test/l1'), 4) if member else ''
    lines.append(f'{name} {theirs} ({ours or "not measured"})')
  return (
    "The reference's L1 of the whole output, and ours in brackets: "
    f'{", ".join(lines)}. {reported.why}'
  )


def _find_sweeps(
  studies: Sequence[Sequence[results.Row]],
) -> list[comparisons.Sweep]:
  """Returns the sweeps of a few studies, the first of each name."""
  found: dict[str, comparisons.Sweep] = {}
  for rows in studies:
    for sweep in comparisons.sweeps(comparisons.members(rows)):
      if len(sweep.members) > 1 and sweep.chosen:
        found.setdefault(sweep.name, sweep)
  return list(found.values())


def _sweeps(sweeps: Sequence[comparisons.Sweep], workdir: pathlib.Path) -> str:
  lines = []
  for sweep in sweeps:
    tried = [f'{x:g}' for x in sweep.members]
    tried[list(sweep.members).index(sweep.chosen or 0)] = (
      f'**{sweep.chosen:g}**'
    )
    failed = [
      f'{rate:g}'
      for rate, x in sweep.members.items()
      if x.diverged or x.collapsed
    ]
    notes = ['at the edge of what was tried'] * sweep.is_at_edge
    notes += [f'{", ".join(failed)} failed'] * bool(failed)
    rows = [row for x in sweep.members.values() for row in x.rows]
    side, seeds = rows[0]['image_size'], len({row['seed'] for row in rows})
    how = f'{side}x{side}, {values(rows, "steps")} steps, {seeds} seed(s)'
    lines.append([sweep.name, ', '.join(tried), how, '; '.join(notes)])
  if not lines:
    return ''
  return f"""## Learning rates

Chosen on the validation loss.

{_show(workdir, 'Validation by learning rate', 'rates.png')}

{table(['', 'learning rates, the chosen one bold', 'with', ''], lines)}"""


def _weights(studies: Sequence[Sequence[results.Row]]) -> str:
  """Returns what else other studies tried beside learning rates."""
  shown = {'val/hole_psnr': 2, 'val/lpips': 4}
  lines = [
    [name, *(mean(member.summary(x), shown[x]) for x in shown)]
    for rows in studies
    for name, member in comparisons.members(rows).items()
    if name.startswith('objective/')
  ]
  if not lines:
    return ''
  return f"""Weights of objectives, tried in the same way:

{table(['', 'validation hole PSNR, dB', 'validation LPIPS'], lines)}"""


def _split(rows: Sequence[results.Row]) -> str:
  """Returns the split that metrics are of."""
  return 'test' if _base(rows)['num_test'] else 'validation'


def _baselines(
  baselines: Mapping[str, Mapping[str, float]], rows: Sequence[results.Row]
) -> str:
  lines = []
  for name, found in baselines.items():
    cells = {x: [found[x]] if x in found else [] for x in _METRICS}
    summaries = {
      x: statistics.summarize(y) if y else None for x, y in cells.items()
    }
    lines.append(
      [name, *(mean(summaries[x], d) for x, (_, d) in _METRICS.items())]
    )
  if not lines:
    return ''
  header = ['', *(heading for heading, _ in _METRICS.values())]
  return f"""## Without training

The same {_split(rows)} images and masks, filled by methods that learn \
nothing.

{table(*_without_empty(header, lines))}"""


def _photos(workdir: pathlib.Path) -> str:
  shown = _show(workdir, 'Test photographs, filled by each cell', 'images.jpg')
  if not shown:
    return ''
  return f"""## The same holes, filled by each cell

The first seed of each; known pixels are those of the photograph.

{shown}"""


def _weaknesses(
  rows: Sequence[results.Row],
  compared: Sequence[comparisons.Comparison],
  about: Mapping[str, Any],
) -> str:
  """Returns what a reader must not conclude."""
  chosen_by = {
    x['best_metric']
    for x in about.get('changes', {}).values()
    if 'best_metric' in x
  }
  others = f', of some cells the best {" or ".join(chosen_by)}'
  has_features = any(row.get('test/detectability') for row in rows)
  is_trained_on_lpips = any(
    name in x
    for x in about.get('changes', {}).values()
    for name in ('objectives.perceptual', 'objectives.style')
  )
  finished, base = _finished(rows), _base(rows)
  falling = sum(row['best_step'] == row['steps'] for row in finished)
  tests = 2 * sum(len(x.members) - 1 for x in compared)
  chance = tests * (1 - statistics.CONFIDENCE)
  side, seeds = base['image_size'], len({row['seed'] for row in rows})
  counts = collections.Counter(row['cell'] for row in rows)
  fewer = sum(count < seeds for count in counts.values())
  lines = [
    f'Small: {side}x{side} images and {base["steps"]:,} steps, where the '
    'reference has 256x256 and 6,260. Orders may change with both.',
    f'Short: {falling} of {len(finished)} runs had their least validation loss '
    'at the last step, and might have gone on falling.',
    f'Few seeds: {seeds} at most, and {fewer} of {len(counts)} cells have '
    'fewer, so that their means are over other seeds. The number of seeds that '
    'would tell rests on a deviation of as few, and on a difference that may '
    'itself be chance.',
    'The epoch that is tested has the least validation loss'
    f'{others if chosen_by else ""}, and so have the learning rates. That is '
    'of the whole image, known pixels too: neither the least error within '
    'holes, nor what looks best.',
    *(
      [
        'Objectives that compare deep features are trained on the net that '
        f'LPIPS measures with{_OF_ANOTHER * has_features}.'
      ]
      * is_trained_on_lpips
    ),
    *_UNTESTED * (not base['num_test']),
    'The best is chosen and compared on the same images, which favours it.',
    f'{tests} differences are tested, each with {statistics.CONFIDENCE:.0%}: '
    f'if there were none at all, about {chance:.1f} would be found.',
    'One factor at a time: nothing is said of combinations.',
    'One kind of photos, landscapes, and one kind of masks, stamps.',
    reference.EVERYWHERE,
  ]
  return '\n'.join(['## Weaknesses', '', *(f'- {line}' for line in lines)])


def _method(rows: Sequence[results.Row]) -> str:
  """Returns how it was measured."""
  finished, percent = _finished(rows), f'{statistics.CONFIDENCE:.0%}'
  over = 'seeds (paired t-test)'
  files = '`curves.csv` their steps'
  if any('images/hole_psnr' in row for row in rows):
    over = """seeds and other images
  together (images resampled, seeds by Student's distribution)"""
    files += ', `per_image.npz` each test image'
  return f"""## How it was measured

- Numbers are means ± standard deviations over the seeds. For a given seed all
  cells have the same order of images, augmentation and training masks, and the
  same initial weights if they have the same model; {_split(rows)} images and
  masks, which the metrics are of, are the same in all runs.
- A seed that diverged, or ended {comparisons.COLLAPSE:g} dB or more below the
  median of its cell ("collapsed"), is in no mean; the tables tell it.
- Differences in tables and plots are from the base of all questions, paired by
  seed and image, with {percent} intervals over other {over}; bold: 0 is
  outside. Everything else is a tie, or, with two seeds, not told: which is not
  to say that there is no difference.
- Seeds that would tell: for a paired t-test with {percent} and a power of \
{statistics.POWER:.0%}.
- Hole PSNR, SSIM, LPIPS (AlexNet), seam, texture and "told apart" (see
  [evaluating](../evaluating.md)) are of the composite in 8 bits; whole L1 is of
  the model's whole output.
- Milliseconds of a step are with whatever else ran on the device.
- Trained on {values(rows, 'device')}, {values(rows, 'cores')} core(s); \
{values(rows, 'versions')}.
- {_sameness(finished)}
- `results.csv` has a row for each of the {len(rows)} runs with all metrics, \
{files}."""


def _sameness(rows: Sequence[results.Row]) -> str:
  columns = {'images': 'data_hash', 'masks': 'mask_hash'}
  found = {name: values(rows, column) for name, column in columns.items()}
  differing = [x for x, hashes in found.items() if len(hashes.split()) != 1]
  if differing:
    return (
      f'**The runs differ in their {" and ".join(differing)}: they cannot be '
      'compared.** See the columns of hashes in results.csv.'
    )
  return (
    f'All runs had the same images (hash {found["images"]}), and the same '
    f'masks in what is measured (hash {found["masks"]}).'
  )
