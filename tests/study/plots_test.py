"""The plots; report_test draws them all."""

import pytest

from inpaint_jax.study import plots


def test_an_outlier_is_cut():
  """A difference a hundred times as large would hide all others."""
  assert plots.limit([0.1, 0.11, 10.0]) == pytest.approx(0.275)
  assert plots.limit([0.1, 0.11, 0.2]) == 0.2
  assert plots.limit([]) == 1
