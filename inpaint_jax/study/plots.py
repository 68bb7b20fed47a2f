"""The plots of the report.

They use the palette of Okabe and Ito ('Color universal design', 2008), which
colour-blind people can tell apart; lines also differ in dashes and markers, so
that a grey print can be read.
"""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import math
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt, ticker
import numpy as np
import PIL.Image

from inpaint_jax.study import comparisons
from inpaint_jax.system import atomic_files
from inpaint_jax.training import grids

# Colour, dashes and marker.
_LINES: tuple[tuple[str, Any, str], ...] = (
  ('#0072B2', '-', 'o'),
  ('#D55E00', '--', 's'),
  ('#009E73', '-.', 'D'),
  ('#CC79A7', ':', '^'),
  ('#E69F00', (0, (5, 1, 1, 1, 1, 1)), 'v'),
  ('#56B4E9', (0, (8, 2)), 'X'),
  ('#000000', '-', 'P'),
)
_STYLE: dict[Any, Any] = {
  'font.size': 9,
  'axes.titlesize': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.grid': True,
  'grid.color': '#DDDDDD',
  'axes.axisbelow': True,
  'legend.frameon': False,
}


def answer(comparison: comparisons.Comparison, path: pathlib.Path) -> None:
  """Draws how far each cell is from the base, and validation by step.

  Differences in hole PSNR and LPIPS are drawn with their intervals, see
  statistics.compare. Writes nothing if no cell finished.
  """
  order = comparison.sorted('test/hole_psnr')
  if not order:
    return
  # A cell has the same style in all panels.
  drawn = {member: _style(i) for i, member in enumerate(order)}
  with _figure(path, 2.2 + 0.22 * len(drawn)) as figure:
    titles = {
      'hole_psnr': 'hole PSNR, dB (right: better)',
      'lpips': 'LPIPS (left: better)',
    }
    base = comparison.base
    titles = {k: x for k, x in titles.items() if base.summary(f'test/{k}')}
    widths = (*[1] * len(titles), 1.25)
    # There are no differences if all seeds of the base diverged.
    *panels, right = figure.subplots(
      1, len(widths), width_ratios=widths, squeeze=False
    )[0]
    for axes, (metric, title) in zip(panels, titles.items(), strict=True):
      _draw_differences(axes, drawn, base, metric)
      axes.set(title=title, xlabel=f'difference from {base.label}')
      # Numbers of four decimals need room.
      axes.locator_params(axis='x', nbins=4)
      labels = [x.label for x in order] if axes is panels[0] else []
      axes.set_yticks(range(len(order)), labels)
      axes.invert_yaxis()
    for member, style in drawn.items():
      if member.by_seed('curves'):
        _draw_curve(right, member, 'val/hole_psnr', style)
    right.set(title='hole PSNR in validation, dB', xlabel='step')


def sweep(found: Sequence[comparisons.Sweep], path: pathlib.Path) -> None:
  """Draws validation by learning rate, with rings around the chosen rates.

  Each factor has a panel.
  """
  factors: dict[str, list[comparisons.Sweep]] = {}
  for own in found:
    factors.setdefault(own.name.partition('/')[0], []).append(own)
  with _figure(path, 3.4) as figure:
    panels = figure.subplots(1, len(factors), squeeze=False)[0]
    for axes, (factor, sweeps) in zip(panels, factors.items(), strict=True):
      for i, own in enumerate(sweeps):
        _draw_sweep(axes, own, _style(i))
      axes.set_xscale('log')
      axes.xaxis.set_minor_formatter(ticker.NullFormatter())
      row = next(
        r for own in sweeps for m in own.members.values() for r in m.rows
      )
      side = row['image_size']
      axes.set(title=f'{factor}, {side}x{side}', xlabel='learning rate')
      axes.legend(fontsize=7)
    panels[0].set_ylabel('hole PSNR in validation, dB')


