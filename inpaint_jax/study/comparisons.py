"""Which cells are compared, and which learning rate of a sweep is chosen."""

from collections.abc import Iterable, Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from inpaint_jax import metrics
from inpaint_jax.study import plan, results, statistics

# Metrics whose differences from the base and ties are reported.
EFFECTS = ('hole_psnr', 'lpips')
# In dB; 6 dB less is twice the error.
COLLAPSE = 6.0


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
  """A cell in a comparison.

  Attributes:
    label: its name in the comparison.
    cell: its name in the results.
    rows: rows of the seeds that finished, without `collapsed`.
    diverged: the number of seeds that diverged.
    collapsed: rows of the seeds that finished COLLAPSE dB or more below the
      median of the cell in hole PSNR. Like diverged seeds, they are in no mean
      and are reported separately.
  """

  label: str
  cell: str
  rows: tuple[results.Row, ...]
  diverged: int
  collapsed: tuple[results.Row, ...] = ()

  @property
  def num_failed(self) -> int:
    """The number of seeds that diverged or collapsed."""
    return self.diverged + len(self.collapsed)

  def by_seed(self, name: str) -> dict[int, Any]:
    """Returns {seed: value} of a column such as test/l1 or images/l1."""
    values = {row['seed']: row.get(name) for row in self.rows}
    return {seed: x for seed, x in values.items() if x is not None}

  def summary(self, column: str) -> statistics.Summary | None:
    """Summarizes a column over the seeds, None if no seed has it."""
    values = list(self.by_seed(column).values())
    return statistics.summarize(values) if values else None

  def minus(self, other: 'Member', metric: str) -> statistics.Difference | None:
    """Compares a test metric of two cells, None if they share no seed."""
    return statistics.compare(
      self.by_seed(f'test/{metric}'),
      other.by_seed(f'test/{metric}'),
      self.by_seed(f'images/{metric}'),
      other.by_seed(f'images/{metric}'),
    )


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Cells that differ in one factor."""

  factor: str
  base: Member
  members: tuple[Member, ...]

  def sorted(self, column: str) -> list[Member]:
    """Returns the members that have a column, the best first."""
    found = [
      (metrics.badness(column, summary.mean), member)
      for member in self.members
      if (summary := member.summary(column))
    ]
    found.sort(key=lambda pair: pair[0])
    return [member for _, member in found]

  def ties(self, metric: str) -> list[Member]:
    """Returns the best by a metric, and all members that tie with it."""
    order = self.sorted(f'test/{metric}')
    found = [(x, x.minus(order[0], metric)) for x in order]
    return [x for x, y in found if x is order[0] or not y or y.is_tie]

  def better(self, metric: str) -> list[Member]:
    """Returns the members better than the base by more than chance."""
    order = self.sorted(f'test/{metric}')
    ahead = order[: order.index(self.base)] if self.base in order else []
    found = [(x, x.minus(self.base, metric)) for x in ahead]
    return [x for x, y in found if y and not y.is_tie]

  def num_tested(self) -> int:
    """Returns how many differences from the base have an interval."""
    found = (
      x.minus(self.base, metric)
      for x in self.members
      if x is not self.base
      for metric in EFFECTS
    )
    return sum(bool(x and x.interval) for x in found)

  def order_at(self, share: float) -> tuple[int, list[str]]:
    """Returns a step, and the labels by validation at that step, best first.

    Args:
      share: share of all steps; the step is the first one with a validation
        at this share or later.
    """
    means: dict[str, float] = {}
    step = 0
    for member in self.members:
      values = []
      for own in member.by_seed('curves').values():
        steps = own['step'][~np.isnan(own['val/hole_psnr'])]
        if len(steps):
          step = int(steps[steps >= share * steps[-1] - 0.5][0])
          values.append(own['val/hole_psnr'][own['step'] == step][-1])
      if values:
        means[member.label] = float(np.mean(values))
    return step, sorted(means, key=means.__getitem__, reverse=True)


@dataclasses.dataclass(frozen=True)
class Sweep:
  """The learning rates of an optimizer."""

  name: str
  members: Mapping[float, Member]

  @functools.cached_property
  def chosen(self) -> float:
    """The rate with the fewest failed seeds, then the least mean val/loss.

    A rate of which no seed is left comes last; if all are like that, it is the
    first rate, so that tables show that the cell failed.
    """

    def order(rate: float) -> tuple[bool, int, float]:
      member = self.members[rate]
      loss = member.summary('val/loss')
      return loss is None, member.num_failed, loss.mean if loss else 0.0

    return min(self.members, key=order)

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
    psnr = [row['test/hole_psnr'] for row in finished]
    least = float(np.median(psnr)) - COLLAPSE if psnr else 0.0
    good = tuple(x for x in finished if x['test/hole_psnr'] > least)
    collapsed = tuple(x for x in finished if x['test/hole_psnr'] <= least)
    for name in own[0]['names'].split() or [cell]:
      label = (name.partition('/')[2] or name).replace('/lr', ' at ')
      diverged = len(own) - len(finished)
      found[name] = Member(label, cell, good, diverged, collapsed)
  return found


def sweeps(found: Mapping[str, Member]) -> list[Sweep]:
  """Returns the sweeps among named members."""
  rates: dict[str, dict[float, Member]] = {}
  for name, member in found.items():
    cell, rate = plan.split_name(name)
    if rate is not None:
      rates.setdefault(cell, {})[rate] = member
  return [Sweep(name, dict(sorted(own.items()))) for name, own in rates.items()]


def create(found: Mapping[str, Member]) -> list[Comparison]:
  """Returns the comparisons of all factors among named members.

  Of each sweep, they contain only the rate that validation chose. The base is
  added to a factor without it.
  """
  split = {name: plan.split_name(name) for name in found}
  bases = {split[x][0]: m for x, m in found.items() if m.cell == plan.BASE}
  if not bases:
    return []
  chosen = {sweep.name: sweep.chosen for sweep in sweeps(found)}
  comparisons = []
  for factor in dict.fromkeys(x.split('/')[0] for x in found if '/' in x):
    named = {
      cell: found[name]
      for name, (cell, rate) in split.items()
      if name.startswith(f'{factor}/') and rate in (None, chosen.get(cell))
    }
    # The base's optimizer at another learning rate stands for it, too.
    base = next((x for cell, x in named.items() if cell in bases), None)
    if base is None:
      base = dataclasses.replace(next(iter(bases.values())), label=plan.BASE)
      named[plan.BASE] = base
    comparisons.append(Comparison(factor, base, tuple(named.values())))
  return comparisons
