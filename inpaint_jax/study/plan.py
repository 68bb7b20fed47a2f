"""What the study trains: cells, each with a few seeds.

A cell is one config to compare: the base with a few fields changed. It is named
factor/name, or factor/name/lrX where the learning rate is swept. Cells with
equal configs are trained once and have several names; the one that equals the
base is called `base`.
"""

from collections.abc import Iterator
import hashlib
import json
import math
import re
from typing import Any, NamedTuple

import ml_collections

from inpaint_jax.photos import mask_folder
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import errors

BASE = 'base'
# Fields that earlier studies lack, with their defaults. They count only where
# they have another value, so that adding one does not change fingerprints.
_ADDED: dict[str, Any] = {'data.split': 'content', 'masks.digest': ''}
# Fields, or sections, on which the images and the holes of the test depend.
_TEST = (
  'data.dataset',
  'data.image_size',
  'data.num_test',
  'data.source',
  'data.split',
  'eval_seed',
  'masks.',
)
# Fields of `objectives` that earlier studies have in their fingerprints, even
# where they are 0. An objective added since then counts only where it is on.
_OBJECTIVES = ('adversarial', 'feature_matching', 'perceptual', 'r1', 'style')


class Cell(NamedTuple):
  """A config to compare.

  Attributes:
    name: the folder of its runs, below runs/.
    names: its names, one for each factor that it belongs to.
    seeds: the seeds that it is trained with.
  """

  name: str
  names: tuple[str, ...]
  config: ml_collections.ConfigDict
  seeds: tuple[int, ...]


class Run(NamedTuple):
  """One training: a cell and a seed."""

  cell: Cell
  seed: int

  def is_below(self, name: str) -> bool:
    """Returns whether one of its names is `name`, or lies below it."""
    names = (run_name(x, self.seed) for x in (self.cell.name, *self.cell.names))
    return any(f'{x}/'.startswith(f'{name}/') for x in names)

  @property
  def name(self) -> str:
    return run_name(self.cell.name, self.seed)

  @property
  def config(self) -> ml_collections.ConfigDict:
    config = self.cell.config.copy_and_resolve_references()
    config.seed = self.seed
    return config


class Plan(NamedTuple):
  """All cells, in the order in which they are trained.

  Attributes:
    seeds: those that every cell has.
  """

  base: ml_collections.ConfigDict
  cells: tuple[Cell, ...]
  seeds: tuple[int, ...]

  @property
  def runs(self) -> list[Run]:
    """The runs, seed by seed: a study that is cut short has all cells."""
    seeds = dict.fromkeys(x for cell in self.cells for x in cell.seeds)
    return [
      Run(cell, seed)
      for seed in (*self.seeds, *sorted(seeds.keys() - {*self.seeds}))
      for cell in self.cells
      if seed in cell.seeds
    ]

  def select(self, only: str = '', shard: str = '') -> list[Run]:
    """Returns some of the runs.

    Args:
      only: the name of a factor, cell or run, such as optimizer/sgd or
        loss/l1/seed2; '' = all.
      shard: i/n, with i from 1 to n: the i-th of these runs and every n-th
        after it, so that each run is in one of the n shards. '' = all.

    Raises:
      errors.UserError: there are no such runs, or no such shard.
    """
    name = only.strip('/')
    runs = [run for run in self.runs if not only or run.is_below(name)]
    if not runs:
      names = [x for cell in self.cells for x in cell.names or (cell.name,)]
      known = dict.fromkeys(split_name(name)[0] for name in names)
      raise errors.UserError(
        f'only={only} is no cell of this study; choose one of: '
        f'{", ".join(known)}; or a factor, or add /lrX and /seedN as --list '
        'shows them'
      )
    match = re.fullmatch(r'(\d+)/(\d+)', shard or '1/1')
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
      raise errors.UserError(
        f'shard={shard} is no shard; give i/n with i from 1 to n, such as 1/8 '
        'to 8/8'
      )
    return runs[number - 1 :: count]


def run_name(cell: str, seed: int) -> str:
  """Returns the name of a run, which is also its folder below runs/."""
  return f'{cell}/seed{seed}'


def split_name(name: str) -> tuple[str, float | None]:
  """Returns ('optimizer/sgd', 0.1) for optimizer/sgd/lr0.1, (X, None) for X."""
  *cell, rate = name.split('/') if name.count('/') == 2 else (name, '')
  return '/'.join(cell), float(rate.removeprefix('lr')) if rate else None


