"""The statistics: paired by seed and image, with known answers."""

import numpy as np
import pytest
from scipy import stats

from inpaint_jax.study import statistics


def test_without_images_it_is_the_paired_t_test():
  ours, theirs = [3.1, 2.0, 4.4], [2.5, 1.9, 3.6]
  found = statistics.compare(
    dict(enumerate(ours)), {**dict(enumerate(theirs)), 7: 100.0}, {}, {}
  )
  wanted = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
  assert found.interval == pytest.approx((wanted.low, wanted.high))
  assert found.mean == pytest.approx(0.5)
  assert found.deviation == pytest.approx(np.std([0.6, 0.1, 0.8], ddof=1))
  assert found.is_tie


def test_pairs_count_and_not_the_spread_of_all():
  """Seeds are far apart, with the same lead; unpaired it would be a tie."""
  ours = {0: 10.0, 1: 20.0, 2: 30.0}
  theirs = {seed: x - 1 - 0.01 * seed for seed, x in ours.items()}
  assert not statistics.compare(ours, theirs, {}, {}).is_tie
  assert statistics.compare(ours, theirs, {}, {}).mean > 0


def _compare_images(images):
  """Compares {seed: [N]} with zeros."""
  zeros = {seed: np.zeros_like(x) for seed, x in images.items()}
  means = {seed: x.mean() for seed, x in images.items()}
  return statistics.compare(means, dict.fromkeys(means, 0.0), images, zeros)


def test_seeds_that_agree_leave_the_images():
  """The interval is then 1.96 standard errors of the mean over images."""
  images = np.random.default_rng(1).normal(2.0, 1.0, 400)
  low, high = _compare_images(dict.fromkeys(range(3), images)).interval
  error = images.std() / np.sqrt(400)
  assert low == pytest.approx(images.mean() - 1.96 * error, abs=0.15 * error)
  assert high == pytest.approx(images.mean() + 1.96 * error, abs=0.15 * error)


def test_images_that_agree_leave_the_seeds():
  """The interval is then that of the paired t-test."""
  values = [1.0, 1.5, 2.3]
  found = _compare_images({i: np.full(50, x) for i, x in enumerate(values)})
  wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
  width = wanted.high - wanted.low
  assert found.interval == pytest.approx(tuple(wanted), abs=0.05 * width)


def test_a_lead_on_some_images_alone_is_a_tie():
  """All seeds agree, but the whole lead comes from one image in forty."""
  one = np.zeros(40)
  one[0] = 40
  assert _compare_images(dict.fromkeys(range(3), one)).is_tie


def test_one_seed_has_no_interval():
  found = statistics.compare({0: 2.0}, {0: 0.0}, {}, {})
  assert found == (2.0, 0.0, None)
  assert found.is_tie
  assert statistics.compare({0: 2.0}, {1: 0.0}, {}, {}) is None


@pytest.mark.parametrize(
  ('effect', 'count'), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)]
)
def test_the_seeds_needed_are_those_of_power_tables(effect, count):
  """Cohen's d and the pairs, for a two-sided paired t-test, 5% and 80%."""
  assert statistics.seeds_needed(-effect * 3, 3.0) == count


def test_the_seeds_needed_at_the_ends():
  assert statistics.seeds_needed(1.0, 0.0) == 2
  assert statistics.seeds_needed(0.0, 1.0) is None
  assert statistics.seeds_needed(0.01, 1.0) is None
  assert statistics.seeds_needed(100.0, 1.0) == 2


def test_the_interval_holds_the_truth_as_often_as_it_says():
  """Deviations: 0.7 of seeds, 1 of images, 1.2 residual. The truth is 0."""
  random, held = np.random.default_rng(0), 0
  for _ in range(200):
    seeds = random.normal(0, 0.7, (3, 1)) + random.normal(0, 1, 100)
    seeds = seeds + random.normal(0, 1.2, (3, 100))
    held += _compare_images(dict(enumerate(seeds))).is_tie
  assert 0.92 <= held / 200 <= 0.99
