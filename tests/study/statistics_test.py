"""The statistics: paired by seed, and over other test images."""

import math

import numpy as np
import pytest
from scipy import stats

from inpaint_jax.study import statistics

_NUM_TEST = 40


def test_difference_is_the_paired_test():
  ours, theirs = [3.1, 2.0, 4.4], [2.5, 1.9, 3.6]
  found = statistics.compare(
    dict(enumerate(ours)), {**dict(enumerate(theirs)), 7: 100.0}, {}, {}
  )
  wanted = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
  assert found.seeds == pytest.approx((wanted.low, wanted.high))
  assert found.mean == pytest.approx(0.5)
  assert (found.images, found.sign) == (None, 0)


def test_pairs_count_and_not_the_spread_of_all():
  """Seeds far apart, each with the same lead: unpaired it would be nothing."""
  ours = {0: 10.0, 1: 20.0, 2: 30.0}
  theirs = {seed: x - 1 - 0.01 * seed for seed, x in ours.items()}
  assert statistics.compare(ours, theirs, {}, {}).sign == 1
  assert statistics.compare(theirs, ours, {}, {}).sign == -1


def test_a_lead_on_some_images_alone_is_a_tie():
  """All seeds agree, but the whole lead is that of one image in forty."""
  ours = {seed: 1.0 + 0.001 * seed for seed in range(3)}
  theirs = dict.fromkeys(range(3), 0.0)
  one = np.zeros(_NUM_TEST)
  one[0] = _NUM_TEST
  lead = dict.fromkeys(range(3), one)
  none = dict.fromkeys(range(3), np.zeros(_NUM_TEST))
  assert statistics.compare(ours, theirs, {}, {}).sign == 1
  found = statistics.compare(ours, theirs, lead, none)
  assert found.images[0] <= 0 < found.images[1]
  assert found.sign == 0


def test_the_interval_over_images_covers_the_mean():
  random = np.random.default_rng(1)
  images = {0: random.normal(2.0, 1.0, 400)}
  found = statistics.compare({0: 2.0}, {0: 0.0}, images, {0: np.zeros(400)})
  assert found.seeds is None
  low, high = found.images
  assert low < images[0].mean() < high
  # Twice 1.96 standard errors.
  error = images[0].std() / math.sqrt(400)
  assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
