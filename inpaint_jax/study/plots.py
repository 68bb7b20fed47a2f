"""The plots of the report.

In the palette of Okabe and Ito ('Color universal design', 2008), which
colour-blind people tell apart; lines differ in their dashes and markers too, so
that a grey print can be read.
"""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import axes as mpl_axes, pyplot as plt, ticker
import numpy as np
import PIL.Image

from inpaint_jax.study import comparisons, reference, results
from inpaint_jax.system import atomic_files
from inpaint_jax.training import grids

_COLOURS = (
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
)
_DASHES = ('-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_MARKERS = 'osD^vXP'
_BAR, _BASE_BAR = '#A8D5F0', '#4C9BCB'
_WIDTH, _DPI = 9.0, 130
_TITLES = {
  'hole_l1': 'L1 within holes (less is better)',
  'l1': 'L1 of the whole output (less is better)',
}
_BASELINES = {
  'mean_fill': 'mean fill',
  'telea': 'Telea',
  'patchmatch': 'PatchMatch',
}
_STYLE = {
  'font.size': 9,
  'axes.titlesize': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.grid': True,
  'grid.color': '#DDDDDD',
  'axes.axisbelow': True,
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
    baselines: {method: {metric: mean}}, drawn as lines in the hole's panel.
    path: of the PNG file.
  """
  drawn = comparison.sorted('test/hole_l1')
  with plt.rc_context(_STYLE):
    figure, (left, right) = plt.subplots(
      1,
      2,
      figsize=(_WIDTH, 1.4 + 0.42 * len(drawn)),
      layout='constrained',
      sharey=True,
    )
    _bar_panel(left, drawn, comparison.base, 'hole_l1')
    _bar_panel(right, drawn, comparison.base, 'l1')
    left.set_yticks(range(len(drawn)), [member.label for member in drawn])
    left.invert_yaxis()
    _baseline_lines(
      left, {name: means['hole_l1'] for name, means in baselines.items()}
    )
    _save(figure, path)


def curves(
  comparison: comparisons.Comparison,
  by_run: results.Curves,
  path: pathlib.Path,
) -> bool:
  """Draws losses and PSNR by step: means of the seeds, bands of all of them.

  Cells with different losses have a panel each for their losses, which cannot
  be compared.

  Returns:
    Whether there was anything to draw.
  """
  drawn = [
    member
    for member in comparison.sorted('test/hole_psnr')
    if any(results.row_name(row) in by_run for row in member.rows)
  ]
  if not drawn:
    return False
  # The same cell has the same style in all plots of its factor.
  styles = {
    member.label: _style(i) for i, member in enumerate(comparison.members)
  }
  losses = {member.rows[0]['loss'] for member in drawn}
  with plt.rc_context(_STYLE):
    if len(losses) == 1:
      figure, panels = plt.subplots(
        1, 3, figsize=(_WIDTH, 3.6), layout='constrained'
      )
      training, validation, psnr = panels
      for member in drawn:
        style = styles[member.label]
        _curve(training, member, by_run, 'train/loss', style)
        _curve(validation, member, by_run, 'val/loss', style)
      for axes, title in zip(
        panels, ('training loss', 'validation loss'), strict=False
      ):
        _log_if_wide(axes)
        axes.set(title=f'{title} (less is better)', xlabel='step')
    else:
      figure = plt.figure(figsize=(_WIDTH, 5.4), layout='constrained')
      grid = figure.add_gridspec(2, len(drawn), height_ratios=(1, 1.5))
      psnr = figure.add_subplot(grid[1, :])
      for i, member in enumerate(drawn):
        axes = figure.add_subplot(grid[0, i])
        style = styles[member.label]
        _curve(axes, member, by_run, 'train/loss', style)
        _curve(axes, member, by_run, 'val/loss', style | {'linestyle': ''})
        axes.set(title=member.label, xlabel='step')
        if i == 0:
          axes.set_ylabel('own loss: training (line)\nand validation (marks)')
    for member in drawn:
      _curve(psnr, member, by_run, 'val/hole_psnr', styles[member.label])
    psnr.set(title='PSNR within holes, validation, dB', xlabel='step')
    figure.legend(
      *psnr.get_legend_handles_labels(),
      loc='outside lower center',
      ncols=len(drawn),
      frameon=False,
    )
    _save(figure, path)
  return True


def sweep(found: Sequence[comparisons.Sweep], path: pathlib.Path) -> None:
  """Draws the validation loss by learning rate; rings are what was chosen."""
  with plt.rc_context(_STYLE):
    figure, axes = plt.subplots(figsize=(_WIDTH, 3.6), layout='constrained')
    for i, own in enumerate(found):
      points = [
        (rate, member.summary('val/loss'))
        for rate, member in own.members.items()
        if member.summary('val/loss')
      ]
      if not points:
        continue
      style = _style(i)
      axes.errorbar(
        [rate for rate, _ in points],
        [summary.mean for _, summary in points],
        [summary.deviation for _, summary in points],
        capsize=3,
        label=own.name.rpartition('/')[2],
        **style,
      )
      if own.chosen:
        axes.plot(
          own.chosen,
          own.members[own.chosen].summary('val/loss').mean,
          'o',
          markersize=13,
          markerfacecolor='none',
          markeredgecolor=style['color'],
        )
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
    axes.set_xlabel('learning rate')
    axes.set_ylabel('validation loss (less is better)')
    axes.legend(loc='center left', bbox_to_anchor=(1, 0.5), frameon=False)
    _save(figure, path)


def picture_grid(
  rows: Sequence[tuple[str, np.ndarray]],
  given: Mapping[str, np.ndarray],
  path: pathlib.Path,
) -> None:
  """Writes a JPEG of the same photographs, filled by each cell, in two columns.

  Args:
    rows: (label, uint8 [N, S, S, 3]) of each cell.
    given: the same of the rows that both columns begin with.
    path: of the JPEG file.
  """
  half = -(-len(rows) // 2)
  columns = [
    grids.draw_grid({**given, **dict(part)}, cell=96)
    for part in (rows[:half], rows[half:])
    if part
  ]
  height = max(len(column) for column in columns)
  padded = [
    np.pad(
      column,
      ((0, height - len(column)), (0, 16), (0, 0)),
      constant_values=255,
    )
    for column in columns
  ]
  with atomic_files.replacing(path) as temporary:
    PIL.Image.fromarray(np.concatenate(padded, axis=1)).save(
      temporary, format='JPEG', quality=88
    )


def _bar_panel(
  axes: mpl_axes.Axes,
  drawn: Sequence[comparisons.Member],
  base: comparisons.Member,
  metric: str,
) -> None:
  summaries = [member.summary(f'test/{metric}') for member in drawn]
  limit = _limit(np.array([summary.mean for summary in summaries]))
  for y, (member, summary) in enumerate(zip(drawn, summaries, strict=True)):
    is_base = member.cell == base.cell
    axes.barh(
      y,
      min(summary.mean, limit),
      height=0.62,
      color=_BASE_BAR if is_base else _BAR,
      edgecolor='#333333',
      linewidth=1.2 if is_base else 0.5,
    )
    text = f'{summary.mean:.4f} ± {summary.deviation:.4f}'
    right = limit
    if summary.mean > limit:
      text = f'{text} (cut)'
    else:
      right = max(*summary.values, summary.mean + summary.deviation)
      axes.errorbar(
        summary.mean, y, xerr=summary.deviation, color='black', capsize=3
      )
      offsets = np.linspace(-0.16, 0.16, len(summary.values))
      axes.plot(summary.values, y + offsets, 'o', color='black', markersize=2.5)
    axes.annotate(
      text,
      (right, y),
      xytext=(5, 0),
      textcoords='offset points',
      va='center',
      fontsize=8,
      # Over the lines of the baselines.
      bbox={'facecolor': 'white', 'edgecolor': 'none', 'pad': 0.8},
      zorder=3,
    )
  axes.set_xlim(0, limit * 1.6)
  axes.set_title(_TITLES[metric])
  axes.grid(axis='y', visible=False)


def _baseline_lines(axes: mpl_axes.Axes, values: Mapping[str, float]) -> None:
  """Draws dashed lines across the bars, named in a legend below."""
  _, end = axes.get_xlim()
  shown = {name: value for name, value in values.items() if value < end}
  for i, (name, value) in enumerate(shown.items()):
    axes.axvline(
      value,
      color='#A34700',
      linestyle=_DASHES[1 + i % (len(_DASHES) - 1)],
      linewidth=1.4,
      label=_BASELINES.get(name, name),
    )
  if shown:
    axes.figure.legend(loc='outside lower left', ncols=3, frameon=False)


def _limit(means: np.ndarray) -> float:
  """Returns where bars are cut, so that one outlier hides no other."""
  highest, middle = float(means.max()), float(np.median(means))
  return highest if highest <= 4 * middle else 2.5 * middle


def _curve(
  axes: mpl_axes.Axes,
  member: comparisons.Member,
  by_run: results.Curves,
  column: str,
  style: Mapping[str, Any],
) -> None:
  """Draws the mean of the seeds, and a band from the least to the most."""
  series = []
  for row in member.rows:
    own = by_run.get(results.row_name(row))
    if own is not None:
      there = ~np.isnan(own[column])
      steps, values = own['step'][there], own[column][there]
      series.append(dict(zip(steps, values, strict=True)))
  if not series:
    return
  steps = sorted(set.intersection(*(set(x) for x in series)))
  values = np.array([[x[step] for step in steps] for x in series])
  if column == 'train/loss':
    style = {**style, 'marker': ''}
  axes.plot(steps, values.mean(axis=0), label=member.label, **style)
  axes.fill_between(
    steps,
    values.min(axis=0),
    values.max(axis=0),
    color=style['color'],
    alpha=0.18,
    linewidth=0,
  )


def _style(number: int) -> dict[str, Any]:
  return {
    'color': _COLOURS[number % len(_COLOURS)],
    'linestyle': _DASHES[number % len(_DASHES)],
    'marker': _MARKERS[number % len(_MARKERS)],
    'markersize': 4.5,
    'linewidth': 1.8,
  }


def _log_if_wide(axes: mpl_axes.Axes) -> None:
  low, high = axes.dataLim.intervaly
  if low > 0 and high / low > 5:
    axes.set_yscale('log')
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def _save(figure: plt.Figure, path: pathlib.Path) -> None:
  with atomic_files.replacing(path) as temporary:
    figure.savefig(
      temporary, dpi=_DPI, format='png', metadata={'Software': None}
    )
  plt.close(figure)
