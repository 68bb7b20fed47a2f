"""main.py and scripts/inpaint.py as processes, as a user starts them."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import orbax.checkpoint as ocp
import PIL.Image
import pytest
import tiny_model

from inpaint_jax.runs import checkpoints
from inpaint_jax.training import train

ROOT = pathlib.Path(__file__).parents[2]
SMOKE = '--config=configs/smoke.py'


pytestmark = pytest.mark.slow


def _error(result):
  """Returns the one line of a process that refused to work."""
  assert 'Traceback' not in result.stderr
  (line,) = [x for x in result.stderr.splitlines() if x.startswith('error: ')]
  return line


@pytest.fixture(scope='module')
def whole(data_dir, tmp_path_factory):
  """A run from beginning to end: its folder and what it printed."""
  workdir = tmp_path_factory.mktemp('whole') / 'run'
  flag = f'--config.data.data_dir={data_dir}'
  command = ['main.py', SMOKE, f'--workdir={workdir}', flag]
  # Started as by a user, so main.py restarts itself. LPIPS is tested elsewhere.
  folder = str(ROOT / 'tests' / 'without_lpips')
  env = os.environ | {'PYTHONPATH': folder}
  del env['GLIBC_TUNABLES']
  result = subprocess.run(
    [sys.executable, *command],
    cwd=ROOT,
    env=env,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr
  return workdir, result


def _state(workdir):
  """Returns step, checksum of the arrays, and info of the latest checkpoint."""
  with checkpoints.open_manager(workdir, 'latest', create=False) as manager:
    step = manager.latest_step()
    restored = manager.restore(
      step,
      args=ocp.args.Composite(
        tree=ocp.args.StandardRestore(), info=ocp.args.JsonRestore()
      ),
    )
  info = restored['info']
  # The only value that is measured, and the checksum that depends on it.
  del info['seconds'], info['checksum']
  return step, checkpoints.checksum(restored['tree'], info), info


def test_a_run_prints_what_a_user_needs(whole):
  workdir, result = whole
  out = result.stdout
  assert re.search(r'^step 1/10 +train/loss 0\.\d+', out, re.MULTILINE)
  assert re.search(r'^epoch 2/2 +val/loss 0\.\d+', out, re.MULTILINE)
  assert re.search(r'step 10/10, loss 0\.\d+, [\d.]+ images/s', result.stderr)
  assert re.search(r'^unet +\d', out, re.MULTILINE)
  for line in ('checkpoint', 'curves', 'samples', 'metrics'):
    path = re.search(rf'^  {line} +([^ ;\n]+)', out, re.MULTILINE)[1]
    assert pathlib.Path(path).exists()
  with PIL.Image.open(workdir / 'samples' / 'epoch_002.png') as grid:
    assert grid.size == (4 * 132 + 4, 4 * 150 + 4)


def test_the_printed_command_inpaints_a_photo(whole, programs, tmp_path):
  _, result = whole
  random = np.random.RandomState(0)
  photo = random.randint(0, 256, (100, 150, 3), np.uint8)
  mask = np.zeros((100, 150), np.uint8)
  mask[30:60, 40:90] = 255
  names = [tmp_path / x for x in ('a photo.png', 'mask.png', 'öut.png')]
  PIL.Image.fromarray(photo).save(names[0])
  PIL.Image.fromarray(mask).save(names[1])
  command = shlex.split(result.stdout.strip().splitlines()[-1])
  assert command[0] == 'inpaint-jax'
  assert command[-3:] == ['photo.jpg', 'mask.png', 'out.png']
  done = programs.run('scripts/inpaint.py', *command[1:-3], *names)
  assert done.returncode == 0, done.stderr
  filled = np.asarray(PIL.Image.open(names[2]))
  np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
  assert (filled[mask > 0] != photo[mask > 0]).any()


def _end_as(workdir, other):
  """Asserts that two runs ended alike, bit for bit, except measured seconds."""
  ours, theirs = (x / 'metrics.csv' for x in (workdir, other))
  assert ours.read_text() == theirs.read_text()
  assert _state(workdir) == _state(other)
  left = [x.name for x in (workdir / 'checkpoints').rglob('*tmp*')]
  assert not left


# A discriminator, without the terms that add nothing to a checkpoint.
_TWO_NETWORKS = tiny_model.GAN | {
  'discriminator.name': 'global_local',
  'objectives.feature_matching': 0.0,
  'objectives.r1': 0.0,
}


@pytest.mark.usefixtures('no_lpips')
@pytest.mark.parametrize(
  ('fields', 'moments'),
  [
    ({}, ('row=4', 'save=1', 'save=2')),
    # One moment is enough: which files a kill meets does not depend on content.
    (_TWO_NETWORKS, ('save=2',)),
  ],
  ids=['one network', 'two networks'],
)
def test_killed_at_any_moment_a_run_ends_as_if_it_were_not(
  tiny, programs, tmp_path, fields, moments
):
  """Two epochs of five steps, killed at each kind of moment in turn."""
  workdir = tmp_path / 'killed'
  flags = [
    *(SMOKE, '--config.model.name=tiny', f'--workdir={workdir}'),
    f'--config.data.data_dir={tiny.data.data_dir}',
    *(f'--config.{name}={value}' for name, value in fields.items()),
  ]
  killed = ROOT / 'tests' / 'killed.py'

  def kill(moment, going_on_from):
    result = programs.run(killed, moment, *flags)
    assert result.returncode == -signal.SIGKILL, (moment, result.stderr)
    line = f'going on from the checkpoint of step {going_on_from}\n'
    assert (line in result.stdout) == bool(going_on_from), moment

  # In the first epoch there is no checkpoint to go on from, neither when its
  # row is written nor during its two saves.
  for moment in moments:
    kill(moment, 0)
  # SIGTERM in the middle of the epoch saves a checkpoint.
  result = programs.run(killed, 'term=4', *flags)
  assert result.returncode == 128 + signal.SIGTERM
  assert 'SIGTERM: saved step 4' in result.stdout
  # Kills in the second epoch, and in the two saves at its end, best and latest.
  kill('step=3', 4)
  for moment in moments:
    if moment.startswith('save'):
      kill(moment, 5)

  assert programs.run(killed, 'end=0', *flags).returncode == 0
  tiny.update_from_flattened_dict(fields)
  train.train(tiny, tmp_path / 'whole')
  _end_as(workdir, tmp_path / 'whole')


def test_all_that_is_optional_survives_a_kill_too(
  tiny, programs, tmp_path, capsys
):
  """Batch statistics, running mean, momentum, schedule, clipping, decay."""
  fields = {
    'data.data_dir': tiny.data.data_dir,
    'model.name': 'tiny',
    'optimizer.name': 'rmsprop',
    'optimizer.momentum': 0.9,
    'optimizer.schedule': 'cosine',
    'optimizer.warmup_steps': 2,
    'optimizer.clip_norm': 1.0,
    'optimizer.weight_decay': 0.01,
    'ema_decay': 0.9,
    'masks.kind': 'mixture',
    'checkpoint_every_steps': 3,
  }
  workdir = tmp_path / 'killed'
  flags = [SMOKE, f'--workdir={workdir}']
  flags += [f'--config.{name}={value}' for name, value in fields.items()]
  killed = ROOT / 'tests' / 'killed.py'
  result = programs.run(killed, 'step=5', *flags)
  assert result.returncode == -signal.SIGKILL, result.stderr
  # It is finished in this process, like the run that was never killed.
  tiny.update_from_flattened_dict(fields)
  train.train(tiny, workdir)
  assert 'from the checkpoint of step 3\n' in capsys.readouterr().out
  train.train(tiny, tmp_path / 'whole')
  _end_as(workdir, tmp_path / 'whole')


@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    ([], 1, 'no --workdir'),
    (['--workdir=W', 'stray'], 1, "'stray' is no flag"),
    (['--config.optimizer.nam=sgd'], 2, 'are: clip_norm, learning_rate'),
    (['--mode=test'], 2, '<train|evaluate>'),
    (['--workdir=W', '--config.loss=l3'], 1, "--config.loss='l3' is unknown"),
    (['--mode=evaluate', '--workdir=W'], 1, 'holds no run'),
    (['--model=x', '--workdir=W'], 1, 'give --config.init_from=x'),
  ],
)
def test_a_wrong_flag_is_one_line(programs, tmp_path, flags, code, message):
  flags = [x.replace('=W', f'={tmp_path / "run"}') for x in flags]
  result = programs.run('main.py', *flags)
  assert result.returncode == code
  assert message in _error(result)


def test_another_config_in_the_same_folder_is_refused(trained, programs):
  flags = SMOKE, f'--workdir={trained}', '--config.loss=l1'
  result = programs.run('main.py', *flags)
  assert result.returncode == 1
  assert 'loss (mse there, l1 here)' in _error(result)
