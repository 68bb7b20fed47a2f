"""The plots of the report.

In the palette of Okabe and Ito ('Color universal design', 2008), which
colour-blind people tell apart; lines differ in dashes and markers too, so that
a grey print can be read.
"""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import itertools
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt, ticker
import numpy as np
import PIL.Image

from inpaint_jax.study import comparisons, reference
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
_BAR, _BASE_BAR = '#A8D5F0', '#4C9BCB'
_BASELINES = {
  'mean_fill': 'mean fill',
  'telea': 'Telea',
  'patchmatch': 'PatchMatch',
}
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


def bars(
  comparison: comparisons.Comparison,
  baselines: Mapping[str, Mapping[str, float]],
  path: pathlib.Path,
) -> None:
  """Draws the test errors of a comparison's cells, the best on top.

  Whiskers are one standard deviation over the seeds, dots the seeds.

  Args:
    comparison: what to draw.
    baselines: {method: {metric: mean}}, drawn as lines in the panel of holes.
    path: of the PNG file; nothing is written if no cell finished.
  """
  drawn = comparison.sorted('test/hole_l1')
  if not drawn:
    return
  with _figure(path, 1.4 + 0.42 * len(drawn)) as figure:
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, column, title in (
      (left, 'test/hole_l1', 'L1 within holes (less is better)'),
      (right, 'test/l1', 'L1 of the whole output (less is better)'),
    ):
      _draw_bars(axes, drawn, comparison.base, column)
      axes.set_title(title)
    left.set_yticks(range(len(drawn)), [member.label for member in drawn])
    left.invert_yaxis()
    # Dashed lines across the bars, with their names in a legend below.
    means = {name: x['hole_l1'] for name, x in baselines.items()}
    shown = [name for name in means if means[name] < left.get_xlim()[1]]
    for name, (_, dashes, _) in zip(shown, itertools.cycle(_LINES[1:6])):
      label = _BASELINES.get(name, name)
      line = {'color': '#A34700', 'linestyle': dashes, 'linewidth': 1.4}
      left.axvline(means[name], label=label, **line)
    if shown:
      figure.legend(loc='outside lower left', ncols=3)


def curves(comparison: comparisons.Comparison, path: pathlib.Path) -> None:
  """Draws losses and PSNR by step: means of the seeds, bands of all of them.

  Cells with different losses have a panel each for their losses, which cannot
  be compared. Writes nothing without curves of a finished run.
  """
  order = comparison.sorted('test/hole_psnr')
  # A cell has the same style in all plots of its factor.
  drawn = {
    member: _style(comparison.members.index(member))
    for member in order
    if member.by_seed('curves')
  }
  if not drawn:
    return
  has_one_loss = len({member.rows[0]['loss'] for member in drawn}) == 1
  with _figure(path, 3.6 if has_one_loss else 5.4) as figure:
    if has_one_loss:
      *panels, psnr = figure.subplots(1, 3)
      names = {'training': 'train/loss', 'validation': 'val/loss'}
      for axes, (name, column) in zip(panels, names.items(), strict=True):
        for member, style in drawn.items():
          _draw_curve(axes, member, column, style)
        _log_if_wide(axes)
        axes.set(title=f'{name} loss (less is better)', xlabel='step')
    else:
      grid = figure.add_gridspec(2, len(drawn), height_ratios=(1, 1.5))
      psnr = figure.add_subplot(grid[1, :])
      for i, (member, style) in enumerate(drawn.items()):
        axes = figure.add_subplot(grid[0, i])
        _draw_curve(axes, member, 'train/loss', style)
        _draw_curve(axes, member, 'val/loss', style | {'linestyle': ''})
        axes.set(title=member.label, xlabel='step')
        if i == 0:
          axes.set_ylabel('own loss: training (line)\nand validation (marks)')
    for member, style in drawn.items():
      _draw_curve(psnr, member, 'val/hole_psnr', style)
    psnr.set(title='PSNR within holes, validation, dB', xlabel='step')
    handles, labels = psnr.get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=len(drawn))