def create_plan(config: ml_collections.ConfigDict) -> Plan:
  """Returns the plan of a config of configs/study.py.

  Args:
    config: the base, with the section `study`. If `data.source` is set, the
      dataset 'synthetic' is replaced by 'photo_crops'.

  Raises:
    errors.UserError: it has no such section, a cell changes something that is
      no field of the config, the seeds are not different whole numbers, or
      more of them are for a cell that does not exist.
  """
  if 'study' not in config:
    raise errors.UserError(
      'config has no section study; name a study, as '
      '--config=configs/study.py:small'
    )
  base = config.copy_and_resolve_references().unlock()
  study = base.study
  del base['study']
  base.lock()
  if base.data.source and base.data.dataset == 'synthetic':
    base.data.dataset = 'photo_crops'
  base = mask_folder.with_digest(base)
  seeds = _check_seeds(study.seeds, 'study.seeds')
  more = {
    name: _check_seeds(own, f'study.more_seeds: {name}')
    for name, own in study.get('more_seeds', {}).items()
  }
  base.seed = seeds[0]

  # Equal configs are one cell with several names.
  found: dict[str, tuple[ml_collections.ConfigDict, list[str]]] = {
    fingerprint(base): (base, [])
  }
  for name, changes in study.cells.items():
    # Tables have the names of a cell in one column, with spaces between them.
    if not re.fullmatch(r'[^/\s]+/[^/\s]+', name):
      raise errors.UserError(
        f'study.cells has {name!r}; a cell is named factor/name, without '
        'spaces, as loss/l1'
      )
    if not isinstance(changes, ml_collections.ConfigDict):
      raise errors.UserError(
        f'study.cells: {name} is {changes!r}; give the fields that it '
        "changes, such as {'loss': 'l1'}"
      )
    try:
      for full_name, variant in _variants(name, changes.to_dict()):
        cell = base.copy_and_resolve_references()
        cell.update(variant)
        _check_same_test(name, cell, base)
        _, names = found.setdefault(fingerprint(cell), (cell, []))
        names.append(full_name)
    except (KeyError, TypeError, AttributeError) as error:
      reason = errors.one_line(error.args[0]).split(' Other fields')[0]
      raise errors.UserError(
        f'study.cells: {name} changes a field that runs do not have: {reason}'
      ) from error
  if unknown := more.keys() - {x for _, own in found.values() for x in own}:
    raise errors.UserError(
      f'study.more_seeds has {min(unknown)!r}, which is no cell of one '
      'learning rate; give names of study.cells'
    )
  cells = []
  for cell, names in found.values():
    name = BASE if cell is base else names[0]
    further = [seed for x in names for seed in more.get(x, ())]
    all_seeds = tuple(dict.fromkeys([*seeds, *further]))
    cells.append(Cell(name, tuple(names), cell, all_seeds))
  return Plan(base, tuple(cells), seeds)


def _check_same_test(
  name: str, cell: ml_collections.ConfigDict, base: ml_collections.ConfigDict
) -> None:
  """Raises a UserError if a cell would be tested on other images or holes."""
  wanted = workdirs.flatten(base)
  for field, value in workdirs.flatten(cell).items():
    if field.startswith(_TEST) and value != wanted[field]:
      raise errors.UserError(
        f'study.cells: {name} changes {field}, on which the test depends, so '
        'it could not be compared with the base; change the field in the base, '
        'in a study of its own'
      )


def _check_seeds(seeds: Any, field: str) -> tuple[int, ...]:
  seeds = tuple(seeds) if isinstance(seeds, tuple | list) else (seeds,)
  are_whole = all(isinstance(x, int) and x >= 0 for x in seeds)
  if not seeds or not are_whole or len(set(seeds)) < len(seeds):
    raise errors.UserError(
      f'{field}={seeds} must be different numbers, at least one; each '
      'is a whole number from 0 on'
    )
  return seeds


def fields(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Returns {'a.b': value} of the fields that determine what is trained."""
  return {
    name: list(value) if isinstance(value, tuple) else value
    for name, value in workdirs.flatten(config).items()
    if name not in workdirs.FREE_FIELDS
    and not (_is_other_objective(name) and value == 0)
    and not (name in _ADDED and value == _ADDED[name])
  }


def _is_other_objective(name: str) -> bool:
  section, _, objective = name.partition('.')
  return section == 'objectives' and objective not in _OBJECTIVES


def fingerprint(config: ml_collections.ConfigDict) -> str:
  """Returns 12 hex digits over all fields of a config except its seed."""
  text = json.dumps({**fields(config), 'seed': None}, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:12]


def _variants(
  name: str, changes: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Yields name and changes of a cell, or of each rate of its sweep."""
  optimizer = changes.get('optimizer', {})
  rates = optimizer.get('learning_rate')
  if not isinstance(rates, tuple | list):
    yield name, changes
    return
  for rate in rates:
    if not (isinstance(rate, float | int) and math.isfinite(rate)):
      raise errors.UserError(
        f'study.cells: {name} has learning_rate={rate!r}, which is no number'
      )
    own = {**optimizer, 'learning_rate': float(rate)}
    yield f'{name}/lr{rate:g}', {**changes, 'optimizer': own}
