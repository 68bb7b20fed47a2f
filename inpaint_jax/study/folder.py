"""The folder of a study.

study.json       base, cells and seeds, see `create`
dataset.json     the name of the dataset of all runs
runs/RUN/        the folder of a run (see runs/workdir.py), and in it:
  log.txt          what the training printed
  result.json      the row of the run, written when it is finished
  per_image.npz    the metrics of each test image
  images.npz       the test images that the report shows
results.csv, curves.csv, per_image.npz, images.npz
                 the tables of all runs, see results.py
baselines.json   test metrics of the methods that need no training
report.md        with its plots, made from study.json and the tables alone

A run writes into its own folder only, so that runs can be trained on several
machines at once; `gather` makes the tables from these folders.
"""

from collections.abc import Iterable, Mapping
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import plan, results
from inpaint_jax.system import errors, json_files


def run_folder(workdir: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the folder of a run."""
  return workdir / 'runs' / name


def check(workdir: pathlib.Path, study: plan.Plan) -> None:
  """Raises a UserError if a folder holds a run or another study; only reads."""
  if (workdir / 'config.json').exists():
    raise errors.UserError(
      f'workdir={workdir} holds a single run; name another for the study'
    )
  new = plan.fields(study.base)
  old = read(workdir).get('base', new)
  differences = workdirs.describe_differences(old, new, {'seed'})
  if differences:
    raise errors.UserError(
      f'workdir={workdir} holds a study of another protocol: '
      f'{", ".join(differences)}; name another workdir, or give the same '
      'fields to go on with that study'
    )
  hashes = {cell.name: plan.fingerprint(cell.config) for cell in study.cells}
  for name, row in read_rows(workdir, [x.name for x in study.runs]).items():
    wanted = hashes.get(row['cell'], row['config_hash'])
    if row['config_hash'] != wanted:
      raise errors.UserError(
        f'workdir={workdir} has {name} of another protocol (config '
        f'{row["config_hash"]} there, {wanted} here); name another workdir'
      )


def create(workdir: pathlib.Path, study: plan.Plan, command: str) -> None:
  """Makes the folder of a study, or continues one that exists.

  Cells and seeds may differ from those of an earlier start, the base may not.
  The report shows `command`, which has no paths of this machine.

  Raises:
    errors.UserError: the folder cannot be written to, or holds something else.
  """
  check(workdir, study)
  workdirs.check_writable(workdir)
  content = {
    'schema': results.SCHEMA,
    'command': command,
    'base': plan.fields(study.base),
    'cells': {cell.name: list(cell.names) for cell in study.cells},
    'changes': {cell.name: _changes(study, cell) for cell in study.cells},
    'seeds': list(study.seeds),
    'more_seeds': {
      cell.name: [x for x in cell.seeds if x not in study.seeds]
      for cell in study.cells
      if len(cell.seeds) > len(study.seeds)
    },
  }
  # All shards of a study would write the same, so only the first one writes.
  if content != read(workdir):
    json_files.write(workdir / 'study.json', content)


def _changes(study: plan.Plan, cell: plan.Cell) -> dict[str, Any]:
  """Returns {field: value} of the fields that a cell changes in the base."""
  base = plan.fields(study.base)
  fields = plan.fields(cell.config).items()
  return {name: x for name, x in fields if x != base.get(name)}


def check_images(workdir: pathlib.Path, data_hash: str) -> None:
  """Raises a UserError if finished runs used other images."""
  for row in results.read_study(workdir):
    if row['data_hash'] not in (None, '', data_hash):
      raise errors.UserError(
        f'workdir={workdir} has {results.row_name(row)} of other images (hash '
        f'{row["data_hash"]} there, {data_hash} here): photos or their decoder '
        'differ, and runs could not be compared; name another workdir'
      )


def read(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns what study.json holds, {} if there is none.

  Raises:
    errors.UserError: it is damaged, or another version wrote it.
  """
  path = workdir / 'study.json'
  if not path.exists():
    return {}
  content = json_files.read(path)
  results.check_schema(path, content.get('schema'))
  if missing := {'base', 'cells', 'seeds'} - content.keys():
    raise errors.UserError(
      f'{path} is damaged: {", ".join(sorted(missing))} is missing; delete it, '
      'and start without --report_only'
    )
  return content


def run_names(about: Mapping[str, Any]) -> list[str]:
  """Returns the names of all runs in what study.json holds, [] for {}."""
  seeds, more = about.get('seeds', []), about.get('more_seeds', {})
  return [
    plan.run_name(cell, seed)
    for seed in [*seeds, *sorted({x for own in more.values() for x in own})]
    for cell in about.get('cells', {})
    if seed in seeds or seed in more.get(cell, ())
  ]


def read_rows(
  workdir: pathlib.Path, names: Iterable[str]
) -> dict[str, results.Row]:
  """Returns {run: row} of the finished runs, from the tables and the folders.

  Args:
    names: names of the runs whose folders are read; these come first. Rows of
      results.csv whose folders are gone are kept.
  """
  table = {results.row_name(row): row for row in results.read_study(workdir)}
  first = {}
  for name in names:
    run = run_folder(workdir, name)
    if (run / 'result.json').exists():
      row = json_files.read(run / 'result.json')
      results.check_schema(run / 'result.json', row.get('schema'))
      if curves := results.read_curves(run / 'metrics.csv'):
        row['curves'] = curves['']
      if (run / 'per_image.npz').exists():
        with np.load(run / 'per_image.npz') as arrays:
          found = (x for x in results.METRICS if x in arrays)
          row |= {f'images/{x}': arrays[x] for x in found}
      first[name] = row
    elif name in table:
      first[name] = table[name]
  return first | {k: x for k, x in table.items() if k not in first}


def gather(workdir: pathlib.Path) -> None:
  """Makes the tables of all finished runs, and baselines.json.

  Raises:
    errors.UserError: a table is damaged or of another version; nothing is
      overwritten.
  """
  about = read(workdir)
  rows = read_rows(workdir, run_names(about))
  if rows and (workdir / 'runs').exists():
    results.write_study(workdir, list(rows.values()))
    _gather_images(workdir, rows.values())
  path = workdir / 'baselines.json'
  if about and not path.exists() and (tests := _base_tests(workdir)):
    means = json_files.read(tests[0])['metrics']
    means.pop(about['base']['model.name'], None)
    json_files.write(path, means)


def has_baselines(workdir: pathlib.Path) -> bool:
  """Returns whether `gather` has baselines, or a test to take them from."""
  return (workdir / 'baselines.json').exists() or bool(_base_tests(workdir))


def _base_tests(workdir: pathlib.Path) -> list[pathlib.Path]:
  return sorted(run_folder(workdir, plan.BASE).glob('*/test_metrics.json'))


def _gather_images(workdir: pathlib.Path, rows: Iterable[results.Row]) -> None:
  """Adds the first seed of each cell to images.npz."""
  images = before = results.read_images(workdir / 'images.npz')
  for row in rows:
    path = run_folder(workdir, results.row_name(row)) / 'images.npz'
    if row['cell'] not in images and path.exists():
      with np.load(path) as arrays:
        given = {name: arrays[name] for name in results.GIVEN}
        images = given | images | {row['cell']: arrays['composite']}
  if images is not before:
    results.write_images(workdir / 'images.npz', images)
