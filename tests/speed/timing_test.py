"""Functions called in turns, by a clock of the tests' own."""

import pytest

from inpaint_jax.speed import timing


class _Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now


@pytest.mark.parametrize(('seconds', 'rounds'), [(0.5, 3), (10, 5)])
def test_functions_are_called_in_turns(seconds, rounds):
  """They are called for the given time, but at least for three rounds."""
  clock, called = _Clock(), []

  def create(name, duration):
    def call():
      called.append(name)
      clock.now += duration

    return call

  calls = {'quick': create('quick', 1.0), 'slow': create('slow', 3.0)}
  times = timing.interleave(calls, clock=clock, seconds=seconds)
  assert times == {'quick': [1.0] * rounds, 'slow': [3.0] * rounds}
  warm, timed = called[: 2 * timing.WARM_CALLS], called[2 * timing.WARM_CALLS :]
  assert sorted(warm) == sorted(['quick', 'slow'] * timing.WARM_CALLS)
  # In each turn, one call warms up and the next is timed.
  assert timed[::2] == timed[1::2]
  turns = [sorted(timed[i : i + 4 : 2]) for i in range(0, len(timed), 4)]
  assert turns == [['quick', 'slow']] * rounds


@pytest.mark.parametrize(
  ('seconds', 'calls'), [(0.25, 2), (0.125, 2), (1 / 32, 5)]
)
def test_the_last_call_after_a_tenth_of_a_second_is_timed(seconds, calls):
  clock, starts = _Clock(), []

  def call():
    starts.append(clock.now)
    clock.now += seconds + len(starts) / 2**20

  times = timing.interleave({'x': call}, seconds=0, clock=clock)['x']
  numbers = [timing.WARM_CALLS + (i + 1) * calls for i in range(3)]
  assert len(starts) == numbers[-1]
  assert times == [seconds + number / 2**20 for number in numbers]
