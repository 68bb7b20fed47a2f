"""Several processes: two that talk over the loopback interface."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import distributed, errors, sharding
from inpaint_jax.training import evaluate, input_pipeline, train

ROOT = pathlib.Path(__file__).parents[2]
KILLED = ROOT / 'tests' / 'killed.py'


def _together(*commands):
  """Starts processes at once; returns (exit code, stdout, stderr) of each."""
  started = [
    subprocess.Popen(
      [sys.executable, *map(str, command)],
      cwd=ROOT,
      # Tiny nets: what is compiled in half the time runs long enough.
      env=os.environ | {'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for command in commands
  ]
  try:
    # Only so that what hangs fails.
    ends = [process.communicate(timeout=600) for process in started]
  finally:
    for process in started:
      process.kill()
  return [(x.returncode, *end) for x, end in zip(started, ends, strict=True)]


def _address():
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    return f'127.0.0.1:{free.getsockname()[1]}'


def _two(workdir, data_dir, *programs):
  """Trains with two processes, each of a program and its arguments."""
  address = _address()
  return _together(
    *(
      [
        *program,
        '--config=configs/smoke.py',
        f'--workdir={workdir}',
        f'--config.data.data_dir={data_dir}',
        f'--coordinator_address={address}',
        '--num_processes=2',
        f'--process_id={number}',
      ]
      for number, program in enumerate(programs)
    )
  )


def _error(stderr):
  """Returns the one line of a process that ended with an error."""
  (line,) = re.findall('^error: (.*)$', stderr, re.MULTILINE)
  assert 'Traceback' not in stderr
  return line


def _rows(workdir):
  with (workdir / 'metrics.csv').open() as file:
    return [
      [float(x or 'nan') for x in row.values()] for row in csv.DictReader(file)
    ]


@pytest.fixture(scope='module')
def killed(data_dir, tmp_path_factory):
  """A run of two processes that were stopped, went on, and were killed."""
  workdir = tmp_path_factory.mktemp('killed') / 'run'
  # The signal comes to one of them alone.
  stopped = _two(workdir, data_dir, ['main.py'], [KILLED, 'term=3'])
  ended = _two(workdir, data_dir, ['main.py'], [KILLED, 'step=3'])
  return workdir, stopped, ended


@pytest.fixture(scope='module')
def finished(trained, data_dir, tmp_path_factory):
  """A run of one process that two have brought to its end."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  shutil.copytree(trained, workdir)
  for kind in ('latest', 'best'):
    shutil.rmtree(workdir / 'checkpoints' / kind / '10')
  for file in ('samples/epoch_002.png', 'test_metrics.json'):
    (workdir / file).unlink()
  return workdir, _two(workdir, data_dir, ['main.py'], ['main.py'])


def test_a_signal_to_one_process_stops_both_at_the_same_step(killed):
  _, stopped, _ = killed
  for code, _, stderr in stopped:
    assert code == 128 + signal.SIGTERM, stderr
  (_, first, _), (_, second, _) = stopped
  assert 'on 2 cpu device(s) of 2 process(es)' in first
  assert 'SIGTERM: saved step 4;' in first
  # Gloo's greeting comes from C++.
  assert not [x for x in second.splitlines() if not x.startswith('[Gloo]')]


def test_the_death_of_one_process_ends_the_other_with_one_line(killed):
  _, _, ((code, out, stderr), (other_code, _, _)) = killed
  assert 'going on from the checkpoint of step 4\n' in out
  assert (code, other_code) == (1, -signal.SIGKILL), stderr
  assert _error(stderr).startswith('another process of this run has died')


def test_one_process_goes_on_with_the_run_of_two(killed, trained, capsys):
  workdir, _, _ = killed
  train.train(workdirs.load_config(workdir), workdir)
  assert 'going on from the checkpoint of step 5\n' in capsys.readouterr().out
  # The first half of these rows is of two processes, the second of one.
  np.testing.assert_allclose(_rows(workdir), _rows(trained), rtol=1e-5)


def test_two_processes_go_on_with_the_run_of_one(finished, trained):
  workdir, ends = finished
  assert [code for code, _, _ in ends] == [0, 0], ends
  assert 'going on from the checkpoint of step 5\n' in ends[0][1]
  np.testing.assert_allclose(_rows(workdir), _rows(trained), rtol=1e-5)
  assert (workdir / 'samples' / 'epoch_002.png').exists()


def test_two_processes_test_as_one_does(finished, trained):
  ours, theirs = (
    json.loads((x / 'test_metrics.json').read_text())['metrics']
    for x in (finished[0], trained)
  )
  assert ours.keys() == theirs.keys()
  for method, values in theirs.items():
    assert ours[method] == pytest.approx(values, rel=1e-4), method
  # The best epoch of two is read by one.
  report = evaluate.evaluate(finished[0])['metrics']['unet']
  assert report == pytest.approx(theirs['unet'], rel=1e-4)


