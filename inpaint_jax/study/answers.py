"""The answer to a question of the study: a line of advice, and a section."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inpaint_jax.study import comparisons, reference, results, statistics
from inpaint_jax.study.numbers import mean, names, signed, table


class Column(NamedTuple):
  """A metric in a table: its name, the unit or mark after it, its decimals."""

  name: str
  mark: str
  decimals: int


# LPIPS, and metrics that use its nets, are empty if it was not installed.
COLUMNS = {
  'hole_psnr': Column('hole PSNR', ', dB ↑', 2),
  'lpips': Column('LPIPS', ' ↓', 4),
  'lpips_vgg': Column('LPIPS by VGG', ' ↓', 4),
  'ssim': Column('SSIM', ' ↑', 4),
  'l1': Column('whole L1', ' ↓', 4),
  'seam_ratio': Column('seam', ' → 1', 2),
  'texture_ratio': Column('texture', ' → 1', 2),
  'detectability': Column('detectability', ' → 0.5', 3),
}
# Shares of the training after which the order of the cells is reported.
_SHARES = (0.25, 0.5, 1)


def advise(
  compared: Sequence[comparisons.Comparison],
  baselines: Mapping[str, Mapping[str, float]],
) -> str:
  """Returns what to use, one line per question."""
  lines = [_advice(x) for x in compared if len(x.sorted('test/hole_psnr')) > 1]
  found = (m.summary('test/hole_psnr') for x in compared for m in x.members)
  most = max((x.mean for x in found if x), default=float('inf'))
  better = [
    f'{name} ({x["hole_psnr"]:.2f} dB)'
    for name, x in baselines.items()
    if x['hole_psnr'] > most
  ]
  if better:
    verb = 'fill' if len(better) > 1 else 'fills'
    lines.append(
      f'- **Without training**: {", ".join(better)} {verb} holes better than '
      f'every model trained here ({most:.2f} dB at most).'
    )
  return '\n'.join(['## What we would use today', '', *lines]) if lines else ''


def _advice(comparison: comparisons.Comparison) -> str:
  """Returns the line of a question: the best by error and by looks."""
  pixels, looks = map(comparison.ties, comparisons.EFFECTS)
  base = comparison.base
  is_beaten = any(map(comparison.better, comparisons.EFFECTS))
  both = [x for x in pixels if x in looks and not (x is base and is_beaten)]
  if base in pixels and not is_beaten:
    chosen, why = [base], 'nothing else is better by more than chance'
    if not comparison.num_tested():
      why = 'nothing was compared with it, for want of seeds in common'
  elif not looks:
    chosen, why = pixels[:1], 'the best hole PSNR'
    why += f', tied with {names(pixels[1:])}' * (len(pixels) > 1)
  elif both:
    chosen, why = [both[0]], 'nothing else is better in hole PSNR or LPIPS'
  else:
    chosen = [pixels[0], looks[0]]
    why = 'the first has the best hole PSNR, the second the best LPIPS'
  text = f'- **{comparison.factor}**: {names(chosen, " or ")}: {why}.'
  last = comparison.sorted('test/hole_psnr')[-1]
  behind = last.minus(chosen[0], 'hole_psnr')
  if last not in chosen and behind and not behind.is_tie:
    text += f' {names([last])} is last ({signed(behind.mean, 2)} dB).'
  for member in comparison.members:
    if failed := member.num_failed:
      seeds = failed + len(member.rows)
      text += f' {names([member])} failed for {failed} of {seeds} seeds.'
  return text


def section(comparison: comparisons.Comparison) -> str:
  """Returns the section of a question: plot, table and a paragraph."""
  factor, base = comparison.factor, comparison.base
  order = comparison.sorted('test/hole_psnr')
  failed = [member for member in comparison.members if not member.rows]
  header = ['', 'rate']
  for metric, column in COLUMNS.items():
    header.append(column.name + column.mark)
    header += [f'vs {base.label}'] * (metric in comparisons.EFFECTS)
  header += ['step, ms', 'seeds']
  told = [_ties(comparison, metric) for metric in comparisons.EFFECTS]
  told += [_by_metric(comparison), _by_step(comparison)]
  parts = [
    f'## {factor[0].upper()}{factor[1:]}',
    f'![{factor}]({factor}.png)' if order else '',
    table(header, [_line(member, base) for member in [*order, *failed]]),
    ' '.join(text for text in told if text),
    _beside_reference(comparison),
  ]
  return '\n\n'.join(part for part in parts if part)


def _line(member: comparisons.Member, base: comparisons.Member) -> list[str]:
  """Returns a cell's line of the table."""
  row: results.Row = member.rows[0] if member.rows else {}
  rate, speed = row.get('learning_rate'), row.get('images_per_second')
  line = [member.label, f'{rate:g}' if rate else '']
  for metric, column in COLUMNS.items():
    line.append(mean(member.summary(f'test/{metric}'), column.decimals))
    if metric in comparisons.EFFECTS:
      line.append(_effect(member, base, metric))
  line.append(f'{1000 * row["batch_size"] / speed:.0f}' if speed else '')
  seeds = f'{len(member.rows)}'
  seeds += f', {member.diverged} diverged' if member.diverged else ''
  for own in member.collapsed:
    seeds += f', 1 collapsed ({own["test/hole_psnr"]:.1f} dB)'
  return [*line, seeds]


