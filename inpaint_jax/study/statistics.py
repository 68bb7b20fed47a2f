"""Which differences exceed the spread.

Cells are compared in pairs of equal seed, since the seed determines initial
weights, order of the images and masks of both. The result could have been
another one with other seeds in training, or with other images in the test. Each
of the two has its own interval, and a difference counts only if both lie on one
side of zero.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Metrics of which less is better; of the others more is.
_ERRORS = ('loss', 'l1', 'l2', 'hole_l1')

Interval = tuple[float, float]


class Summary(NamedTuple):
  """The values of a few seeds: the deviation is of the sample, 0 for one."""

  mean: float
  deviation: float
  values: Sequence[float]


class Difference(NamedTuple):
  """The mean difference of the pairs of two cells, ours minus theirs."""

  mean: float
  # Of the mean over other seeds, None for one pair of seeds.
  seeds: Interval | None
  # Over other test images, None if their metrics are not at hand.
  images: Interval | None

  @property
  def sign(self) -> int:
    """Returns 1 or -1 if all intervals are on that side of zero, else 0."""
    if self.seeds is None:
      return 0
    ends = self.seeds + (self.images or self.seeds)
    return int(min(ends) > 0) - int(max(ends) < 0)


def is_error(metric: str) -> bool:
  """Returns whether less of a metric is better."""
  return metric.rpartition('/')[2] in _ERRORS


def summarize(values: Sequence[float]) -> Summary:
  """Returns the summary of the values of a few seeds."""
  deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
  return Summary(float(np.mean(values)), deviation, values)


def compare(
  ours: Mapping[int, float],
  theirs: Mapping[int, float],
  our_images: Mapping[int, np.ndarray],
  their_images: Mapping[int, np.ndarray],
) -> Difference | None:
  """Compares two cells seed by seed.

  The interval over seeds is that of Student's paired t-test. The one over
  images is a bootstrap (Efron, 1979; percentiles of 2,000 resamples) of the
  differences image by image, each averaged over the seeds.

  Args:
    ours, theirs: {seed: mean over the test images} of each cell.
    our_images, their_images: {seed: [N]}, the metric of each test image.

  Returns:
    The difference, None if no seed is in both.
  """
  shared = sorted(ours.keys() & theirs.keys())
  if not shared:
    return None
  values = [ours[seed] - theirs[seed] for seed in shared]
  mean, seeds, images = float(np.mean(values)), None, None
  if len(values) > 1:
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    margin = float(quantile * stats.sem(values))
    seeds = (mean - margin, mean + margin)
  if all(x in our_images and x in their_images for x in shared):
    images = _bootstrap(
      [our_images[x].astype(float) - their_images[x] for x in shared]
    )
  return Difference(mean, seeds, images)


def _bootstrap(differences: Sequence[np.ndarray]) -> Interval:
  """Returns the interval over test images of [N] of each seed."""
  means = np.mean(differences, axis=0)
  if np.ptp(means) == 0:
    return float(means[0]), float(means[0])
  interval = stats.bootstrap(
    (means,),
    np.mean,
    confidence_level=CONFIDENCE,
    n_resamples=2000,
    # Ten thousand images at once would need much memory.
    batch=100,
    method='percentile',
    rng=np.random.default_rng(0),
  ).confidence_interval
  return float(interval.low), float(interval.high)
