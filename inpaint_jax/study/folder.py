"""The folder of a study.

study.json       base, cells and seeds, see `create`
dataset.json     the name of the dataset of all runs
runs/RUN/        the folder of a run (see runs/workdir.py), and in it:
  log.txt          what the training printed
  result.json      the row of the run, written when it is finished
  per_picture.npz  results.METRICS of each test image
  pictures.npz     the test images that the report shows
results.csv, curves.csv, per_picture.npz
                 the tables of all runs, see results.py
baselines.json   test metrics of the methods that need no training
report.md        with its plots, made from study.json and the tables alone

A run writes into its own folder only, so that runs can be trained on several
machines at once; `gather` makes the tables from these folders.
"""

from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import plan, results
from inpaint_jax.system import errors, json_files


def run_folder(workdir: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the folder of a run."""
  return workdir / 'runs' / name


def result_path(workdir: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the file that a finished run leaves its row in."""
  return run_folder(workdir, name) / 'result.json'


def check(workdir: pathlib.Path, study: plan.Plan) -> None:
  """Raises a UserError if a folder holds something else; writes nothing."""
  if (workdir / 'config.json').exists():
    raise errors.UserError(
      f'workdir={workdir} holds a single run; name another for the study'
    )
  new = plan.fields(study.base)
  old = read(workdir).get('base', new)
  differences = [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted(old.keys() | new.keys())
    if name != 'seed' and old.get(name) != new.get(name)
  ]
  if differences:
    raise errors.UserError(
      f'workdir={workdir} holds a study of another protocol: '
      f'{", ".join(differences)}; name another workdir, or give the same '
      'fields to go on with that study'
    )
  names = [run.name for run in study.runs]
  hashes = {cell.name: plan.fingerprint(cell.config) for cell in study.cells}
  for row in read_rows(workdir, names).values():
    wanted = hashes.get(row['cell'], row['config_hash'])
    if row['config_hash'] != wanted:
      raise errors.UserError(
        f'workdir={workdir} has {results.row_name(row)} of another protocol '
        f'(config {row["config_hash"]} there, {wanted} here); name another '
        'workdir'
      )


def create(workdir: pathlib.Path, study: plan.Plan, command: str) -> None:
  """Makes the folder of a study, or takes that of an earlier start of it.

  Cells and seeds may differ from those of an earlier start, the base may not.

  Args:
    workdir: the folder.
    study: what is to be trained there.
    command: that starts it, for the report; without paths of this machine.

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
    'seeds': list(study.seeds),
  }
  # The shards of a study write the same: the first one does it.
  if content != read(workdir):
    json_files.write(workdir / 'study.json', content)


def read(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns what study.json holds, {} if there is none.

  Raises:
    errors.UserError: it is damaged, or another version wrote it.
  """
  path = workdir / 'study.json'
  if not path.exists():
    return {}
  content = json_files.read(path)
  if not isinstance(content, dict):
    content = {}
  results.check_schema(path, content.get('schema'))
  if missing := {'base', 'cells', 'seeds'} - content.keys():
    raise errors.UserError(
      f'{path} is damaged: {", ".join(sorted(missing))} is missing; delete it, '
      'and start without --report-only'
    )
  return content


def read_rows(
  workdir: pathlib.Path, names: Sequence[str]
) -> dict[str, results.Row]:
  """Returns {run: row} of the finished runs, of the tables and the folders.

  Args:
    workdir: the folder of the study.
    names: of the runs whose folders are read; these come first. Rows of
      results.csv whose folders are gone are kept.
  """
  table = results.read(workdir / 'results.csv')
  rows = {results.row_name(row): row for row in table}
  for name in names:
    path = result_path(workdir, name)
    if path.exists():
      rows[name] = json_files.read(path)
      results.check_schema(path, rows[name].get('schema'))
  first = {name: rows[name] for name in names if name in rows}
  return first | rows


def gather(workdir: pathlib.Path) -> None:
  """Makes the tables of all finished runs.

  Raises:
    errors.UserError: a table is damaged or of another version; nothing is
      overwritten.
  """
  about = read(workdir)
  names = [
    plan.run_name(cell, seed)
    for seed in about.get('seeds', [])
    for cell in about.get('cells', {})
  ]
  rows = read_rows(workdir, names)
  curves = results.read_curves(workdir)
  pictures = results.read_per_picture(workdir)
  new = [name for name in names if result_path(workdir, name).exists()]
  for name in new:
    folder = run_folder(workdir, name)
    if (folder / 'metrics.csv').exists():
      curves[name] = results.read_run_curves(folder / 'metrics.csv')
    if (folder / 'per_picture.npz').exists():
      with np.load(folder / 'per_picture.npz') as arrays:
        pictures[name] = {x: arrays[x] for x in results.METRICS}
  if new:
    results.write(workdir / 'results.csv', list(rows.values()))
    results.write_curves(workdir, {x: curves[x] for x in rows if x in curves})
    results.write_per_picture(workdir, pictures)
  _copy_baselines(workdir, about)


def _copy_baselines(workdir: pathlib.Path, about: dict[str, Any]) -> None:
  """Writes baselines.json, of the evaluation of the base's first seed."""
  for seed in about.get('seeds', [])[:1]:
    name = plan.run_name(plan.BASE, seed)
    path = run_folder(workdir, name) / 'test_metrics.json'
    if path.exists() and not (workdir / 'baselines.json').exists():
      means = dict(json_files.read(path)['metrics'])
      means.pop(about['base']['model.name'], None)
      json_files.write(workdir / 'baselines.json', means)