def photo_grid(
  filled: Mapping[str, np.ndarray],
  given: Mapping[str, np.ndarray],
  path: pathlib.Path,
) -> None:
  """Writes a JPEG of the same photos, filled by each cell, in two columns.

  Args:
    filled: {label: uint8 [N, S, S, 3]}, one row per label.
    given: the images of the rows above these, in both columns.
  """
  rows = list(filled.items())
  half = -(-len(rows) // 2)
  columns = [
    grids.draw_grid({**given, **dict(part)}, cell=96)
    for part in (rows[:half], rows[half:])
    if part
  ]
  height = max(map(len, columns))
  padded = [
    np.pad(x, ((0, height - len(x)), (0, 16), (0, 0)), constant_values=255)
    for x in columns
  ]
  image = PIL.Image.fromarray(np.concatenate(padded, axis=1))
  with atomic_files.replacing(path) as temporary:
    image.save(temporary, format='JPEG', quality=88)


@contextlib.contextmanager
def _figure(path: pathlib.Path, height: float) -> Iterator[Any]:
  """Yields a figure to draw on, and writes it as PNG."""
  with plt.rc_context(_STYLE):
    figure = plt.figure(figsize=(9, height), layout='constrained')
    try:
      yield figure
      with atomic_files.replacing(path) as temporary:
        metadata = {'Software': None}
        figure.savefig(temporary, dpi=130, format='png', metadata=metadata)
    finally:
      plt.close(figure)


def _draw_differences(
  axes: plt.Axes,
  drawn: Mapping[comparisons.Member, Mapping[str, Any]],
  base: comparisons.Member,
  metric: str,
) -> None:
  """Draws the differences from the base; very large ones are cut."""
  axes.axvline(0, color='#888888', linewidth=1)
  found = {x: d for x in drawn if (d := x.minus(base, metric))}
  reach = limit([max(map(abs, d.interval or [d.mean])) for d in found.values()])
  for y, member in enumerate(drawn):
    if member not in found:
      continue
    mean = found[member].mean
    low, high = found[member].interval or (mean, mean)
    style = {**drawn[member], 'linestyle': ''}
    color = style['color']
    if abs(mean) > reach:
      text, place = f'{mean:+.3g} (cut)', (math.copysign(reach, mean), y)
      side = 'right' if mean > 0 else 'left'
      axes.annotate(text, place, ha=side, va='center', color=color)
    else:
      axes.plot([low, high], [y, y], color=color, linewidth=1.8)
      axes.plot(mean, y, **style)
    axes.update_datalim([(math.copysign(min(abs(mean), reach), mean), y)])
  low, high = np.clip(axes.dataLim.intervalx, -reach, reach)
  margin = 0.05 * ((high - low) or 1)
  axes.set_xlim(low - margin, high + margin)
  axes.set_ylim(-0.6, len(drawn) - 0.4)
  axes.grid(axis='y', visible=False)


def limit(reaches: Sequence[float]) -> float:
  """Returns where an axis ends, so that an outlier does not hide the rest."""
  if not reaches or not max(reaches):
    return 1.0
  highest, middle = float(np.max(reaches)), float(np.median(reaches))
  return highest if highest <= 4 * middle else 2.5 * middle


def _draw_sweep(
  axes: plt.Axes, own: comparisons.Sweep, style: Mapping[str, Any]
) -> None:
  found = {x: m.summary('val/hole_psnr') for x, m in own.members.items()}
  points = {rate: x.mean for rate, x in found.items() if x}
  label = own.name.partition('/')[2]
  axes.plot(list(points), list(points.values()), label=label, **style)
  if own.chosen in points:
    ring = {'markerfacecolor': 'none', 'markeredgecolor': style['color']}
    axes.plot(own.chosen, points[own.chosen], 'o', markersize=13, **ring)


def _draw_curve(
  axes: plt.Axes,
  member: comparisons.Member,
  column: str,
  style: Mapping[str, Any],
) -> None:
  """Draws the mean of the seeds, and a band from their least to their most."""
  series = [
    {x: y for x, y in zip(own['step'], own[column], strict=True) if y == y}
    for own in member.by_seed('curves').values()
  ]
  steps = sorted(set.intersection(*map(set, series)))
  values = np.array([[x[step] for step in steps] for x in series])
  axes.plot(steps, values.mean(axis=0), label=member.label, **style)
  low, high = values.min(axis=0), values.max(axis=0)
  axes.fill_between(
    steps, low, high, color=style['color'], alpha=0.18, linewidth=0
  )


def _style(number: int) -> dict[str, Any]:
  line = _LINES[number % len(_LINES)]
  style = dict(zip(('color', 'linestyle', 'marker'), line, strict=True))
  return {**style, 'markersize': 4.5, 'linewidth': 1.8}
