"""results.csv: one row a run; and the tables beside it.

Each run writes its row as result.json into its own folder when it is finished,
and `gather` makes the tables of all of them, so that no two processes write to
one file. In the study's folder:

results.csv      one row a run: COLUMNS, then test/* and val/* metrics
curves.csv       losses and validation metrics by step
per_picture.npz  METRICS of each test picture, float32 [N], as RUN:METRIC
baselines.json   means of the methods that need no training
study.json       the protocol, see protocol.py

The report is made of these alone.
"""

from collections.abc import Iterable, Mapping, Sequence
import csv
import io
import math
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.study import plan
from inpaint_jax.system import atomic_files, errors, json_files

# Raised when columns change their meaning.
SCHEMA = 1
FINISHED, DIVERGED = 'finished', 'diverged'

# What a row has beside its metrics, with the types.
COLUMNS: dict[str, type] = {
  'schema': int,
  'cell': str,
  # What the cell is called in each factor, such as loss/mse model/unet.
  'names': str,
  'seed': int,
  # finished, or diverged: its loss was not finite, and it has no metrics.
  'status': str,
  'model': str,
  'loss': str,
  'optimizer': str,
  'momentum': float,
  'learning_rate': float,
  'batch_size': int,
  'image_size': int,
  # Made; the checkpoint that was tested is that of best_step.
  'steps': int,
  'best_step': int,
  'parameters': int,
  # Of training and validation, over all starts, compilation included.
  'seconds': float,
  # From claim to result, the test included, of the last start.
  'total_seconds': float,
  # Of training alone.
  'pictures_per_second': float,
  # Of one 256x256 picture.
  'inference_seconds': float,
  'device': str,
  'cores': int,
  'versions': str,
  'dataset': str,
  'num_train': int,
  'num_val': int,
  'num_test': int,
  # Of all pictures of the three splits, and of the masks of the test.
  'data_hash': str,
  'mask_hash': str,
  # Of the run's config, but for its seed.
  'config_hash': str,
}
# These are there in every row; others are empty where a run has none.
_REQUIRED = ('schema', 'cell', 'names', 'seed', 'status', 'config_hash')
# What is compared.
METRICS = ('hole_psnr', 'hole_l1', 'l1')
CURVES = ('train/loss', 'val/loss', *(f'val/{name}' for name in METRICS))

Row = dict[str, Any]
Curves = dict[str, dict[str, np.ndarray]]


def row_name(row: Mapping[str, Any]) -> str:
  """Returns the name of a row's run."""
  return plan.run_name(row['cell'], row['seed'])


def read(path: pathlib.Path) -> list[Row]:
  """Returns the rows of a results.csv, [] if there is none.

  Raises:
    errors.UserError: it is damaged, or another version wrote it.
  """
  try:
    text = path.read_text(encoding='utf-8')
  except FileNotFoundError:
    return []
  except (OSError, ValueError) as error:
    raise errors.UserError(f'{path} cannot be read: {error}') from error
  header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
  missing = [name for name in COLUMNS if name not in header]
  unknown = [
    name
    for name in header
    if name not in COLUMNS and not name.startswith(('test/', 'val/'))
  ]
  if missing or unknown:
    found = [f'without {name}' for name in missing[:3]]
    found += [f'with {name!r}' for name in unknown[:3]]
    raise errors.UserError(
      f'{path} was not written by this version ({", ".join(found)}); name '
      'another workdir, or move that file away'
    )
  rows = []
  for number, line in enumerate(lines, 2):
    is_last = number == len(lines) + 1
    if len(line) != len(header) or (is_last and not text.endswith('\n')):
      raise _damaged(path, number, 'it is cut short')
    rows.append(_parse(path, number, dict(zip(header, line, strict=True))))
    if row_name(rows[-1]) in map(row_name, rows[:-1]):
      raise _damaged(path, number, f'{row_name(rows[-1])} is there twice')
  return rows


def write(path: pathlib.Path, rows: Sequence[Row]) -> None:
  """Writes rows; a kill leaves the old file or the new, never half."""
  metrics = dict.fromkeys(
    name for row in rows for name in row if name not in COLUMNS
  )
  header = [*COLUMNS, *metrics]
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(header)
  writer.writerows([_text(row.get(name)) for name in header] for row in rows)
  atomic_files.write(path, text.getvalue().encode())


def result_path(workdir: pathlib.Path, name: str) -> pathlib.Path:
  """Returns where a run leaves its row."""
  return run_folder(workdir, name) / 'result.json'


