"""main.py and scripts/inpaint.py as processes, as a user starts them."""

import json
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

from inpaint_jax.runs import checkpoints

ROOT = pathlib.Path(__file__).parents[2]
SMOKE = '--config=configs/smoke.py'


pytestmark = pytest.mark.slow


def _start(*command, **env):
  # Tiny models: what is compiled in half the time runs long enough.
  env.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
  return subprocess.run(
    [sys.executable, *map(str, command)],
    cwd=ROOT,
    env=os.environ | env,
    capture_output=True,
    text=True,
    check=False,
  )


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
  result = _start('main.py', SMOKE, f'--workdir={workdir}', flag)
  assert result.returncode == 0, result.stderr
  return workdir, result


def _state(workdir):
  """Returns step, arrays' checksum and counters of the latest checkpoint."""
  with checkpoints.open_manager(workdir, 'latest', create=False) as manager:
    step = manager.latest_step()
    restored = manager.restore(
      step,
      args=ocp.args.Composite(
        tree=ocp.args.StandardRestore(), info=ocp.args.JsonRestore()
      ),
    )
  info = restored['info']
  # The one thing in it that is measured, and what depends on it.
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


def test_the_printed_command_inpaints_a_photo(whole, tmp_path):
  _, result = whole
  random = np.random.RandomState(0)
  photo = random.randint(0, 256, (100, 150, 3), np.uint8)
  mask = np.zeros((100, 150), np.uint8)
  mask[30:60, 40:90] = 255
  names = [tmp_path / x for x in ('a photo.png', 'mask.png', 'öut.png')]
  PIL.Image.fromarray(photo).save(names[0])
  PIL.Image.fromarray(mask).save(names[1])
  command = shlex.split(result.stdout.strip().splitlines()[-1])
  assert command[0] == 'python'
  assert command[-3:] == ['photo.jpg', 'mask.png', 'out.png']
  done = _start(*command[1:-3], *names)
  assert done.returncode == 0, done.stderr
  filled = np.asarray(PIL.Image.open(names[2]))
  np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
  assert (filled[mask > 0] != photo[mask > 0]).any()


def _end_as(workdir, other):
  """Whether two runs ended alike: bit for bit, but for measured seconds."""
  ours, theirs = (x / 'metrics.csv' for x in (workdir, other))
  assert ours.read_text() == theirs.read_text()
  assert _state(workdir) == _state(other)
  left = [x.name for x in (workdir / 'checkpoints').rglob('*tmp*')]
  assert not left


def test_killed_at_any_moment_a_run_ends_as_if_it_were_not(
  whole, data_dir, tmp_path
):
  """Two epochs of five steps, killed at each kind of moment in turn."""
  flags = [SMOKE, f'--workdir={tmp_path}', f'--config.data.data_dir={data_dir}']
  killed = ROOT / 'tests' / 'killed.py'

  def kill(moment, going_on_from):
    result = _start(killed, moment, *flags)
    assert result.returncode == -signal.SIGKILL, (moment, result.stderr)
    line = f'going on from the checkpoint of step {going_on_from}\n'
    assert (line in result.stdout) == bool(going_on_from), moment

  # In the first epoch there is nothing yet to go on from: neither within it,
  # nor in its validation, nor as its row is written, nor in its two saves.
  for moment in ('step=3', 'val=1', 'row=4', 'save=1', 'save=2'):
    kill(moment, 0)
  # A polite end in the middle of it, which saves.
  result = _start(killed, 'term=4', *flags)
  assert result.returncode == 128 + signal.SIGTERM
  assert 'SIGTERM: saved step 4' in result.stdout
  # One step further in its validation again, then in the second epoch, and in
  # the saves of its end, the best one and the latest.
  kill('val=1', 4)
  kill('step=3', 4)
  for moment in ('step=2', 'save=1', 'save=2'):
    kill(moment, 5)

  assert _start('main.py', *flags).returncode == 0
  _end_as(tmp_path, whole[0])