def sweep(found: Sequence[comparisons.Sweep], path: pathlib.Path) -> None:
  """Draws the validation loss by learning rate, with rings at the chosen."""
  with _figure(path, 3.6) as figure:
    axes = figure.subplots()
    for i, own in enumerate(found):
      summaries = {x: m.summary('val/loss') for x, m in own.members.items()}
      points = {rate: x for rate, x in summaries.items() if x}
      if not points:
        continue
      means, deviations, _ = zip(*points.values(), strict=True)
      label, style = own.name.rpartition('/')[2], _style(i)
      axes.errorbar(
        list(points), means, deviations, capsize=3, label=label, **style
      )
      if own.chosen:
        ring = {'markerfacecolor': 'none', 'markeredgecolor': style['color']}
        mean = points[own.chosen].mean
        axes.plot(own.chosen, mean, 'o', markersize=13, **ring)
    axes.axvline(reference.LEARNING_RATE, color='#888888', linestyle=':')
    axes.annotate(
      "the reference's",
      (reference.LEARNING_RATE, 1),
      xycoords=('data', 'axes fraction'),
      xytext=(3, -9),
      textcoords='offset points',
      color='#555555',
    )
    axes.set_xscale('log')
    _log_if_wide(axes)
    axes.set(xlabel='learning rate', ylabel='validation loss (less is better)')
    axes.legend(loc='center left', bbox_to_anchor=(1, 0.5))


def photo_grid(
  filled: Mapping[str, np.ndarray],
  given: Mapping[str, np.ndarray],
  path: pathlib.Path,
) -> None:
  """Writes a JPEG of the same photos, filled by each cell, in two columns.

  Args:
    filled: {label: uint8 [N, S, S, 3]}, a row each.
    given: the same of the rows that both columns begin with.
    path: of the JPEG file.
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


def _draw_bars(
  axes: plt.Axes,
  drawn: Sequence[comparisons.Member],
  base: comparisons.Member,
  column: str,
) -> None:
  found = [(member, member.summary(column)) for member in drawn]
  limit = bar_limit([summary.mean for _, summary in found if summary])
  for y, (member, summary) in enumerate(found):
    if summary is None:
      continue
    mean, deviation, values = summary
    is_base = member.cell == base.cell
    axes.barh(
      y,
      min(mean, limit),
      height=0.62,
      color=_BASE_BAR if is_base else _BAR,
      edgecolor='#333333',
      linewidth=1.2 if is_base else 0.5,
    )
    text, end = f'{mean:.4f} ± {deviation:.4f}', limit
    if mean > limit:
      text += ' (cut)'
    else:
      end = max(*values, mean + deviation)
      axes.errorbar(mean, y, xerr=deviation, color='black', capsize=3)
      offsets = np.linspace(-0.16, 0.16, len(values))
      axes.plot(values, y + offsets, 'o', color='black', markersize=2.5)
    axes.annotate(
      text,
      (end, y),
      xytext=(5, 0),
      textcoords='offset points',
      va='center',
      fontsize=8,
      # Over the lines of the baselines.
      bbox={'facecolor': 'white', 'edgecolor': 'none', 'pad': 0.8},
      zorder=3,
    )
  axes.set_xlim(0, limit * 1.6)
  axes.grid(axis='y', visible=False)


def bar_limit(means: Sequence[float]) -> float:
  """Returns where bars are cut, so that one outlier hides no other."""
  highest, middle = float(np.max(means)), float(np.median(means))
  return highest if highest <= 4 * middle else 2.5 * middle


def _draw_curve(
  axes: plt.Axes,
  member: comparisons.Member,
  column: str,
  style: Mapping[str, Any],
) -> None:
  """Draws the mean of the seeds, and a band from the least to the most."""
  series = [
    {x: y for x, y in zip(own['step'], own[column], strict=True) if y == y}
    for own in member.by_seed('curves').values()
  ]
  steps = sorted(set.intersection(*map(set, series)))
  values = np.array([[x[step] for step in steps] for x in series])
  if column == 'train/loss':
    style = {**style, 'marker': ''}
  axes.plot(steps, values.mean(axis=0), label=member.label, **style)
  low, high = values.min(axis=0), values.max(axis=0)
  axes.fill_between(
    steps, low, high, color=style['color'], alpha=0.18, linewidth=0
  )


def _style(number: int) -> dict[str, Any]:
  line = _LINES[number % len(_LINES)]
  style = dict(zip(('color', 'linestyle', 'marker'), line, strict=True))
  return {**style, 'markersize': 4.5, 'linewidth': 1.8}


def _log_if_wide(axes: plt.Axes) -> None:
  low, high = axes.dataLim.intervaly
  if low > 0 and high / low > 5:
    axes.set_yscale('log')
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
