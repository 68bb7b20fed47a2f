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
import PIL.Image
import pytest

from inpaint_jax import checkpoints

ROOT = pathlib.Path(__file__).parents[1]
SMOKE = '--config=configs/smoke.py'


def _start(*command, **env):
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
  """Returns the checksum of the latest checkpoint, of arrays and counters."""
  with checkpoints.open_manager(workdir, 'latest', create=False) as manager:
    step = manager.latest_step()
  info = workdir / f'checkpoints/latest/{step}/info/metadata'
  info = json.loads(info.read_text())
  # The only thing in it that is measured.
  del info['seconds']
  return step, info


def test_a_run_prints_what_a_user_needs(whole):
  workdir, result = whole
  out = result.stdout
  assert re.search(r'^step 1/10 +train/loss 0\.\d+', out, re.MULTILINE)
  assert re.search(r'^epoch 2/2 +val/loss 0\.\d+', out, re.MULTILINE)
  assert re.search(r'step 10/10, loss 0\.\d+, [\d.]+ pictures/s', result.stderr)
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


def test_killed_at_any_moment_a_run_ends_as_if_it_were_not(
  whole, data_dir, tmp_path
):
  """Bit for bit: the same metrics.csv, parameters and optimizer state."""
  flags = [SMOKE, f'--workdir={tmp_path}', f'--config.data.data_dir={data_dir}']
  killed = ROOT / 'tests' / 'killed.py'
  latest = tmp_path / 'checkpoints' / 'latest'

  # In the first epoch: there is nothing to go on from.
  assert _start(killed, 'step=3', *flags).returncode == -signal.SIGKILL
  # In the first save of the latest state, the best one having been saved.
  assert _start(killed, 'save=2', *flags).returncode == -signal.SIGKILL
  assert any('tmp' in path.name for path in latest.iterdir())
  # A polite end in the middle of the first epoch, which saves.
  result = _start(killed, 'term=4', *flags)
  assert result.returncode == 128 + signal.SIGTERM
  assert 'SIGTERM: saved step 4' in result.stdout
  # In the second epoch, behind that.
  result = _start(killed, 'step=3', *flags)
  assert result.returncode == -signal.SIGKILL
  assert 'going on from the checkpoint of step 4' in result.stdout

  assert _start('main.py', *flags).returncode == 0
  workdir, _ = whole
  ours, theirs = (x / 'metrics.csv' for x in (tmp_path, workdir))
  assert ours.read_text() == theirs.read_text()
  assert _state(tmp_path) == _state(workdir)
  assert not any('tmp' in path.name for path in latest.iterdir())


def test_four_devices_do_what_one_does(whole, data_dir, tmp_path):
  workdir, _ = whole
  four = {'XLA_FLAGS': '--xla_force_host_platform_device_count=4'}
  flag = f'--config.data.data_dir={data_dir}'
  result = _start('main.py', SMOKE, f'--workdir={tmp_path}', flag, **four)
  assert 'on 4 cpu device(s)' in result.stdout, result.stderr
  ours, theirs = (
    np.genfromtxt(x / 'metrics.csv', delimiter=',', names=True)
    for x in (tmp_path, workdir)
  )
  for name in ours.dtype.names:
    np.testing.assert_allclose(
      ours[name], theirs[name], rtol=1e-3 if 'val' in name else 1e-5
    )

  # A checkpoint of four devices is evaluated on one, and the reverse.
  reports = [
    _report('main.py', '--mode=evaluate', f'--workdir={path}', **env)
    for path, env in ((tmp_path, {}), (workdir, four))
  ]
  ours, theirs = (report['metrics']['unet'] for report in reports)
  assert ours == pytest.approx(theirs, rel=1e-3)


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
    (['--config.nonsense=1'], 2, 'of --config are: batch_size'),
    (['--config.num_epochs=two'], 2, 'num_epochs=two: wanted int'),
    (['--config.num_epochs=2.5'], 2, 'num_epochs=2.5: wanted int'),
    (['--config.data.flip=maybe'], 2, 'wanted true or false'),
    (['--config.loss.x=1'], 2, '--config.loss is a value'),
    (['--config.optimizer=sgd'], 2, 'is a section; set one of its fields'),
    (['--config=configs/none.py'], 2, 'No such file'),
    (['--config=configs/unet.py:moon'], 2, 'choose: landscapes'),
    (['--mode=test'], 2, '<train|evaluate>'),
    (['--wrkdir=W'], 2, "Unknown command line flag 'wrkdir'"),
    (['--workdir=W', '--config.loss=l3'], 1, 'choose one of: cross_entropy'),
    (['--workdir=W', '--config.model.features=3'], 1, 'model.features'),
    (['--workdir=W', '--config.data.image_size=50'], 1, 'image_size=50'),
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
