"""scripts/benchmark.py as a process: shards, signals, report, wrong flags."""

import functools
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from inpaint_jax.study import results

ROOT = pathlib.Path(__file__).parents[2]
_STUDY = ROOT / 'docs' / 'study'


@pytest.fixture
def start(programs):
  """Starts the command with some flags."""
  return functools.partial(programs.start, 'scripts/benchmark.py')


def _finish(process, code=0):
  out, err = process.communicate()
  assert process.returncode == code, err
  return out, err


@pytest.mark.slow
@pytest.mark.usefixtures('no_lpips')
def test_two_shards_one_of_them_stopped_and_started_again(
  start, data_dir, tmp_path
):
  model = [
    '--config.model.name=encoder_decoder',
    '--config.model.features=(2, 2, 2)',
    '--config.model.conv=xla',
  ]
  flags = [
    '--config=configs/study.py:smoke',
    *model,
    f'--config.data.data_dir={data_dir}',
    f'--workdir={tmp_path}',
  ]
  first, second = (start(*flags, f'--shard={i}/2') for i in (1, 2))
  # The signal comes in the second run, after the first one has finished.
  first.wait_for('[1/2] base/seed0')
  first.send_signal(signal.SIGTERM)
  _finish(first, 128 + signal.SIGTERM)
  out, _ = _finish(second)
  assert '2 runs of 2 cells, 2 to do' in out
  assert '[2/2] optimizer/sgd/lr0.1/seed1' in out
  assert '--report_only' in out
  assert not (tmp_path / 'report.md').exists()
  listed, _ = _finish(start(*flags, '--list'))
  assert 'base/seed0                 finished  (optimizer/adam' in listed
  assert listed.count('finished') == 3

  out, _ = _finish(start(*flags, '--shard=1/2'))
  assert '2 runs of 2 cells, 1 to do' in out
  _finish(start(f'--workdir={tmp_path}', '--report_only'))
  rows = results.read(tmp_path / 'results.csv')
  assert [results.row_name(row) for row in rows] == [
    'base/seed0',
    'optimizer/sgd/lr0.1/seed0',
    'base/seed1',
    'optimizer/sgd/lr0.1/seed1',
  ]
  for name in ('data_hash', 'mask_hash', 'steps', 'status'):
    assert len({row[name] for row in rows}) == 1
  assert '4 of 4 runs' in (tmp_path / 'report.md').read_text()
  assert (tmp_path / 'baselines.json').exists()
  study = json.loads((tmp_path / 'study.json').read_text())
  assert study['command'] == (
    'inpaint-jax-study --config=configs/study.py:smoke '
    f'{shlex.join(model)} --workdir=runs/study'
  )

  # In another folder, the study goes on from the tables alone.
  copy = tmp_path / 'copy'
  copy.mkdir()
  for path in tmp_path.glob('*.*'):
    if path.suffix in ('.csv', '.npz', '.json') and path.name != 'dataset.json':
      shutil.copy(path, copy)
  flags[-1] = f'--workdir={copy}'
  listed, _ = _finish(start(*flags, '--list'))
  assert listed.count('finished') == 4
  flags.append('--config.study.seeds=(0,1,2)')
  out, _ = _finish(start(*flags, '--only=optimizer/sgd'))
  assert '3 runs of 2 cells, 1 to do' in out
  assert len(results.read(copy / 'results.csv')) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
  'study', [_STUDY, *(_STUDY / x for x in ('128px', 'objectives', 'unet'))]
)
def test_report_only_rebuilds_the_published_report(start, tmp_path, study):
  """It does so from the tables alone."""
  made = shutil.ignore_patterns('*.png', 'report.md')
  shutil.copytree(study, tmp_path, dirs_exist_ok=True, ignore=made)
  _finish(start(f'--workdir={tmp_path}', '--report_only'))
  for path in (*study.glob('*.md'), *study.glob('*.csv')):
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()
  drawn = {path.name for path in tmp_path.glob('*.png')}
  assert drawn == {path.name for path in study.glob('*.png')}


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    ([], 1, 'no --workdir'),
    (['--workdir=W', 'stray'], 1, "'stray' is no flag"),
    (
      ['--workdir=W', '--only=optimizer/moon'],
      1,
      '--only=optimizer/moon is',
    ),
    (['--workdir=W', '--shard=0/8'], 1, '--shard=0/8 is no shard'),
    (['--workdir=W', '--report-only'], 1, 'no results.csv with a finished run'),
    (['--workdir=W', '--report_only'], 1, 'no results.csv with a finished run'),
    (['--workdir=W', '--config.study.seed=1'], 2, 'are: cells, seed'),
    (
      ['--workdir=W', '--config=configs/study.py:moon'],
      2,
      'full, objectives, smoke',
    ),
    (
      ['--workdir=W', '--config=configs/study.py:full'],
      1,
      "--config.data.source=''",
    ),
  ],
)
def test_a_wrong_flag_is_one_line(start, tmp_path, flags, code, message):
  flags = [x.replace('=W', f'={tmp_path / "study"}') for x in flags]
  _, err = _finish(start(*flags), code)
  (line,) = [x for x in err.splitlines() if x.startswith('error: ')]
  assert message in line
  assert not list(tmp_path.iterdir())
  assert 'Traceback' not in err


@pytest.mark.slow
def test_list_writes_nothing(start, tmp_path):
  flags = [f'--workdir={tmp_path / "no"}', '--list']
  lines = _finish(start(*flags))[0].splitlines()
  assert len(lines) == 66
  assert ['optimizer/sgd/lr0.001/seed2', 'to', 'do'] in map(str.split, lines)
  shard = _finish(start(*flags, '--shard=3/8'))[0].splitlines()
  assert shard == lines[2::8]
  assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_damaged_table_stops_the_study(start, tmp_path):
  content = (_STUDY / 'results.csv').read_bytes()[:-20]
  (tmp_path / 'results.csv').write_bytes(content)
  process = start('--config=configs/study.py:smoke', f'--workdir={tmp_path}')
  _, err = _finish(process, 1)
  last = len(content.splitlines())
  assert f'results.csv is damaged in line {last}: it is cut short' in err
  assert [path.name for path in tmp_path.iterdir()] == ['results.csv']
  assert (tmp_path / 'results.csv').read_bytes() == content


def test_a_config_imports_modules_of_the_current_folder(tmp_path):
  (tmp_path / 'ours.py').write_text("MESSAGE = 'imported'\n")
  (tmp_path / 'own.py').write_text(
    'import ours\n\ndef get_config():\n  raise ValueError(ours.MESSAGE)\n'
  )
  result = subprocess.run(
    [sys.executable, ROOT / 'scripts' / 'benchmark.py', '--config=own.py'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 2
  assert result.stderr == 'error: imported\n'
