"""Which differences are more than chance, and how many seeds would tell.

Cells are compared in pairs of equal seed, since the seed determines initial
weights, order of the images and masks of both, and on the same test images. The
result could differ with other seeds in training and with other images in the
test: one interval covers both.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.8
# Nobody trains more seeds than this.
MOST_SEEDS = 1000
_RESAMPLES = 4000

Interval = tuple[float, float]


class Summary(NamedTuple):
  """The values of a few seeds; `deviation` is the sample's, 0 for one value."""

  mean: float
  deviation: float
  values: Sequence[float]


class Difference(NamedTuple):
  """The mean difference of the pairs of two cells, ours minus theirs.

  Attributes:
    deviation: the sample deviation of the pairs' differences; 0 for one pair.
    interval: the interval of the mean over other seeds and other test images;
      None for one pair.
  """

  mean: float
  deviation: float
  interval: Interval | None

  @property
  def is_tie(self) -> bool:
    """Returns whether the interval has 0 in it, or is unknown."""
    return self.interval is None or self.interval[0] <= 0 <= self.interval[1]


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
  """Compares two cells, seed by seed and image by image.

  The interval comes from resampling both: images are drawn with replacement
  (bootstrap, Efron, 1979), and the mean over seeds from Student's distribution
  around the mean of the pairs, as in the paired t-test, since three seeds are
  too few to resample (docs/study.md has a simulation). If the images' metrics
  are missing, the interval is that of the t-test.

  Args:
    ours, theirs: {seed: mean over the test images} of each cell.
    our_images, their_images: {seed: [N]}, the metric of each test image.

  Returns:
    The difference, None if no seed is in both.
  """
  shared = sorted(ours.keys() & theirs.keys())
  if not shared:
    return None
  pairs = np.array([ours[seed] - theirs[seed] for seed in shared])
  mean, deviation, _ = summarize(pairs.tolist())
  if len(pairs) < 2:
    return Difference(mean, deviation, None)
  error = deviation / np.sqrt(len(pairs))
  if all(x in our_images and x in their_images for x in shared):
    differences = [
      our_images[x].astype(float) - their_images[x] for x in shared
    ]
    interval = _resample(mean, error, len(pairs), np.mean(differences, axis=0))
  else:
    # stats.t.interval gives NaN if cells are equal, without any error.
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, len(pairs) - 1) * error
    interval = mean - float(margin), mean + float(margin)
  return Difference(mean, deviation, interval)


def _resample(
  mean: float, error: float, seeds: int, images: np.ndarray
) -> Interval:
  """Returns the interval over seeds and images.

  Args:
    error: the standard error of `mean` over the seeds.
    images: [N], the difference of each image, its mean over the seeds.
  """
  random = np.random.default_rng(0)
  count, drawn = len(images), np.empty(_RESAMPLES)
  centered = images - images.mean()
  # In parts: all resamples of 10,000 images at once would need much memory.
  for part in np.split(drawn, _RESAMPLES // 100):
    chosen = random.integers(count, size=(len(part), count))
    part[:] = centered[chosen].mean(axis=1)
  drawn += mean + error * random.standard_t(seeds - 1, _RESAMPLES)
  low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
  return float(low), float(high)


def seeds_needed(mean: float, deviation: float) -> int | None:
  """Returns how many seeds would tell a difference from 0.

  With so many, a paired t-test of CONFIDENCE finds the difference with a
  probability of POWER if its true mean and deviation are those. None if `mean`
  is 0, or for more than MOST_SEEDS.
  """
  if not mean:
    return None
  if not deviation:
    return 2
  for count in range(2, MOST_SEEDS + 1):
    limit = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    shift = abs(mean) / deviation * np.sqrt(count)
    if stats.nct.sf(limit, count - 1, shift) >= POWER:
      return count
  return None
