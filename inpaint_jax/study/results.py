"""The tables of a study: one row a run, and the data behind the plots.

results.csv      one row a run: COLUMNS, then test/* and val/* metrics
curves.csv       losses and validation metrics by step
per_picture.npz  METRICS of each test image, float32 [N], as RUN:METRIC
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import csv
import io
import math
import pathlib
from typing import Any

import numpy as np

from inpaint_jax.study import plan
from inpaint_jax.system import atomic_files, errors

# To be raised when a column changes its meaning.
SCHEMA = 1
FINISHED, DIVERGED = 'finished', 'diverged'

# The columns of a row beside its metrics, with their types.
COLUMNS: dict[str, type] = {
  'schema': int,
  'cell': str,
  # The names of the cell in its factors, such as loss/mse model/unet.
  'names': str,
  'seed': int,
  # finished, or diverged: the loss was not finite, and there are no metrics.
  'status': str,
  'model': str,
  'loss': str,
  'optimizer': str,
  'momentum': float,
  'learning_rate': float,
  'batch_size': int,
  'image_size': int,
  # Trained steps; the test is of the checkpoint of best_step.
  'steps': int,
  'best_step': int,
  'parameters': int,
  # Of training and validation, over all starts, compilation included.
  'seconds': float,
  # Of the last start, the test included.
  'total_seconds': float,
  # Of training alone.
  'pictures_per_second': float,
  # To fill one 256x256 image.
  'inference_seconds': float,
  'device': str,
  'cores': int,
  'versions': str,
  'dataset': str,
  'num_train': int,
  'num_val': int,
  'num_test': int,
  # Of all images of the three splits, and of the masks of the test.
  'data_hash': str,
  'mask_hash': str,
  # Of the config without its seed.
  'config_hash': str,
}
# No row lacks these.
_REQUIRED = ('schema', 'cell', 'seed', 'status', 'config_hash')
# The metrics to compare.
METRICS = ('hole_psnr', 'hole_l1', 'l1')
CURVES = ('train/loss', 'val/loss', *(f'val/{name}' for name in METRICS))

Row = dict[str, Any]
# {run: {'step' or a name of CURVES: [rows]}}.
Curves = dict[str, dict[str, np.ndarray]]
# {run: {metric: [N]}} of the test images.
PerPicture = dict[str, dict[str, np.ndarray]]


def row_name(row: Row) -> str:
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
  _check_header(path, header)
  rows: dict[str, Row] = {}
  for number, line in enumerate(lines, 2):
    try:
      is_last = number == len(lines) + 1
      if len(line) != len(header) or (is_last and not text.endswith('\n')):
        raise ValueError('it is cut short')
      texts = dict(zip(header, line, strict=True))
      check_schema(path, texts['schema'])
      row = {name: _parse_value(name, texts[name]) for name in header}
      _check_row(row)
      if row_name(row) in rows:
        raise ValueError(f'{row_name(row)} is there twice')
    except errors.UserError:
      raise
    except ValueError as error:
      raise errors.UserError(
        f'{path} is damaged in line {number}: {error}; delete that line, its '
        'run is then taken from its folder or trained again'
      ) from error
    rows[row_name(row)] = row
  return list(rows.values())


def write(path: pathlib.Path, rows: Sequence[Row]) -> None:
  """Writes rows; a kill leaves the old file or the new one, never half."""
  metrics = (name for row in rows for name in row if name not in COLUMNS)
  header = [*COLUMNS, *dict.fromkeys(metrics)]
  lines = ([_format(row.get(name)) for name in header] for row in rows)
  _write_csv(path, header, lines)


def check_schema(path: pathlib.Path, schema: Any) -> None:
  """Raises a UserError if another version wrote a file."""
  if str(schema) != str(SCHEMA):
    raise errors.UserError(
      f'{path} was written by another version (schema {schema!r}, wanted '
      f'{SCHEMA}); name another workdir, or move that file away'
    )


def read_curves(workdir: pathlib.Path) -> Curves:
  """Returns what curves.csv holds, {} if there is none."""
  path = workdir / 'curves.csv'
  collected: dict[str, list[list[float]]] = {}
  if not path.exists():
    return {}
  with _damage_as_user_error(path):
    text = path.read_text()
    header, *lines = csv.reader(io.StringIO(text))
    if header != ['run', 'step', *CURVES] or not text.endswith('\n'):
      raise ValueError('it is not whole')
    for name, *texts in lines:
      values = [float(x or 'nan') for x in texts]
      collected.setdefault(name, []).append(values)
    return {name: _as_columns(rows) for name, rows in collected.items()}


def read_run_curves(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns the curves in the metrics.csv of a run."""
  with path.open(newline='') as file:
    return _as_columns(
      [float(row[name] or 'nan') for name in ('step', *CURVES)]
      for row in csv.DictReader(file)
    )


