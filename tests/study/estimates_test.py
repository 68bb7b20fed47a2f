"""Estimates: from finished runs of a kind, else from a few steps."""

import types

import pytest

from configs import study as study_config
from inpaint_jax.study import estimates, plan
from inpaint_jax.system import machine


@pytest.fixture
def study():
  """Two optimizers and another model, with two seeds each."""
  config = study_config.get_config('smoke')
  config.study.cells['model/encoder_decoder'] = {
    'model': {'name': 'encoder_decoder'}
  }
  return plan.create_plan(config)


def test_what_takes_the_same_time_is_of_one_kind(study):
  base, model, optimizer = (estimates.kind(x.config) for x in study.cells)
  assert base == optimizer != model


def test_runs_of_a_kind_tell_the_time_of_the_others(
  study, make_row, monkeypatch
):
  """For a kind without a run on this machine, a few steps are timed once."""
  timed = []

  def measure(config):
    timed.append(config.model.name)
    return 7.0

  monkeypatch.setattr(estimates, 'measure', measure)
  here = {'device': estimates.device(), 'cores': machine.num_cores()}
  base = study.cells[0]
  rows = [
    make_row(base, 0, 18.0, seconds=90.0, total_seconds=100.0, **here),
    # This run was resumed: its last start took 10 seconds.
    make_row(base, 1, 18.0, seconds=200.0, total_seconds=10.0, **here),
    make_row(base, 2, 18.0, seconds=1e6, total_seconds=1e6),
  ]
  found = estimates.Estimates(study)
  runs = [x for x in study.runs if x.cell.name != 'base']
  assert found.left(runs, rows) == 2 * 150.0 + 2 * 7.0
  assert found.left(runs, []) == 4 * 7.0
  assert timed == ['encoder_decoder', 'unet']


@pytest.mark.slow
def test_a_run_is_compiled_once_and_then_makes_its_steps(study, monkeypatch):
  """The test's clock shows ten seconds to compile and two per step."""
  clock = types.SimpleNamespace(
    perf_counter=iter([0.0, 10.0, 12.0, 14.0, 16.0]).__next__
  )
  monkeypatch.setattr(estimates, 'time', clock)
  # 2 epochs of 16 images in batches of 4; 6 are validated twice, 7 tested.
  wanted = 10 + 2 * (8 + (2 * 6 + 7) / 4 / 3)
  assert estimates.measure(study.base) == pytest.approx(wanted)
