"""Several processes: two that talk over the loopback interface."""

import csv
import json
import pathlib
import shutil
import signal
import socket

import numpy as np
import pytest
import tiny_model

from configs import smoke
from inpaint_jax import models
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import distributed, errors
from inpaint_jax.training import evaluate, train

ROOT = pathlib.Path(__file__).parents[2]
KILLED = ROOT / 'tests' / 'killed.py'
PLAIN = {'model.name': 'tiny', 'data.num_test': 4}
# SGD, since one process and two round differently.
GAN = PLAIN | tiny_model.GAN | tiny_model.SGD | {'num_samples': 4}


def _finish(processes, victim=0):
  """Returns (exit code, stdout, stderr) of each process.

  Once the victim has ended, the others have a minute to end.
  """
  try:
    victim = processes[victim]
    ends = {victim: victim.communicate(timeout=600)}
    for process in processes:
      if process is not victim:
        ends[process] = process.communicate(timeout=60)
  finally:
    for process in processes:
      process.kill()
  return [(process.returncode, *ends[process]) for process in processes]


def _address():
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    return f'127.0.0.1:{free.getsockname()[1]}'


def _train(programs, workdir, data_dir, fields, *moments):
  """Trains with two processes, each with a moment of tests/killed.py."""
  address = _address()
  processes = [
    programs.start(
      *(KILLED, moment),
      '--config=configs/smoke.py',
      f'--workdir={workdir}',
      f'--config.data.data_dir={data_dir}',
      *(f'--config.{name}={value}' for name, value in fields.items()),
      f'--coordinator_address={address}',
      '--num_processes=2',
      f'--process_id={number}',
    )
    for number, moment in enumerate(moments)
  ]
  return _finish(processes, victim=1)


def _rows(workdir):
  with (workdir / 'metrics.csv').open() as file:
    return [
      [float(x or 'nan') for x in row.values()] for row in csv.DictReader(file)
    ]


# Fixtures of the tests that are marked slow.
@pytest.fixture(scope='module', autouse=True)
def _tiny():
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(models.MODELS, 'tiny', tiny_model.Tiny)
    yield


@pytest.fixture(scope='module')
def train_alone(data_dir, tmp_path_factory):
  """A function (fields, train) -> folder, which trains in one process."""

  def train_alone(fields, function):
    config = smoke.get_config()
    config.data.data_dir = str(data_dir)
    config.update_from_flattened_dict(fields)
    workdir = tmp_path_factory.mktemp('alone') / 'run'
    function(config, workdir)
    return workdir

  return train_alone


@pytest.fixture(scope='module')
def trained(train_alone):
  """A run of one process."""
  return train_alone(PLAIN, train.train)


@pytest.fixture(scope='module')
def trained_gan(train_alone):
  """A run of one process with a discriminator, tested."""
  return train_alone(GAN, train.train_and_evaluate)


@pytest.fixture(scope='module')
def killed(programs, data_dir, tmp_path_factory):
  """A run of two processes that was stopped, continued, and killed."""
  workdir = tmp_path_factory.mktemp('killed') / 'run'
  # Only one of them gets the signal.
  stopped = _train(programs, workdir, data_dir, PLAIN, 'end=0', 'term=3')
  ended = _train(programs, workdir, data_dir, PLAIN, 'end=0', 'step=3')
  return workdir, stopped, ended