def run_folder(workdir: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the folder of a run."""
  return workdir / 'runs' / name


def check(path: pathlib.Path, rows: Iterable[Row], study: plan.Plan) -> None:
  """Raises a UserError if a cell of the study has rows of another config."""
  configs = {cell.name: plan.fingerprint(cell.config) for cell in study.cells}
  for row in rows:
    wanted = configs.get(row['cell'], row['config_hash'])
    if row['config_hash'] != wanted:
      raise errors.UserError(
        f'{path} has {row_name(row)} of another protocol (config '
        f'{row["config_hash"]} there, {wanted} here); name another workdir'
      )


def gather(workdir: pathlib.Path, study: plan.Plan) -> list[Row]:
  """Writes the tables of all runs that are finished, and returns the rows.

  What is in the tables and no longer in a folder of a run stays.

  Raises:
    errors.UserError: a table is damaged or of another version or protocol;
      nothing is overwritten.
  """
  path = workdir / 'results.csv'
  rows = {row_name(row): row for row in read(path)}
  curves = read_curves(workdir)
  pictures = read_per_picture(workdir)
  order = [run.name for run in study.runs]
  new = [name for name in order if result_path(workdir, name).exists()]
  for name in new:
    folder = run_folder(workdir, name)
    rows[name] = _read_result(result_path(workdir, name))
    curves[name] = _curves_of(folder / 'metrics.csv')
    if (folder / 'per_picture.npz').exists():
      with np.load(folder / 'per_picture.npz') as arrays:
        pictures[name] = {metric: arrays[metric] for metric in METRICS}
  names = [name for name in order if name in rows]
  names += [name for name in rows if name not in names]
  check(path, rows.values(), study)
  if names:
    write(path, [rows[name] for name in names])
    write_curves(workdir, {n: curves[n] for n in names if n in curves})
    write_per_picture(workdir, pictures)
  return [rows[name] for name in names]


def read_curves(workdir: pathlib.Path) -> Curves:
  """Returns {run: {'step' or name of CURVES: [rows]}}; {} if there are none."""
  path = workdir / 'curves.csv'
  collected: dict[str, list[list[float]]] = {}
  try:
    text = path.read_text()
    header, *lines = csv.reader(io.StringIO(text))
    if header != ['run', 'step', *CURVES] or not text.endswith('\n'):
      raise ValueError('it is not whole')
    for name, *texts in lines:
      if len(texts) != 1 + len(CURVES):
        raise ValueError('a line is cut short')
      values = [float(x or 'nan') for x in texts]
      collected.setdefault(name, []).append(values)
  except FileNotFoundError:
    return {}
  except (ValueError, OSError) as error:
    raise _unusable(path, error) from error
  return {name: _as_columns(rows) for name, rows in collected.items()}


def read_per_picture(
  workdir: pathlib.Path,
) -> dict[str, dict[str, np.ndarray]]:
  """Returns {run: {metric: [N]}} of the test pictures; {} if there are none."""
  path = workdir / 'per_picture.npz'
  found: dict[str, dict[str, np.ndarray]] = {}
  try:
    with np.load(path) as arrays:
      for key in arrays.files:
        name, metric = key.split(':')
        found.setdefault(name, {})[metric] = arrays[key]
  except FileNotFoundError:
    return {}
  # A damaged archive shows in many ways.
  except Exception as error:
    raise _unusable(path, error) from error
  return found


def _parse(path: pathlib.Path, number: int, texts: dict[str, str]) -> Row:
  if texts['schema'] != str(SCHEMA):
    raise errors.UserError(
      f'{path} was written by another version (schema {texts["schema"]!r}, '
      f'wanted {SCHEMA}); name another workdir, or move that file away'
    )
  row: Row = {}
  for name, text in texts.items():
    kind = COLUMNS.get(name, float)
    try:
      row[name] = kind(text) if text or kind is str else None
      finite = kind is not float or row[name] is None
      if not (finite or math.isfinite(row[name])):
        raise ValueError
    except ValueError as error:
      raise _damaged(path, number, f'{name} is {text!r}') from error
  for name in _REQUIRED:
    if row[name] in (None, '') and name != 'names':
      raise _damaged(path, number, f'{name} is missing')
  if row['status'] not in (FINISHED, DIVERGED):
    raise _damaged(path, number, f'status is {row["status"]!r}')
  if row['status'] == FINISHED and any(
    row.get(f'test/{name}') is None for name in METRICS
  ):
    raise _damaged(path, number, 'test metrics are missing')
  return row


def _read_result(path: pathlib.Path) -> Row:
  row = json_files.read(path)
  if row.get('schema') != SCHEMA:
    raise errors.UserError(
      f'{path} was written by another version (schema {row.get("schema")!r}, '
      f'wanted {SCHEMA}); name another workdir'
    )
  return row


def _text(value: Any) -> str:
  if value is None:
    return ''
  # repr is the shortest text that reads back as the same number.
  return repr(value) if isinstance(value, float) else str(value)


def _damaged(path: pathlib.Path, number: int, why: str) -> errors.UserError:
  return errors.UserError(
    f'{path} is damaged in line {number}: {why}; delete that line, its run '
    'is then taken from its folder or trained again'
  )


def _unusable(path: pathlib.Path, error: Exception) -> errors.UserError:
  reason = errors.one_line(error, 100)
  return errors.UserError(
    f'{path} is damaged ({reason}); delete it, it is made anew of the folders '
    'of the runs'
  )


def _curves_of(path: pathlib.Path) -> dict[str, np.ndarray]:
  with path.open(newline='') as file:
    return _as_columns(
      [float(row[name] or 'nan') for name in ('step', *CURVES)]
      for row in csv.DictReader(file)
    )


def _as_columns(rows: Iterable[Sequence[float]]) -> dict[str, np.ndarray]:
  names = ('step', *CURVES)
  table = np.array(list(rows), np.float64).reshape(-1, len(names))
  return dict(zip(names, table.T, strict=True))


def write_curves(workdir: pathlib.Path, curves: Curves) -> None:
  """Writes curves.csv, a line for each logged step of each run."""
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(['run', 'step', *CURVES])
  for name, columns in curves.items():
    for step, *values in zip(*columns.values(), strict=True):
      numbers = ['' if math.isnan(x) else f'{x:.6g}' for x in values]
      writer.writerow([name, int(step), *numbers])
  atomic_files.write(workdir / 'curves.csv', text.getvalue().encode())


def write_per_picture(
  workdir: pathlib.Path, pictures: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
  """Writes per_picture.npz.

  Args:
    workdir: the study's folder.
    pictures: {run: {metric: [N]}} over the test pictures, which become float32
      arrays named run:metric.
  """
  content = io.BytesIO()
  arrays = {
    f'{name}:{metric}': values.astype(np.float32)
    for name, metrics in pictures.items()
    for metric, values in metrics.items()
  }
  np.savez_compressed(content, **arrays)
  atomic_files.write(workdir / 'per_picture.npz', content.getvalue())
