"""The tables of a study: one row per run, and the data behind the plots.

results.csv      one row per run: COLUMNS, then test/* and val/* metrics
curves.csv       losses and validation metrics by step
per_image.npz    METRICS of each test image, float16 [N], as RUN:METRIC
images.npz       some test images: `truth` and `masked`, uint8 [N, S, S, 3], and
                 for each cell its composite minus truth (mod 256), which is
                 0 outside of holes and so takes little space
"""

from collections.abc import Iterable, Mapping, Sequence
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

# The columns of a row except its metrics, with their types.
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
  # Seconds of training and validation, over all starts, with compilation.
  'seconds': float,
  # Seconds of the last start, including the test.
  'total_seconds': float,
  # Of training alone.
  'images_per_second': float,
  # Written by earlier versions: seconds to fill one 256x256 image.
  'inference_seconds': float,
  'device': str,
  'cores': int,
  'versions': str,
  'dataset': str,
  'num_train': int,
  'num_val': int,
  # 0 if the run was not tested: its test/* are then its val/*.
  'num_test': int,
  # Hashes of all images of the three splits, and of the masks of the test.
  'data_hash': str,
  'mask_hash': str,
  # Hash of the config without its seed.
  'config_hash': str,
}
# Every row has these.
_REQUIRED = ('schema', 'cell', 'seed', 'status', 'config_hash')
# Metrics that every test has, and those that are kept for each test image.
_ALWAYS = ('hole_psnr', 'hole_l1', 'l1')
METRICS = (*_ALWAYS, 'ssim', 'seam_ratio', 'texture_ratio', 'lpips')
# The arrays of images.npz that are not of a cell.
GIVEN = ('truth', 'masked')
CURVES = ('train/loss', 'val/loss', *(f'val/{name}' for name in _ALWAYS))

# COLUMNS and metrics. If the other tables exist, a row also has its `curves`,
# and `images/METRIC` of the test images, [N].
Row = dict[str, Any]
# {'step' or a name of CURVES: [K]}, NaN where it was not measured.
Curves = dict[str, np.ndarray]


def row_name(row: Row) -> str:
  """Returns the name of a row's run."""
  return plan.run_name(row['cell'], row['seed'])


def seconds(row: Row) -> float:
  """Returns how long a run took, with its test.

  In a run that was resumed, `seconds` includes earlier starts.
  """
  return max(row['total_seconds'] or 0, row['seconds'] or 0)


def read_study(workdir: pathlib.Path) -> list[Row]:
  """Returns the rows of results.csv, with their data from the other tables.

  Raises:
    errors.UserError: a table is damaged, or another version wrote it.
  """
  rows = read(workdir / 'results.csv')
  by_name = {row_name(row): row for row in rows}
  for name, curves in read_curves(workdir / 'curves.csv').items():
    by_name.get(name, {})['curves'] = curves
  path = workdir / 'per_image.npz'
  if path.exists():
    with _damage_as_user_error(path), np.load(path) as arrays:
      for key in arrays.files:
        # The name of a cell may have a colon, too.
        name, _, metric = key.rpartition(':')
        by_name.get(name, {})[f'images/{metric}'] = arrays[key]
  return rows


def write_study(workdir: pathlib.Path, rows: Sequence[Row]) -> None:
  """Writes the three tables; a kill leaves old files or new ones, never half.

  Metrics of images are stored as float16: 500 images of 100 runs take 0.7 MB.
  """
  metrics = (x for row in rows for x in row if x.startswith(('test/', 'val/')))
  header = [*COLUMNS, *dict.fromkeys(metrics)]
  lines: Iterable[Sequence[Any]]
  lines = ([row.get(name) for name in header] for row in rows)
  atomic_files.write_csv(workdir / 'results.csv', header, lines)
  lines = (
    [row_name(row), int(step), *(_format(x) for x in values)]
    for row in rows
    for step, *values in zip(*row.get('curves', {}).values(), strict=True)
  )
  header = ['run', 'step', *CURVES]
  atomic_files.write_csv(workdir / 'curves.csv', header, lines)
  arrays = {
    f'{row_name(row)}:{metric}': row[f'images/{metric}'].astype(np.float16)
    for row in rows
    for metric in METRICS
    if f'images/{metric}' in row
  }
  save_arrays(workdir / 'per_image.npz', arrays)


