"""Which cells are set side by side, and how a sweep's best is chosen."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import math

import numpy as np

from inpaint_jax.study import plan, reference, results, statistics

Pictures = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Member:
  """A cell within a comparison.

  Attributes:
    label: what it is called there.
    cell: its name in the results.
    rows: of the seeds that finished.
    diverged: number of the seeds that did not.
  """

  label: str
  cell: str
  rows: tuple[results.Row, ...]
  diverged: int

  def by_seed(self, column: str) -> dict[int, float]:
    """Returns {seed: value} of a column, such as test/l1."""
    return {
      row['seed']: row[column]
      for row in self.rows
      if row.get(column) is not None
    }

  def summary(self, column: str) -> statistics.Summary | None:
    """Returns a column over the seeds, None if no seed has it."""
    values = list(self.by_seed(column).values())
    return statistics.summarize(values) if values else None


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Cells that differ in one factor.

  Attributes:
    key: short, for names of files.
    title: for headings.
    base: the member that the others are compared with.
    members: all of them, the base too.
  """

  key: str
  title: str
  base: Member
  members: tuple[Member, ...]

  def sorted(self, column: str) -> list[Member]:
    """Returns the members that have a column, the best first."""
    having = [m for m in self.members if m.summary(column)]
    order = 1 if statistics.is_error(column) else -1
    return sorted(having, key=lambda m: order * m.summary(column).mean)


@dataclasses.dataclass(frozen=True)
class Sweep:
  """The learning rates of an optimizer.

  Attributes:
    name: of the optimizer's cells, without the rate.
    members: {learning rate: member}.
    chosen: the rate with the least val/loss, None if no rate finished.
  """

  name: str
  members: Mapping[float, Member]
  chosen: float | None

  @property
  def is_at_edge(self) -> bool:
    """Returns whether a rate beyond those tried may be better still."""
    return self.chosen in (min(self.members), max(self.members))


def members(rows: Iterable[results.Row]) -> dict[str, Member]:
  """Returns {name: member}, a cell under each of its names."""
  cells: dict[str, list[results.Row]] = {}
  for row in rows:
    cells.setdefault(row['cell'], []).append(row)
  found = {}
  for cell, own in cells.items():
    finished = [row for row in own if row['status'] == results.FINISHED]
    finished.sort(key=lambda row: row['seed'])
    for name in own[0]['names'].split() or [cell]:
      label = (name.partition('/')[2] or name).replace('/lr', ' at ')
      found[name] = Member(
        label, cell, tuple(finished), len(own) - len(finished)
      )
  return found


def sweeps(found: Mapping[str, Member]) -> list[Sweep]:
  """Returns the sweeps among named members, their choice made on validation."""
  rates: dict[str, dict[float, Member]] = {}
  for name, member in found.items():
    rate = plan.learning_rate_of(name)
    if rate is not None:
      rates.setdefault(name.rpartition('/')[0], {})[rate] = member
  return [
    Sweep(name, dict(sorted(own.items())), _choose(own))
    for name, own in rates.items()
  ]


def create(rows: Sequence[results.Row]) -> list[Comparison]:
  """Returns the comparisons of all factors.

  A factor with sweeps gives two: each cell at the rate that validation chose,
  and all at the reference's.
  """
  found = members(rows)
  swept = {sweep.name: sweep for sweep in sweeps(found)}
  factors: dict[str, dict[str, None]] = {}
  for name in found:
    if '/' in name:
      cell = '/'.join(name.split('/')[:2])
      factors.setdefault(plan.factor_of(name), {})[cell] = None
  comparisons = []
  for factor, cells in factors.items():
    plain = {cell: found[cell] for cell in cells if cell in found}
    own = [swept[cell] for cell in cells if cell in swept]
    if not own:
      comparisons.append(_comparison(factor, f'{factor}', plain, found))
      continue
    chosen = {s.name: s.members[s.chosen] for s in own if s.chosen}
    title = f'{factor}, each at the learning rate that validation chose'
    comparisons.append(_comparison(factor, title, plain | chosen, found))
    rate = reference.LEARNING_RATE
    same = {s.name: s.members[rate] for s in own if rate in s.members}
    title = f'{factor}, all at the learning rate of the reference, {rate:g}'
    comparisons.append(
      _comparison(f'{factor}_{rate:g}', title, plain | same, found)
    )
  return [x for x in comparisons if x is not None]


def difference(
  ours: Member, theirs: Member, metric: str, pictures: Pictures
) -> statistics.Difference | None:
  """Compares a test metric of two cells, None if they share no seed."""
  column = f'test/{metric}'
  return statistics.compare(
    ours.by_seed(column),
    theirs.by_seed(column),
    *(_of_pictures(member, metric, pictures) for member in (ours, theirs)),
  )


def _comparison(
  key: str,
  title: str,
  named: Mapping[str, Member],
  found: Mapping[str, Member],
) -> Comparison | None:
  """Returns a comparison; the base is added if the factor is without it."""
  chosen = list(named.values())
  # At another learning rate than the base's own it still is the base.
  same = {
    '/'.join(name.split('/')[:2])
    for name, member in found.items()
    if member.cell == plan.BASE
  }
  base = next((m for name, m in named.items() if name in same), None)
  if base is None:
    base = next((m for m in found.values() if m.cell == plan.BASE), None)
    if base is None:
      return None
    base = dataclasses.replace(base, label=plan.BASE)
    chosen.append(base)
  return Comparison(key, title, base, tuple(chosen))


def _choose(rates: Mapping[float, Member]) -> float | None:
  """Returns the rate with the least mean val/loss of those that all finish."""
  losses = {
    rate: member.summary('val/loss').mean
    for rate, member in rates.items()
    if member.rows and not member.diverged
  }
  losses = {rate: loss for rate, loss in losses.items() if math.isfinite(loss)}
  return min(losses, key=losses.get) if losses else None


def _of_pictures(
  member: Member, metric: str, pictures: Pictures
) -> dict[int, np.ndarray]:
  names = {row['seed']: results.row_name(row) for row in member.rows}
  return {
    seed: pictures[name][metric]
    for seed, name in names.items()
    if metric in pictures.get(name, {})
  }
