"""Which differences exceed the spread.

Cells are compared in pairs of equal seed, for the seed decides the initial
weights, the order of the pictures and the masks of both. Two things could have
fallen out otherwise: the training, with other seeds, and the test, with other
pictures. Each has an interval of its own, and a difference counts only if both
lie on one side of zero.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math
import warnings

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Metrics of which less is better; of the others more is.
_ERRORS = ('loss', 'l1', 'l2', 'hole_l1')


@dataclasses.dataclass(frozen=True)
class Summary:
  """A metric of a cell over its seeds.

  Attributes:
    mean, deviation: over the seeds; the deviation, of a sample, is 0 for one.
    values: one a seed.
  """

  mean: float
  deviation: float
  values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Difference:
  """How far a cell is from another, on average.

  Attributes:
    mean: ours minus theirs, over the pairs.
    pairs: number of seeds that both have.
    seeds: interval of the mean over other seeds, None with less than two pairs.
    pictures: interval over other test pictures, None if they were not kept.
  """

  mean: float
  pairs: int
  seeds: tuple[float, float] | None
  pictures: tuple[float, float] | None

  @property
  def sign(self) -> int:
    """Returns 1 or -1 if all intervals are on that side of zero, else 0."""
    if self.seeds is None:
      return 0
    intervals = [x for x in (self.seeds, self.pictures) if x is not None]
    if all(low > 0 for low, _ in intervals):
      return 1
    return -1 if all(high < 0 for _, high in intervals) else 0


def summarize(values: Sequence[float]) -> Summary:
  """Returns mean and sample standard deviation over seeds."""
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
  pictures is a bootstrap (Efron, 1979; percentiles of 2,000 resamples) of the
  differences picture by picture, each averaged over the seeds.

  Args:
    ours: {seed: mean over the test pictures}.
    theirs: the same of the other cell.
    our_pictures: {seed: [N]}, the same metric of each test picture.
    their_pictures: the same of the other cell.

  Returns:
    The difference, None if no seed is in both.
  """
  seeds = sorted(ours.keys() & theirs.keys())
  if not seeds:
    return None
  differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
  interval = None
  if len(seeds) > 1:
    margin = (
      stats.t.ppf((1 + CONFIDENCE) / 2, len(seeds) - 1)
      * np.std(differences, ddof=1)
      / math.sqrt(len(seeds))
    )
    mean = differences.mean()
    interval = (float(mean - margin), float(mean + margin))
  return Difference(
    mean=float(differences.mean()),
    pairs=len(seeds),
    seeds=interval,
    pictures=_over_pictures(seeds, our_pictures or {}, their_pictures or {}),
  )


def is_error(metric: str) -> bool:
  """Returns whether less of a metric is better."""
  return metric.rpartition('/')[2] in _ERRORS


def _over_pictures(
  seeds: Sequence[int],
  ours: Mapping[int, np.ndarray],
  theirs: Mapping[int, np.ndarray],
) -> tuple[float, float] | None:
  if any(seed not in ours or seed not in theirs for seed in seeds):
    return None
  if any(len(ours[seed]) != len(theirs[seed]) for seed in seeds):
    return None
  differences = np.mean(
    [ours[seed].astype(np.float64) - theirs[seed] for seed in seeds], axis=0
  )
  if np.ptp(differences) == 0:
    return float(differences[0]), float(differences[0])
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', stats.DegenerateDataWarning)
    interval = stats.bootstrap(
      (differences,),
      np.mean,
      confidence_level=CONFIDENCE,
      n_resamples=2000,
      # Ten thousand pictures at once would need much memory.
      batch=100,
      method='percentile',
      rng=np.random.default_rng(0),
    ).confidence_interval
  return float(interval.low), float(interval.high)
