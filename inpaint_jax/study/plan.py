"""What the study runs: cells, each with a few seeds.

A cell is named factor/name, or factor/name/lrX where a learning rate is swept.
Cells with equal configs are one cell, trained once, that has several names; the
one that equals the base is called `base`.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
import math
from typing import Any

import ml_collections

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import errors

BASE = 'base'
_FIELD = 'study'


@dataclasses.dataclass(frozen=True)
class Cell:
  """One point of the study.

  Attributes:
    name: where its runs lie.
    names: what it is called in each factor it belongs to.
    config: the fields of configs/default.py, the seed to be set.
  """

  name: str
  names: tuple[str, ...]
  config: ml_collections.ConfigDict


@dataclasses.dataclass(frozen=True)
class Run:
  """A training: a cell and a seed."""

  cell: Cell
  seed: int

  @property
  def name(self) -> str:
    return run_name(self.cell.name, self.seed)

  @property
  def config(self) -> ml_collections.ConfigDict:
    config = self.cell.config.copy_and_resolve_references()
    config.seed = self.seed
    return config


def run_name(cell: str, seed: int) -> str:
  """Returns the name of a run, and its folder below the workdir's runs/."""
  return f'{cell}/seed{seed}'


@dataclasses.dataclass(frozen=True)
class Plan:
  """All cells and seeds, in the order in which they are run."""

  base: ml_collections.ConfigDict
  cells: tuple[Cell, ...]
  seeds: tuple[int, ...]

  @property
  def runs(self) -> list[Run]:
    """Seed by seed, so that a study that is cut short has seen every cell."""
    return [Run(cell, seed) for seed in self.seeds for cell in self.cells]

  def select(self, only: str) -> list[Run]:
    """Returns the runs below a name, such as optimizer/sgd or loss/l1/seed2.

    Raises:
      errors.UserError: there are none.
    """
    wanted = only.strip('/').split('/')
    chosen = [
      run
      for run in self.runs
      if any(
        run_name(name, run.seed).split('/')[: len(wanted)] == wanted
        for name in (run.cell.name, *run.cell.names)
      )
    ]
    if only and not chosen:
      known = ', '.join(
        dict.fromkeys(
          '/'.join(name.split('/')[:2])
          for cell in self.cells
          for name in cell.names or (cell.name,)
        )
      )
      raise errors.UserError(
        f'only={only} is no cell of this study; choose one of: {known}; or a '
        'factor, or add /lrX and /seedN as --list shows them'
      )
    return chosen if only else self.runs


def create_plan(config: ml_collections.ConfigDict) -> Plan:
  """Returns the plan of a config of configs/study.py.

  Args:
    config: the base, with the section `study`. A `data.source` alone chooses
      photo_crops in the place of synthetic pictures.

  Raises:
    errors.UserError: a cell that changes no field of the config, or seeds that
      cannot be.
  """
  base = config.copy_and_resolve_references().unlock()
  study = base.study
  del base['study']
  base.lock()
  if base.data.source and base.data.dataset == 'synthetic':
    base.data.dataset = 'photo_crops'
  seeds = tuple(study.seeds)
  if not seeds or len(set(seeds)) < len(seeds):
    raise errors.UserError(
      f'{_FIELD}.seeds={seeds} must be different numbers, at least one'
    )
  base.seed = seeds[0]

  names: dict[str, list[str]] = {fingerprint(base): []}
  configs = {fingerprint(base): base}
  for name, changes in study.cells.items():
    if not isinstance(changes, ml_collections.ConfigDict):
      raise errors.UserError(
        f'{_FIELD}.cells: {name} is {changes!r}; give the fields that it '
        "changes, such as {'loss': 'l1'}"
      )
    for full_name, cell in _variants(base, name, changes.to_dict()):
      key = fingerprint(cell)
      configs.setdefault(key, cell)
      names.setdefault(key, []).append(full_name)
  cells = []
  for key, cell in configs.items():
    own = names[key]
    name = BASE if cell is base else own[0]
    cells.append(Cell(name, tuple(own), cell))
  return Plan(base, tuple(cells), seeds)


def fields(config: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """Returns {'a.b': value} of all fields that say what is trained."""
  flat = {}
  for name, value in config.items():
    if isinstance(value, Mapping | ml_collections.ConfigDict):
      flat |= fields(value, f'{prefix}{name}.')
    elif prefix + name not in workdirs.FREE_FIELDS:
      flat[prefix + name] = list(value) if isinstance(value, tuple) else value
  return flat


def fingerprint(config: ml_collections.ConfigDict) -> str:
  """Returns 12 hex digits over the fields of a config, but for its seed."""
  text = json.dumps({**fields(config), 'seed': None}, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:12]


def factor_of(name: str) -> str:
  """Returns optimizer of optimizer/sgd/lr0.1."""
  return name.split('/')[0]


def learning_rate_of(name: str) -> float | None:
  """Returns 0.1 of optimizer/sgd/lr0.1, None of loss/l1."""
  *_, last = name.split('/')
  return float(last[2:]) if name.count('/') == 2 else None


def _variants(
  base: ml_collections.ConfigDict, name: str, changes: dict[str, Any]
) -> Sequence[tuple[str, ml_collections.ConfigDict]]:
  """Returns (name, config) of a cell, or of each learning rate of a sweep."""
  if len(name.split('/')) != 2 or not all(name.split('/')):
    raise errors.UserError(
      f'{_FIELD}.cells has {name!r}; a cell is named factor/name, as loss/l1'
    )
  swept = changes.get('optimizer', {}).get('learning_rate')
  if not isinstance(swept, tuple | list):
    return [(name, _changed(base, name, changes))]
  variants = []
  for rate in swept:
    if not (isinstance(rate, float | int) and math.isfinite(rate)):
      raise errors.UserError(
        f'{_FIELD}.cells: {name} has learning_rate={rate!r}, which is no number'
      )
    optimizer = {**changes['optimizer'], 'learning_rate': float(rate)}
    config = _changed(base, name, {**changes, 'optimizer': optimizer})
    variants.append((f'{name}/lr{rate:g}', config))
  return variants


def _changed(
  base: ml_collections.ConfigDict, name: str, changes: dict[str, Any]
) -> ml_collections.ConfigDict:
  config = base.copy_and_resolve_references()
  try:
    config.update(changes)
  except (KeyError, TypeError, AttributeError) as error:
    reason = ' '.join(str(error.args[0]).split()).split(' Other fields')[0]
    raise errors.UserError(
      f'{_FIELD}.cells: {name} changes what no run has: {reason}'
    ) from error
  return config
