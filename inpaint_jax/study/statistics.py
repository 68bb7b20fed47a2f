"""Which differences exceed the spread.

Cells are compared in pairs of equal seed, since the seed determines initial
weights, order of the images and masks of both. The result could have been
another one with other seeds in training, or with other images in the test. Each
of the two has its own interval, and a difference counts only if both lie on one
side of zero.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Metrics of which less is better; of the others more is.
_ERRORS = ('loss', 'l1', 'l2', 'hole_l1')

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Summary:
  """A metric of a cell over its seeds.

  Attributes:
    mean: over the seeds.
    deviation: sample standard deviation, 0 for one seed.
    values: one per seed.
  """

  mean: float
  deviation: float
  values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Difference:
  """The mean difference of two cells.

  Attributes:
    mean: ours minus theirs, over the pairs.
    seeds: interval of the mean over other seeds, None for one pair of seeds.
    pictures: interval over other test images, None if their metrics are not at
      hand.
  """

  mean: float
  seeds: Interval | None
  pictures: Interval | None

  @property
  def sign(self) -> int:
    """Returns 1 or -1 if all intervals are on that side of zero, else 0."""
    if self.seeds is None:
      return 0
    intervals = [x for x in (self.seeds, self.pictures) if x is not None]
    if all(low > 0 for low, _ in intervals):
      return 1
    return -1 if all(high < 0 for _, high in intervals) else 0


def is_error(metric: str) -> bool:
  """Returns whether less of a metric is better."""
  return metric.rpartition('/')[2] in _ERRORS


def summarize(values: Sequence[float]) -> Summary:
  """Returns the summary of the values of a few seeds."""
  deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
  return Summary(float(np.mean(values)), deviation, tuple(values))


def compare(
  ours: Mapping[int, float],
  theirs: Mapping[int, float],
  our_pictures: Mapping[int, np.ndarray] | None = None,
  their_pictures: Mapping[int, np.ndarray] | None = None,
) -> Difference | None:
  """Compares two cells seed by seed.

  The interval over seeds is that of Student's paired t-test. The one over
  images is a bootstrap (Efron, 1979; percentiles of 2,000 resamples) of the
  differences image by image, each averaged over the seeds.

  Args:
    ours: {seed: mean over the test images}.
    theirs: the same of the other cell.
    our_pictures: {seed: [N]}, the same metric of each test image.
    their_pictures: the same of the other cell.

  Returns:
    The difference, None if no seed is in both.
  """
  seeds = sorted(ours.keys() & theirs.keys())
  if not seeds:
    return None
  found = summarize([ours[seed] - theirs[seed] for seed in seeds])
  interval = None
  if len(seeds) > 1:
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(seeds) - 1))
    margin = quantile * found.deviation / math.sqrt(len(seeds))
    interval = (found.mean - margin, found.mean + margin)
  return Difference(
    mean=found.mean,
    seeds=interval,
    pictures=_bootstrap(seeds, our_pictures or {}, their_pictures or {}),
  )


def _bootstrap(
  seeds: Sequence[int],
  ours: Mapping[int, np.ndarray],
  theirs: Mapping[int, np.ndarray],
) -> Interval | None:
  """Returns the interval over test images, None without metrics of each."""
  pairs = [(ours[x], theirs[x]) for x in seeds if x in ours and x in theirs]
  if len(pairs) < len(seeds) or any(len(x) != len(y) for x, y in pairs):
    return None
  differences = np.mean([np.subtract(x, y, dtype=float) for x, y in pairs], 0)
  if np.ptp(differences) == 0:
    return float(differences[0]), float(differences[0])
  interval = stats.bootstrap(
    (differences,),
    np.mean,
    confidence_level=CONFIDENCE,
    n_resamples=2000,
    # Ten thousand images at once would need much memory.
    batch=100,
    method='percentile',
    rng=np.random.default_rng(0),
  ).confidence_interval
  return float(interval.low), float(interval.high)
