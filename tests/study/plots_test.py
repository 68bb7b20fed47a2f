"""The plots; report_test draws them all."""

import pytest

from inpaint_jax.study import plots


def test_an_outlier_is_cut():
  """One bar a hundred times as long would leave nothing to see of others."""
  assert plots.bar_limit([0.1, 0.11, 10.0]) == pytest.approx(0.275)
  assert plots.bar_limit([0.1, 0.11, 0.2]) == 0.2