_SCRIPT = """
import os, sys
from inpaint_jax.system import distributed, errors

address, number, act = sys.argv[1:]
named = (address, 2, int(number))
if act == 'slurm':
  # What srun sets, as far as JAX looks at it.
  os.environ |= {
    'SLURM_JOB_ID': address.rpartition(':')[2],
    'SLURM_STEP_NODELIST': 'localhost',
    'SLURM_NTASKS': '2',
    'SLURM_PROCID': number,
    'SLURM_LOCALID': number,
  }
  named = ()
distributed.HEARTBEAT_SECONDS = 5
with distributed.joined(*named):
  distributed.barrier('start')
  if act == 'die':
    os.kill(os.getpid(), 9)
  if act == 'work':
    # Other threads of Python wait for a second.
    sys.setswitchinterval(1)
    while True:
      pass
  if act == 'fail':
    raise errors.UserError('no room')
  if act == 'break':
    raise RuntimeError('a bug')
  distributed.barrier('end')
"""


def _script(*acts):
  address = _address()
  return _together(
    *(['-c', _SCRIPT, address, i, act] for i, act in enumerate(acts))
  )


@pytest.mark.parametrize('act', ['wait', 'slurm'])
def test_processes_part_without_a_word(act):
  for code, _, stderr in _script(act, act):
    assert (code, stderr) == (0, '')


@pytest.mark.parametrize('victim', [0, 1])
@pytest.mark.parametrize('act', ['wait', 'work'])
def test_the_death_of_a_process_is_noticed(act, victim):
  """By one that waits for it, and by one that does something else."""
  acts = [act, act]
  acts[victim] = 'die'
  code, _, stderr = _script(*acts)[1 - victim]
  assert code == 1
  assert _error(stderr).startswith('another process of this run has died')


@pytest.mark.parametrize('number', [0, 1])
def test_an_error_of_one_process_is_told_by_both(number):
  acts = ['wait', 'wait']
  acts[number] = 'fail'
  ends = _script(*acts)
  assert [code for code, _, _ in ends] == [1, 1]
  assert _error(ends[number][2]) == 'no room'
  assert _error(ends[1 - number][2]) == f'process {number}: no room'


def test_a_bug_in_one_process_ends_both():
  (code, _, stderr), (other_code, _, other_stderr) = _script('wait', 'break')
  assert (code, other_code) == (1, 1)
  assert _error(stderr) == 'process 1: RuntimeError: a bug'
  assert 'Traceback' in other_stderr


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ((True, 'host:1', None, None), 'leave one of the two out'),
    ((False, 'host:1', None, 0), 'without --num_processes'),
    ((False, None, 2, None), 'without --coordinator_address and --process_id'),
    ((False, 'host', 2, 0), 'wanted HOST:PORT'),
    ((False, 'host:1', 2, 2), 'they count from 0'),
    ((False, 'host:1', 2, -1), 'they count from 0'),
  ],
)
def test_flags_that_do_not_fit_together(flags, message):
  with pytest.raises(errors.UserError, match=message):
    distributed.check_flags(*flags)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--distributed'], 'found no Slurm'),
    (['--num_processes=2'], 'comes without --coordinator_address'),
  ],
)
def test_main_refuses_them_in_one_line(tmp_path, flags, message):
  ((code, _, stderr),) = _together(
    ['main.py', '--config=configs/smoke.py', f'--workdir={tmp_path}', *flags]
  )
  assert code == 1
  assert message in _error(stderr)


class _Numbers:
  """Twenty pictures, each of its number."""

  def __len__(self):
    return 20

  def __getitem__(self, index):
    image = np.full((8, 8, 3), index, np.uint8)
    image[0, 0] = 255
    return {'image': image}


def test_processes_read_parts_of_the_same_batches(config):
  """Over the end of an epoch, and with padding in the last batch."""
  source, settings = _Numbers(), config.data

  def train_batches(rows):
    batches = input_pipeline.train_batches(
      source, settings, seed=1, batch_size=6, start_step=1, rows=rows
    )
    return [next(batches) for _ in range(5)]

  def eval_batches(rows):
    return [
      *input_pipeline.eval_batches(source, settings, batch_size=6, rows=rows)
    ]

  for batches in (train_batches, eval_batches):
    whole = batches(None)
    parts = [batches(rows) for rows in (slice(0, 2), slice(2, 6))]
    for batch, *shares in zip(whole, *parts, strict=True):
      for name, values in batch.items():
        joined = np.concatenate([share[name] for share in shares])
        np.testing.assert_array_equal(joined, values)


def test_a_process_reads_the_rows_of_its_devices():
  class Device:
    def __init__(self, process_index):
      self.process_index = process_index

  class Mesh:
    # This process is number 0.
    devices = np.array([Device(x) for x in (-1, 0, 0, 1)])
    size = 4

  assert sharding.local_rows(8, Mesh) == slice(2, 6)