def _effect(
  ours: comparisons.Member, base: comparisons.Member, metric: str
) -> str:
  """Returns a difference with its interval, in bold unless it is a tie."""
  found = ours.minus(base, metric) if ours is not base else None
  if found is None:
    return ''
  decimals = COLUMNS[metric].decimals
  text = signed(found.mean, decimals)
  if found.interval:
    low, high = (signed(x, decimals) for x in found.interval)
    text += f' ({low} to {high})'
  return text if found.is_tie else f'**{text}**'


def _ties(comparison: comparisons.Comparison, metric: str) -> str:
  """Returns which cells tie by a metric, and how many seeds would decide."""
  if len(comparison.sorted(f'test/{metric}')) < 2:
    return ''
  by = f'By {COLUMNS[metric].name}'
  best, *others = comparison.ties(metric)
  found = {x: x.minus(best, metric) for x in others}
  ties = {x: y for x, y in found.items() if y and y.interval}
  text = f'{by}, {names([best])} is best'
  if ties:
    told = (f'{names([x])} ({_seeds(y)})' for x, y in ties.items())
    text += (
      f', tied with {", ".join(told)}; in brackets, how many seeds would tell '
      'them apart'
    )
  alone = [x for x in others if x not in ties]
  if not ties and len(comparison.sorted(f'test/{metric}')) > 1 + len(alone):
    text += ' by more than chance'
  if alone:
    text += (
      f'; it has too few seeds in common with {names(alone)} to be compared'
    )
  return f'{text}.'


def _seeds(found: statistics.Difference) -> str:
  count = statistics.seeds_needed(found.mean, found.deviation)
  return f'{count or f"more than {statistics.MOST_SEEDS:,}"}'


def _by_metric(comparison: comparisons.Comparison) -> str:
  """Returns which cell is the best by which metric."""
  winners: dict[str, list[str]] = {}
  for metric, column in COLUMNS.items():
    for member in comparison.sorted(f'test/{metric}')[:1]:
      winners.setdefault(member.label, []).append(column.name)
  found = [f'{", ".join(x)}: {label}' for label, x in winners.items()]
  return f'Best in each metric: {"; ".join(found)}.' if found else ''


def _by_step(comparison: comparisons.Comparison) -> str:
  """Returns how the order in validation changes with the steps."""
  orders: dict[str, list[str]] = {}
  for step, order in map(comparison.order_at, _SHARES):
    if len(order) > 1:
      orders.setdefault(' > '.join(order), []).append(f'{step:,}')
  told = [f'{order} at {", ".join(steps)}' for order, steps in orders.items()]
  return f'Ranking in validation: {"; ".join(told)} steps.' if told else ''


def _beside_reference(comparison: comparisons.Comparison) -> str:
  """Returns the reference's numbers next to ours, and why they differ."""
  if comparison.factor not in reference.REPORTED:
    return ''
  reported, why = reference.REPORTED[comparison.factor]
  members = {x.label.split(' at ')[0]: x for x in comparison.members}
  lines = []
  for name, theirs in reported.items():
    member = members.get(name)
    ours = mean(member.summary('test/l1'), 4) if member else ''
    lines.append(f'{name} {theirs} ({ours or "not measured"})')
  return (
    "The reference's whole L1, with ours in brackets: "
    f'{", ".join(lines)}. {why}'
  )
