"""Which cells are compared, and which learning rate of a sweep is chosen."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import math

import numpy as np

from inpaint_jax.study import plan, reference, results, statistics


@dataclasses.dataclass(frozen=True)
class Member:
  """A cell in a comparison.

  Attributes:
    label: its name there.
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
    values = {row['seed']: row.get(column) for row in self.rows}
    return {seed: x for seed, x in values.items() if x is not None}

  def summary(self, column: str) -> statistics.Summary | None:
    """Returns a column over the seeds, None if no seed has it."""
    values = list(self.by_seed(column).values())
    return statistics.summarize(values) if values else None

  def per_picture(
    self, metric: str, pictures: results.PerPicture
  ) -> dict[int, np.ndarray]:
    """Returns {seed: [N]}, a metric of the test images."""
    runs = {row['seed']: results.row_name(row) for row in self.rows}
    return {
      seed: pictures[run][metric]
      for seed, run in runs.items()
      if metric in pictures.get(run, {})
    }


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
    summaries = [(member, member.summary(column)) for member in self.members]
    found = [(x.mean, member) for member, x in summaries if x]
    is_descending = not statistics.is_error(column)
    found.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [member for _, member in found]


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
      diverged = len(own) - len(finished)
      found[name] = Member(label, cell, tuple(finished), diverged)
  return found


def sweeps(found: Mapping[str, Member]) -> list[Sweep]:
  """Returns the sweeps among named members; validation chooses their rates."""
  rates: dict[str, dict[float, Member]] = {}
  for name, member in found.items():
    cell, rate = plan.split_name(name)
    if rate is not None:
      rates.setdefault(cell, {})[rate] = member
  return [
    Sweep(name, dict(sorted(own.items())), _choose_rate(own))
    for name, own in rates.items()
  ]


def create(rows: Sequence[results.Row]) -> list[Comparison]:
  """Returns the comparisons of all factors.

  A factor with sweeps has two: each cell at the rate that validation chose, and
  all at the reference's.
  """
  found = members(rows)
  swept = {sweep.name: sweep for sweep in sweeps(found)}
  factors: dict[str, list[str]] = {}
  for cell in dict.fromkeys(plan.split_name(name)[0] for name in found):
    if '/' in cell:
      factors.setdefault(cell.split('/')[0], []).append(cell)
  comparisons = []
  rate = reference.LEARNING_RATE
  for factor, names in factors.items():
    plain = {name: found[name] for name in names if name in found}
    own = [swept[name] for name in names if name in swept]
    chosen = {s.name: s.members[s.chosen] for s in own if s.chosen}
    same = {s.name: s.members[rate] for s in own if rate in s.members}
    choices = [(factor, factor, plain)]
    if own:
      each = f'{factor}, each at the learning rate that validation chose'
      at = f'{factor}, all at the learning rate of the reference, {rate:g}'
      choices = [
        (factor, each, plain | chosen),
        (f'{factor}_{rate:g}', at, plain | same),
      ]
    comparisons += [_compare(*choice, found) for choice in choices]
  return [x for x in comparisons if x is not None]


def difference(
  ours: Member, theirs: Member, metric: str, pictures: results.PerPicture
) -> statistics.Difference | None:
  """Compares a test metric of two cells, None if they share no seed."""
  return statistics.compare(
    ours.by_seed(f'test/{metric}'),
    theirs.by_seed(f'test/{metric}'),
    ours.per_picture(metric, pictures),
    theirs.per_picture(metric, pictures),
  )


def _compare(
  key: str, title: str, named: Mapping[str, Member], found: Mapping[str, Member]
) -> Comparison | None:
  """Returns a comparison; the base is added if the factor is without it."""
  bases = {name: x for name, x in found.items() if x.cell == plan.BASE}
  if not bases:
    return None
  chosen = list(named.values())
  # Its optimizer at another learning rate stands for the base, too.
  same = {plan.split_name(name)[0] for name in bases}
  base = next((x for name, x in named.items() if name in same), None)
  if base is None:
    base = dataclasses.replace(next(iter(bases.values())), label=plan.BASE)
    chosen.append(base)
  return Comparison(key, title, base, tuple(chosen))


def _choose_rate(rates: Mapping[float, Member]) -> float | None:
  """Returns the rate with the least mean val/loss; none that ever diverged."""
  losses = {}
  for rate, member in rates.items():
    summary = member.summary('val/loss')
    if summary and not member.diverged and math.isfinite(summary.mean):
      losses[rate] = summary.mean
  return min(losses, key=lambda rate: losses[rate], default=None)
