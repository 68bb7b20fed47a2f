"""The plots; report_test draws them all."""

import pytest

from inpaint_jax.study import comparisons, plots


def test_an_outlier_is_cut():
  """A difference a hundred times as large would hide all others."""
  assert plots.limit([0.1, 0.11, 10.0]) == pytest.approx(0.275)
  assert plots.limit([0.1, 0.11, 0.2]) == 0.2
  assert plots.limit([]) == 1


def test_cells_are_drawn_without_a_base(small, make_row, tmp_path):
  """If all seeds of the base diverged, there are no differences to draw."""
  base = comparisons.Member('mse', 'base', (), 2)
  rows = tuple(make_row(small.cells[1], seed, 18.0) for seed in range(2))
  l1 = comparisons.Member('l1', 'loss/l1', rows, 0)
  compared = comparisons.Comparison('loss', base, (base, l1))
  plots.answer(compared, tmp_path / 'loss.png')
  assert (tmp_path / 'loss.png').exists()