@pytest.fixture(scope='module')
def finished(trained_gan, programs, data_dir, tmp_path_factory):
  """A run with a discriminator whose second half two processes trained."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  shutil.copytree(trained_gan, workdir)
  for kind in ('latest', 'best'):
    shutil.rmtree(workdir / 'checkpoints' / kind / '10')
  for file in ('samples/epoch_002.png', 'test_metrics.json'):
    (workdir / file).unlink()
  return workdir, _train(programs, workdir, data_dir, GAN, 'end=0', 'end=0')


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_the_same_step(killed):
  _, stopped, _ = killed
  for code, _, stderr in stopped:
    assert code == 128 + signal.SIGTERM, stderr
  (_, first, _), (_, second, _) = stopped
  assert 'on 2 cpu device(s) of 2 process(es)' in first
  assert 'SIGTERM: saved step 4;' in first
  # Gloo's greeting comes from C++.
  assert not [x for x in second.splitlines() if not x.startswith('[Gloo]')]


@pytest.mark.slow
def test_a_kill_of_one_process_ends_the_other_in_its_collective(killed):
  _, _, ((code, out, stderr), (killed_code, _, _)) = killed
  assert 'going on from the checkpoint of step 4\n' in out
  assert killed_code == -signal.SIGKILL
  assert code != 0, stderr


@pytest.mark.slow
def test_one_process_goes_on_with_the_run_of_two(killed, trained, capsys):
  workdir, _, _ = killed
  train.train(workdirs.load_config(workdir), workdir)
  assert 'going on from the checkpoint of step 5\n' in capsys.readouterr().out
  # Two processes wrote the first half of these rows, one the second half.
  np.testing.assert_allclose(_rows(workdir), _rows(trained), rtol=1e-5)


@pytest.mark.slow
def test_two_processes_go_on_with_the_run_of_one(finished, trained_gan):
  workdir, ends = finished
  assert [code for code, _, _ in ends] == [0, 0], ends
  assert 'going on from the checkpoint of step 5\n' in ends[0][1]
  np.testing.assert_allclose(_rows(workdir), _rows(trained_gan), rtol=5e-5)
  assert (workdir / 'samples' / 'epoch_002.png').exists()


@pytest.mark.slow
def test_two_processes_test_as_one_does(finished, trained_gan, request):
  ours, theirs = (
    json.loads((x / 'test_metrics.json').read_text())['metrics']
    for x in (finished[0], trained_gan)
  )
  assert ours.keys() == theirs.keys()
  for method, values in theirs.items():
    assert ours[method] == pytest.approx(values, rel=1e-4), method
  # One process reads the best epoch that two have saved.
  request.getfixturevalue('no_lpips')
  report = evaluate.evaluate(finished[0])['metrics']['tiny']
  wanted = {name: theirs['tiny'][name] for name in report}
  assert report == pytest.approx(wanted, rel=1e-4)


_SCRIPT = """
import ctypes, os, sys
from inpaint_jax.system import distributed, errors

# The tests need not wait for longer.
distributed.HEARTBEAT_SECONDS = distributed.SHUTDOWN_SECONDS = 5
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
with distributed.joined(*named):
  print('joined', flush=True)
  distributed.barrier('start')
  if act == 'die':
    os.kill(os.getpid(), 9)
  if act == 'compute':
    # Other threads of Python wait, as for a long computation, which would take
    # its time from the other tests.
    while True:
      ctypes.PyDLL(None).usleep(999_999)
  if act == 'fail':
    raise errors.UserError('no room')
  distributed.barrier('wait')
"""


def _run_script(programs, *acts, victim=0):
  address = _address()
  processes = [
    programs.start('-c', _SCRIPT, address, i, act) for i, act in enumerate(acts)
  ]
  return _finish(processes, victim)


@pytest.mark.slow
def test_processes_of_a_slurm_job_join_and_leave(programs):
  ends = _run_script(programs, 'slurm', 'slurm')
  assert ends == [(0, 'joined\n', ''), (0, '', '')]


@pytest.mark.slow
@pytest.mark.parametrize('victim', [0, 1])
def test_a_kill_of_one_process_ends_the_other_that_computes(programs, victim):
  acts = ['compute', 'compute']
  acts[victim] = 'die'
  code, _, stderr = _run_script(programs, *acts, victim=victim)[1 - victim]
  assert code != 0
  assert 'JAX distributed service detected fatal errors' in stderr


@pytest.mark.slow
def test_an_error_of_one_process_ends_the_other_at_a_barrier(programs):
  ends = _run_script(programs, 'wait', 'fail', victim=1)
  assert all(code != 0 for code, _, _ in ends)
  assert 'UserError: no room' in ends[1][2]


@pytest.mark.slow
def test_an_error_of_all_processes_is_an_ordinary_end(programs):
  for code, _, stderr in _run_script(programs, 'fail', 'fail'):
    assert code == 1
    assert stderr.endswith('UserError: no room\n')


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('host:1', None, 0), 'found coordinator_address=host:1, num_processes=N'),
    ((None, 2, None), 'num_processes=2 and process_id=None; give all three'),
    (('host', 2, 0), 'wanted HOST:PORT'),
    (('host:1', 2, 2), 'they count from 0'),
    (('host:1', 2, -1), 'they count from 0'),
  ],
)
def test_arguments_that_do_not_fit_together(arguments, message):
  with (
    pytest.raises(errors.UserError, match=message),
    distributed.joined(*arguments),
  ):
    pass


@pytest.mark.slow
def test_main_says_in_one_line_that_there_is_no_cluster(programs, tmp_path):
  command = ['main.py', '--config=configs/smoke.py', f'--workdir={tmp_path}']
  ((code, _, stderr),) = _finish([programs.start(*command, '--distributed')])
  assert code == 1
  assert stderr.startswith('error: found no Slurm')
  assert 'give --coordinator_address=HOST:PORT' in stderr
  assert stderr.count('\n') == 1
