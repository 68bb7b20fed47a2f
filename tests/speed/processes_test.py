"""Programs in processes of their own."""

import sys

import numpy as np
import pytest

from configs import unet
from inpaint_jax.speed import cases, processes
from inpaint_jax.system import errors


@pytest.fixture
def run(tmp_path, monkeypatch):
  """Returns a function that runs given lines as a program."""
  monkeypatch.syspath_prepend(tmp_path)

  def run_lines(*lines, **how):
    content = '\n'.join(['def run():', *(f'  {line}' for line in lines)])
    (tmp_path / 'some_program.py').write_text(content)
    return processes.run_program('some_program:run', ['--flag'], **how)

  return run_lines


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells memory')
def test_a_program_runs_until_a_line_is_found(run):
  ours = np.ones(2**26, np.uint8)  # The program's peak must not include it.
  found = run(
    'import os, sys, time',
    'x = b"1" * 2**25',
    'print(sys.argv[1], os.environ["X"])',
    'print("b c", flush=True)',
    'time.sleep(600)',
    env={'X': 'x'},
    until=' c',
  )
  assert [line for _, line in found.lines] == ['--flag x', 'b c']
  assert 2**25 < found.peak_bytes < ours.nbytes
  assert found.cpu_seconds > 0


@pytest.mark.parametrize(
  ('line', 'until', 'message'),
  [
    ('raise SystemExit("error: mend this")', '', 'with code 1: mend this'),
    ('print("a")', 'b', 'with code 0: it said nothing'),
    ('import os; os.kill(os.getpid(), 9)', '', 'with code -9: it was killed'),
  ],
)
def test_a_program_that_fails_is_one_line(run, line, until, message):
  with pytest.raises(errors.UserError, match=message):
    run(line, until=until)


@pytest.mark.slow
def test_a_case_is_measured_in_a_process_of_its_own():
  config = unet.get_config()
  config.model.update(name='encoder_decoder', features=(4, 8, 16))
  case = cases.Case('inference', config, size=32, batch=2)
  times, peak = processes.measure_alone(case, 'float32', seconds=0)
  assert len(times) == 3
  assert min(times) > 0
  assert sys.platform != 'linux' or peak > 2**26
