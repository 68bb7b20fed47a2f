"""report.md: answers, plots and tables, all from the tables of results.

No sentence here states a result; the numbers choose the sentences.
"""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import answers, caveats, comparisons, folder, results
from inpaint_jax.study.numbers import table, values
from inpaint_jax.system import atomic_files, errors, json_files

_NO_BASE = (
  'No run of the base is there, so nothing is compared; results.csv has the '
  'numbers of each run.'
)
_PHOTOS = """## The same holes, filled by each cell

The composites of the first seed of each cell.

![Test photographs, filled by each cell](images.jpg)"""


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Makes the tables, report.md and its plots in the folder of a study.

  It needs results.csv or the folders of the runs; the other files of the study
  (see folder.py) add to the report. Subfolders may hold the tables of other
  studies, whose sweeps of learning rates are shown, too.

  Raises:
    errors.UserError: there are no results, or they are damaged.
  """
  errors.check_installed('matplotlib', 'the report', 'study')
  from inpaint_jax.study import plots

  with workdirs.disk_full_as_user_error(workdir):
    folder.gather(workdir)
    rows = results.read_study(workdir)
    if not caveats.finished(rows):
      raise errors.UserError(
        f'workdir={workdir} has no results.csv with a finished run; start '
        'without --report_only first'
      )
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
    images = results.read_images(workdir / 'images.npz')
    filled = _filled(images, compared)
    if filled:
      given = {name: images[name] for name in results.GIVEN}
      plots.photo_grid(filled, given, workdir / 'images.jpg')
    about = folder.read(workdir)
    sections = [
      _head(rows, compared, about),
      answers.advise(compared, baselines) if compared else _NO_BASE,
      *map(answers.section, compared),
      _sweeps(sweeps),
      _baselines(baselines, caveats.split(rows)),
      _PHOTOS if filled else '',
      caveats.weaknesses(rows, compared, about, is_swept=bool(sweeps)),
      caveats.method(rows),
    ]
    text = '\n\n'.join(section for section in sections if section)
    atomic_files.write(workdir / 'report.md', f'{text}\n'.encode())
  return workdir / 'report.md'


def _of_one_split(rows: Sequence[results.Row]) -> list[results.Row]:
  """Returns the rows, all with validation metrics if some were not tested."""
  if all(row['num_test'] for row in rows):
    return list(rows)
  found = []
  for row in rows:
    own = {
      k: x for k, x in row.items() if not k.startswith(('test/', 'images/'))
    }
    own |= {f'test/{k[4:]}': x for k, x in row.items() if k.startswith('val/')}
    # A tested row has the hash of the test's masks.
    mask_hash = '' if row['num_test'] else row['mask_hash']
    found.append(own | {'num_test': 0, 'mask_hash': mask_hash})
  return found


def _filled(
  images: Mapping[str, np.ndarray],
  compared: Sequence[comparisons.Comparison],
) -> dict[str, np.ndarray]:
  """Returns the images filled by each compared cell, by its label."""
  labels: dict[str, str] = {}
  for comparison in compared:
    for member in comparison.members:
      label = f'{comparison.factor}: {member.label}'
      labels.setdefault(member.cell, label)
  return {y: images[x] for x, y in labels.items() if x in images}


def _head(
  rows: Sequence[results.Row],
  compared: Sequence[comparisons.Comparison],
  about: Mapping[str, Any],
) -> str:
  """Returns what was trained, from the rows themselves."""
  factors = ' and '.join(
    ', '.join(comparison.factor for comparison in compared).rsplit(', ', 1)
  )
  verb = 'fill' if len(compared) > 1 else 'fills'
  base, finished = caveats.base(rows), caveats.finished(rows)
  planned = len(folder.run_names(about))
  count = f'{len(rows)} of {planned} runs' if planned else f'{len(rows)} runs'
  notes = ['**the study is not complete**'] * (len(rows) < planned)
  if diverged := len(rows) - len(finished):
    notes.append(f'{diverged} of them diverged')
  if notes:
    count += f' ({", ".join(notes)})'
  hours = sum(map(results.seconds, rows)) / 3600
  sizes = ' / '.join(f'{base[f"num_{x}"]:,}' for x in ('train', 'val', 'test'))
  cells = len({row['cell'] for row in rows})
  seeds = {row['seed'] for row in rows}
  common = set(about.get('seeds', seeds)) & seeds
  shown = ', '.join(map(str, sorted(common)))
  if more := ', '.join(map(str, sorted(seeds - common))):
    shown += f', some of them also with {more}'
  recipes, side = caveats.recipes(rows, about), base['image_size']
  return f"""# The study

Which {factors or 'cell'} {verb} holes best? Each cell changes one factor of \
the base ({base['model']}, {base['loss']}, {base['optimizer']} at \
{base['learning_rate']:g}){recipes}: {count} of {cells} cells with seeds \
{shown}. Each run takes {values(finished, 'steps')} steps of \
{values(rows, 'batch_size')} images of {side}x{side}; {sizes} images are for \
training, validation and test. All runs together took {hours:.1f} hours."""


def _find_sweeps(
  studies: Sequence[Sequence[results.Row]],
) -> list[comparisons.Sweep]:
  """Returns the sweeps of a few studies; of equal names, the first one."""
  found: dict[str, comparisons.Sweep] = {}
  for rows in studies:
    for sweep in comparisons.sweeps(comparisons.members(rows)):
      own = sweep.members.values()
      if len(own) > 1 and any(member.rows for member in own):
        found.setdefault(sweep.name, sweep)
  return list(found.values())


def _sweeps(sweeps: Sequence[comparisons.Sweep]) -> str:
  if not sweeps:
    return ''
  lines = []
  for sweep in sweeps:
    tried = [
      f'**{rate:g}**' if rate == sweep.chosen else f'{rate:g}'
      for rate in sweep.members
    ]
    failed = [f'{rate:g}' for rate, x in sweep.members.items() if x.num_failed]
    notes = ['best at the edge of the sweep'] * sweep.is_at_edge
    notes += [f'{", ".join(failed)} failed'] * bool(failed)
    rows = [row for x in sweep.members.values() for row in x.rows]
    side, seeds = rows[0]['image_size'], len({row['seed'] for row in rows})
    how = f'{side}x{side}, {values(rows, "steps")} steps, {seeds} seed(s)'
    lines.append([sweep.name, ', '.join(tried), how, '; '.join(notes)])
  rule = 'The rate'
  if any(x.num_failed for sweep in sweeps for x in sweep.members.values()):
    rule = 'Of the rates with the fewest failed seeds, the one'
  return f"""## Learning rates

{rule} with the lowest validation loss is chosen (bold).

![Validation by learning rate](rates.png)

{table(['', 'learning rates', 'measured with', ''], lines)}"""


def _baselines(baselines: Mapping[str, Mapping[str, float]], split: str) -> str:
  if not baselines:
    return ''
  columns = answers.COLUMNS
  header = ['', *(x.name + x.mark for x in columns.values())]
  lines = [
    [name]
    + [
      f'{found[x]:.{column.decimals}f}' if x in found else ''
      for x, column in columns.items()
    ]
    for name, found in baselines.items()
  ]
  return f"""## Without training

The same {split} images and masks, filled by methods that need no training.

{table(header, lines)}"""