def read(path: pathlib.Path) -> list[Row]:
  """Returns the rows of a results.csv, [] if there is none.

  Raises:
    errors.UserError: it is damaged, or another version wrote it.
  """
  if not path.exists():
    return []
  with errors.error_as(f'{path} cannot be read', kind=(OSError, ValueError)):
    text = path.read_text(encoding='utf-8')
  header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
  found = [f'without {name}' for name in COLUMNS if name not in header][:3]
  unknown = (x for x in header if not x.startswith(('test/', 'val/')))
  found += [f'with {x!r}' for x in unknown if x not in COLUMNS][:3]
  if found:
    raise errors.UserError(
      f'{path} was not written by this version ({", ".join(found)}); name '
      'another workdir, or move that file away'
    )
  if lines and not text.endswith('\n'):
    # The last value may be cut short.
    lines[-1].pop()
  rows: dict[str, Row] = {}
  for number, line in enumerate(lines, 2):
    texts = dict(zip(header, line, strict=False))
    check_schema(path, texts.get('schema', SCHEMA))
    try:
      if len(line) != len(header):
        raise ValueError('it is cut short')
      row = {name: _parse_value(name, text) for name, text in texts.items()}
      wanted = [*_REQUIRED]
      if row['status'] == FINISHED:
        wanted += [f'test/{name}' for name in _ALWAYS]
      elif row['status'] != DIVERGED:
        raise ValueError(f'status is {row["status"]!r}')
      for name in wanted:
        if row.get(name) in (None, ''):
          raise ValueError(f'{name} is missing')
      if row_name(row) in rows:
        raise ValueError(f'{row_name(row)} is there twice')
    except ValueError as error:
      raise errors.UserError(
        f'{path} is damaged in line {number}: {error}; delete that line, its '
        'run is then taken from its folder or trained again'
      ) from error
    rows[row_name(row)] = row
  return list(rows.values())


def check_schema(path: pathlib.Path, schema: Any) -> None:
  """Raises a UserError if another version wrote a file."""
  if str(schema) != str(SCHEMA):
    raise errors.UserError(
      f'{path} was written by another version (schema {schema!r}, wanted '
      f'{SCHEMA}); name another workdir, or move that file away'
    )


def read_curves(path: pathlib.Path) -> dict[str, Curves]:
  """Returns {run: curves} of a curves.csv, {} if there is none.

  For the metrics.csv of a run, returns {'': its curves}.
  """
  if not path.exists():
    return {}
  names = ('step', *CURVES)
  found: dict[str, list[list[float]]] = {}
  with _damage_as_user_error(path):
    text = path.read_text()
    if not text.endswith('\n'):
      raise ValueError('it is not whole')
    for row in csv.DictReader(io.StringIO(text)):
      values = [float(row[name] or 'nan') for name in names]
      found.setdefault(row.get('run', ''), []).append(values)
  return {
    run: dict(zip(names, np.array(rows).T, strict=True))
    for run, rows in found.items()
  }


def read_images(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns `truth`, `masked` and {cell: composite}, {} if there are none."""
  if not path.exists():
    return {}
  with _damage_as_user_error(path), np.load(path) as arrays:
    images = dict(arrays)
    truth = images['truth']
    return {k: x if k in GIVEN else x + truth for k, x in images.items()}


def write_images(path: pathlib.Path, images: Mapping[str, np.ndarray]) -> None:
  """Writes what `read_images` returns, uint8 [N, S, S, 3]."""
  truth = images['truth']
  save_arrays(
    path, {k: x if k in GIVEN else x - truth for k, x in images.items()}
  )


def save_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes a compressed .npz file, completely or not at all."""
  named = dict[str, Any](arrays)
  with atomic_files.replacing(path) as temporary, temporary.open('wb') as file:
    np.savez_compressed(file, **named)


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


def _format(value: float) -> str:
  return '' if math.isnan(value) else f'{value:.6g}'


def _damage_as_user_error(
  path: pathlib.Path,
) -> contextlib.AbstractContextManager[None]:
  advice = '; delete it, it is made again from the folders of the runs'
  # A damaged archive raises errors of many types.
  return errors.error_as(f'{path} is damaged', advice, kind=Exception)