def write_curves(workdir: pathlib.Path, curves: Curves) -> None:
  """Writes curves.csv, one line for each logged step of each run."""
  lines = (
    [name, int(step), *('' if math.isnan(x) else f'{x:.6g}' for x in values)]
    for name, columns in curves.items()
    for step, *values in zip(*columns.values(), strict=True)
  )
  _write_csv(workdir / 'curves.csv', ['run', 'step', *CURVES], lines)


def read_per_picture(workdir: pathlib.Path) -> PerPicture:
  """Returns what per_picture.npz holds, {} if there is none."""
  path = workdir / 'per_picture.npz'
  found: PerPicture = {}
  if not path.exists():
    return {}
  with _damage_as_user_error(path), np.load(path) as arrays:
    for key in arrays.files:
      name, metric = key.split(':')
      found.setdefault(name, {})[metric] = arrays[key]
  return found


def write_per_picture(
  workdir: pathlib.Path, pictures: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
  """Writes per_picture.npz; the arrays become float32."""
  arrays = {
    f'{name}:{metric}': values.astype(np.float32)
    for name, metrics in pictures.items()
    for metric, values in metrics.items()
  }
  save_arrays(workdir / 'per_picture.npz', arrays)


def save_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes a compressed .npz file, whole or not at all."""
  content, named = io.BytesIO(), dict[str, Any](arrays)
  np.savez_compressed(content, **named)
  atomic_files.write(path, content.getvalue())


def _check_header(path: pathlib.Path, header: Sequence[str]) -> None:
  found = [f'without {name}' for name in COLUMNS if name not in header][:3]
  unknown = (x for x in header if not x.startswith(('test/', 'val/')))
  found += [f'with {x!r}' for x in unknown if x not in COLUMNS][:3]
  if found:
    raise errors.UserError(
      f'{path} was not written by this version ({", ".join(found)}); name '
      'another workdir, or move that file away'
    )


def _check_row(row: Row) -> None:
  wanted = list(_REQUIRED)
  if row['status'] not in (FINISHED, DIVERGED):
    raise ValueError(f'status is {row["status"]!r}')
  if row['status'] == FINISHED:
    wanted += [f'test/{name}' for name in METRICS]
  for name in wanted:
    if row.get(name) in (None, ''):
      raise ValueError(f'{name} is missing')


def _parse_value(name: str, text: str) -> Any:
  kind = COLUMNS.get(name, float)
  if not text and kind is not str:
    return None
  try:
    value = kind(text)
    if kind is float and not math.isfinite(value):
      raise ValueError('not finite')
  except ValueError as error:
    raise ValueError(f'{name} is {text!r}') from error
  return value


def _format(value: Any) -> str:
  if value is None:
    return ''
  # repr is the shortest text that reads back as the same number.
  return repr(value) if isinstance(value, float) else str(value)


def _write_csv(
  path: pathlib.Path, header: Sequence[str], lines: Iterable[Sequence[Any]]
) -> None:
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(header)
  writer.writerows(lines)
  atomic_files.write(path, text.getvalue().encode())


def _as_columns(rows: Iterable[Sequence[float]]) -> dict[str, np.ndarray]:
  names = ('step', *CURVES)
  table = np.array(list(rows), np.float64).reshape(-1, len(names))
  return dict(zip(names, table.T, strict=True))


@contextlib.contextmanager
def _damage_as_user_error(path: pathlib.Path) -> Iterator[None]:
  try:
    yield
  # A damaged archive raises errors of many types.
  except Exception as error:
    raise errors.UserError(
      f'{path} is damaged ({errors.one_line(error, 100)}); delete it, it is '
      'made again from the folders of the runs'
    ) from error