def test_all_that_is_optional_survives_a_kill_too(data_dir, tmp_path):
  """Batch statistics, running mean, momentum, schedule, clipping, decay."""
  flags = [
    SMOKE,
    f'--config.data.data_dir={data_dir}',
    '--config.model.name=encoder_decoder',
    '--config.optimizer.name=rmsprop',
    '--config.optimizer.momentum=0.9',
    '--config.optimizer.schedule=cosine',
    '--config.optimizer.warmup_steps=2',
    '--config.optimizer.clip_norm=1.0',
    '--config.optimizer.weight_decay=0.01',
    '--config.ema_decay=0.9',
    '--config.masks.kind=mixture',
    '--config.checkpoint_every_steps=3',
  ]
  paths = [tmp_path / name for name in ('killed', 'whole')]
  ours, theirs = ([*flags, f'--workdir={path}'] for path in paths)
  killed = ROOT / 'tests' / 'killed.py'
  for moment, step in (('step=5', 0), ('step=5', 3), ('val=1', 6)):
    result = _start(killed, moment, *ours)
    assert result.returncode == -signal.SIGKILL, (moment, result.stderr)
    line = f'going on from the checkpoint of step {step}\n'
    assert (line in result.stdout) == bool(step), moment
  for command in (ours, theirs):
    assert _start('main.py', *command).returncode == 0
  _end_as(*paths)


def test_four_devices_do_what_one_does(data_dir, tmp_path):
  """With batch statistics, the one thing in which pictures meet."""
  # Programs that are not optimised round otherwise on each number of devices.
  one = {'JAX_DISABLE_MOST_OPTIMIZATIONS': '0'}
  four = {**one, 'XLA_FLAGS': '--xla_force_host_platform_device_count=4'}
  flags = [
    SMOKE,
    '--config.model.name=encoder_decoder',
    f'--config.data.data_dir={data_dir}',
  ]
  of_four, of_one = tmp_path / 'four', tmp_path / 'one'
  result = _start('main.py', *flags, f'--workdir={of_four}', **four)
  assert 'on 4 cpu device(s)' in result.stdout, result.stderr
  result = _start('main.py', *flags, f'--workdir={of_one}', **one)
  assert 'on 1 cpu device(s)' in result.stdout, result.stderr
  ours, theirs = (
    np.genfromtxt(x / 'metrics.csv', delimiter=',', names=True)
    for x in (of_four, of_one)
  )
  for name in ours.dtype.names:
    np.testing.assert_allclose(
      ours[name], theirs[name], rtol=1e-2 if 'val' in name else 1e-5
    )

  # A checkpoint of four devices is evaluated on one, and the reverse.
  reports = [
    _report('main.py', '--mode=evaluate', f'--workdir={path}', **env)
    for path, env in ((of_four, one), (of_one, four))
  ]
  ours, theirs = (x['metrics']['encoder_decoder'] for x in reports)
  assert ours == pytest.approx(theirs, rel=1e-2)


def _report(*command, **env):
  result = _start(*command, **env)
  assert result.returncode == 0, result.stderr
  workdir = command[-1].removeprefix('--workdir=')
  return json.loads(pathlib.Path(workdir, 'test_metrics.json').read_text())


@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    ([], 1, 'no --workdir'),
    (['--workdir=W', 'stray'], 1, "'stray' is no flag"),
    (['--config.optimizer.nam=sgd'], 2, 'are: clip_norm, learning_rate'),
    (['--mode=test'], 2, '<train|evaluate>'),
    (['--workdir=W', '--config.loss=l3'], 1, "--config.loss='l3' is unknown"),
    (
      ['--workdir=W', '--config.data.dataset=photo_crops'],
      1,
      '--config.data.source',
    ),
    (['--mode=evaluate', '--workdir=W'], 1, 'holds no run'),
  ],
)
def test_a_wrong_flag_is_one_line(tmp_path, flags, code, message):
  flags = [x.replace('=W', f'={tmp_path / "run"}') for x in flags]
  result = _start('main.py', *flags)
  assert result.returncode == code
  assert message in _error(result)


def test_another_config_in_the_same_folder_is_refused(whole, data_dir):
  workdir, _ = whole
  result = _start('main.py', SMOKE, f'--workdir={workdir}', '--config.loss=l1')
  assert result.returncode == 1
  assert 'loss (mse there, l1 here)' in _error(result)
