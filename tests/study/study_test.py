"""The study: its plan, claims, runs, and scripts/benchmark.py as a process."""

import glob
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from configs import study as study_config
from inpaint_jax import datasets
from inpaint_jax.study import (
  claims,
  plan,
  protocol,
  report,
  results,
  runner,
  testing,
)
from inpaint_jax.system import errors
from inpaint_jax.training import evaluate, train

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def smoke(data_dir):
  """The plan of `smoke`: two cells of two seeds."""
  config = study_config.get_config('smoke')
  config.data.data_dir = str(data_dir)
  return plan.create_plan(config)


@pytest.fixture(scope='module')
def studied(smoke, tmp_path_factory):
  """The folder of a whole study of `smoke`, and what it printed."""
  workdir = tmp_path_factory.mktemp('studied')
  jax.config.update('jax_disable_most_optimizations', True)
  try:
    protocol.open_folder(workdir, smoke, 'python scripts/benchmark.py')
    runner.work(smoke, workdir, smoke.runs)
    runner.measure_baselines(workdir, smoke)
  finally:
    jax.config.update('jax_disable_most_optimizations', False)
  report.write(workdir)
  return workdir


@pytest.fixture
def copied(studied, tmp_path):
  """A copy of it to break."""
  return shutil.copytree(studied, tmp_path / 'study')


# The plan.


def test_small_has_each_cell_once():
  study = plan.create_plan(study_config.get_config('small'))
  names = [cell.name for cell in study.cells]
  assert len(names) == len(set(names)) == 22
  assert len(study.runs) == 66
  base = study.cells[0]
  assert base.name == 'base'
  assert set(base.names) == {
    'loss/mse',
    'model/unet',
    'optimizer/adam/lr0.001',
  }
  by_name = {cell.name: cell.config for cell in study.cells}
  config = by_name['optimizer/sgd_momentum/lr0.1']
  assert (config.optimizer.name, config.optimizer.momentum) == ('sgd', 0.9)
  assert config.optimizer.learning_rate == 0.1
  # Each differs from the base in its own factor, and in nothing else.
  fields = plan.fields(study.base)
  for name, config in by_name.items():
    section = plan.factor_of(name)
    changed = {k for k, v in plan.fields(config).items() if v != fields[k]}
    assert all(x.split('.')[0] == section for x in changed), name


def test_full_is_the_reference_recipe():
  study = plan.create_plan(study_config.get_config('full'))
  base = study.base
  assert (base.data.image_size, base.num_epochs, base.batch_size) == (
    256,
    20,
    32,
  )
  assert base.data.num_train == 10_000
  assert {cell.name for cell in study.cells} == {
    cell.name
    for cell in plan.create_plan(study_config.get_config('small')).cells
  }


def test_a_source_chooses_photographs():
  config = study_config.get_config('small')
  assert plan.create_plan(config).base.data.dataset == 'synthetic'
  config.data.source = 'photos'
  assert plan.create_plan(config).base.data.dataset == 'photo_crops'


def test_runs_by_name(smoke):
  def names(only):
    return [run.name for run in smoke.select(only)]

  assert names('') == [
    'base/seed0',
    'optimizer/sgd/lr0.1/seed0',
    'base/seed1',
    'optimizer/sgd/lr0.1/seed1',
  ]
  assert names('optimizer/sgd') == names('optimizer/sgd/lr0.1')
  assert names('optimizer/adam/lr0.001/seed1') == ['base/seed1']
  assert len(names('optimizer')) == 4
  # A part of a name is no name.
  for only in ('optimizer/sg', 'optimizer/sgd/lr0.', 'base/seed2'):
    with pytest.raises(errors.UserError, match=r'is no cell .* optimizer/sgd'):
      names(only)


@pytest.mark.parametrize(
  ('name', 'changes', 'message'),
  [
    ('loss', {'loss': 'l1'}, "has 'loss'; a cell is named factor/name"),
    ('a/b', {'los': 'l1'}, r'a/b changes what .*"los" does not exist'),
    ('a/b', {'model': {'name': 3}}, 'a/b changes what no run has'),
    ('a/b', 'l1', "a/b is 'l1'; give the fields"),
    (
      'a/b',
      {'optimizer': {'learning_rate': (1e-3, 'x')}},
      "learning_rate='x', which is no number",
    ),
  ],
)
def test_a_cell_that_cannot_be(name, changes, message):
  config = study_config.get_config('smoke')
  config.study.cells[name] = changes
  with pytest.raises(errors.UserError, match=message):
    plan.create_plan(config)


def test_seeds_that_cannot_be():
  for seeds in ((), (1, 1)):
    config = study_config.get_config('smoke')
    config.study.seeds = seeds
    with pytest.raises(errors.UserError, match=r'seeds=.* different numbers'):
      plan.create_plan(config)


# Claims.


def _fail():
  raise AssertionError('lost')


def _write_claim(folder, number, host, pid, age=0.0):
  path = folder / f'claim.{number}'
  path.write_text(json.dumps({'host': host, 'pid': pid}))
  now = time.time() - age
  os.utime(path, (now, now))
  return path


def _dead_pid():
  with subprocess.Popen(['true']) as process:
    process.wait()
  return process.pid


def test_a_claim_is_held_by_one(tmp_path):
  ours = claims.take(tmp_path, _fail)
  assert claims.take(tmp_path, _fail) is None
  holder = claims.holder(tmp_path)
  assert (holder.host, holder.pid) == (platform.node(), os.getpid())
  assert not holder.is_stale
  ours.release()
  # Free at once, also for others than the one that let it go.
  assert claims.holder(tmp_path).is_stale
  again = claims.take(tmp_path, _fail)
  assert again.is_ours()
  assert not ours.is_ours()
  again.remove()
  assert not list(tmp_path.iterdir())


def test_a_dead_process_holds_nothing(tmp_path):
  _write_claim(tmp_path, 1, platform.node(), os.getpid())
  assert claims.take(tmp_path, _fail) is None
  _write_claim(tmp_path, 1, platform.node(), _dead_pid())
  claim = claims.take(tmp_path, _fail)
  assert claim.is_ours()
  claim.remove()


def test_a_machine_that_is_silent_for_minutes_holds_nothing(tmp_path):
  # What is said of the process there cannot be checked from here.
  pid = _dead_pid()
  _write_claim(tmp_path, 9, 'elsewhere', pid, claims.STALE_SECONDS - 60)
  assert claims.take(tmp_path, _fail) is None
  _write_claim(tmp_path, 9, 'elsewhere', pid, claims.STALE_SECONDS + 60)
  claim = claims.take(tmp_path, _fail)
  assert (tmp_path / 'claim.10').exists()
  claim.remove()


def test_of_two_takers_one_gets_it(tmp_path, monkeypatch):
  """One sees that a claim is stale, and another takes it before it acts."""
  _write_claim(tmp_path, 1, 'elsewhere', 1, claims.STALE_SECONDS + 60)
  real, taken = claims._read, []

  def read(path, now):
    found = real(path, now)
    monkeypatch.setattr(claims, '_read', real)
    taken.append(claims.take(tmp_path, _fail))
    return found

  monkeypatch.setattr(claims, '_read', read)
  assert claims.take(tmp_path, _fail) is None
  assert taken[0].is_ours()
  taken[0].remove()


def test_a_claim_is_touched_and_its_loss_noticed(tmp_path, monkeypatch):
  monkeypatch.setattr(claims, 'TOUCH_SECONDS', 0.01)
  lost = threading.Event()
  claim = claims.take(tmp_path, lost.set)
  path = tmp_path / 'claim.1'
  os.utime(path, (1, 1))
  _until(lambda: path.stat().st_mtime > 1)
  assert not lost.is_set()
  _write_claim(tmp_path, 2, 'elsewhere', 1)
  assert lost.wait(30)
  assert not claim.is_ours()


def _until(condition, seconds=120):
  end = time.monotonic() + seconds
  while not condition():
    assert time.monotonic() < end
    time.sleep(0.02)


# Runs.


def test_a_study_leaves_what_it_promises(studied, smoke):
  rows = results.read(studied / 'results.csv')
  assert [results.row_name(row) for row in rows] == [
    run.name for run in smoke.runs
  ]
  assert {row['status'] for row in rows} == {results.FINISHED}
  assert {row['steps'] for row in rows} == {8}
  # The same data and the same masks for all.
  assert len({row['data_hash'] for row in rows}) == 1
  assert len({row['mask_hash'] for row in rows}) == 1
  assert [row['optimizer'] for row in rows] == ['adam', 'sgd'] * 2
  for run in smoke.runs:
    folder = results.run_folder(studied, run.name)
    assert [x.name for x in (folder / 'checkpoints').iterdir()] == ['best']
    assert not list(folder.glob('claim.*'))
  text = (studied / 'report.md').read_text()
  assert '4 of 4 runs: 2 cells, seeds 0, 1' in text
  assert '(pictures.jpg)' in text
  assert '| mean_fill |' in text
  # Nothing of this machine that could not be shown.
  assert str(studied.parent) not in text + (studied / 'study.json').read_text()


def test_the_test_is_that_of_an_evaluation(studied):
  row = results.read(studied / 'results.csv')[0]
  run = results.run_folder(studied, 'base/seed0')
  theirs = json.loads((run / 'test_metrics.json').read_text())['metrics']
  ours = {k[5:]: v for k, v in row.items() if k.startswith('test/')}
  assert ours.keys() == {*evaluate.NAMES, 'lpips'}
  assert ours == pytest.approx(
    {name: theirs['unet'][name] for name in ours}, rel=1e-5
  )
  pictures = results.read_per_picture(studied)['base/seed0']
  assert pictures['l1'].mean() == pytest.approx(ours['l1'])


def test_cells_begin_alike_and_seeds_do_not(studied):
  """The first loss is that of the initial weights on the first batch."""
  first = {
    name: columns['train/loss'][0]
    for name, columns in results.read_curves(studied).items()
  }
  for seed in (0, 1):
    adam, sgd = (
      first[f'base/seed{seed}'],
      first[f'optimizer/sgd/lr0.1/seed{seed}'],
    )
    assert adam == pytest.approx(sgd, rel=1e-5)
  assert abs(first['base/seed0'] / first['base/seed1'] - 1) > 1e-3


def test_finished_runs_are_skipped(copied, smoke, monkeypatch):
  before = (copied / 'results.csv').read_bytes()

  def train_again(*args):
    raise AssertionError('trained again')

  monkeypatch.setattr(train, 'train', train_again)
  runner.work(smoke, copied, smoke.runs)
  # Known from the table as well, where the folders are gone.
  shutil.rmtree(copied / 'runs')
  runner.work(smoke, copied, smoke.runs)
  assert (copied / 'results.csv').read_bytes() == before


def _forget(workdir, name):
  """Takes a run out of the tables, as if it had not been finished."""
  results.result_path(workdir, name).unlink()
  path = workdir / 'results.csv'
  rows = [x for x in results.read(path) if results.row_name(x) != name]
  results.write(path, rows)


def test_a_killed_run_goes_on(copied, smoke, monkeypatch, quick_compile):
  name = 'base/seed1'
  wanted = results.read(copied / 'results.csv')
  _forget(copied, name)
  folder = results.run_folder(copied, name)
  shutil.rmtree(folder)

  def interrupted(*args, **kwargs):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    # Between the training and the test.
    patch.setattr(testing, 'test', interrupted)
    with pytest.raises(KeyboardInterrupt):
      runner.work(smoke, copied, smoke.runs)
  assert claims.holder(folder).is_stale
  runner.work(smoke, copied, smoke.runs)
  log = (folder / 'log.txt').read_text()
  assert log.count('going on from the checkpoint of step 8') == 1
  found = results.read(copied / 'results.csv')
  for ours, theirs in zip(found, wanted, strict=True):
    assert results.row_name(ours) == results.row_name(theirs)
    assert ours['test/hole_psnr'] == pytest.approx(theirs['test/hole_psnr'])


def test_a_run_in_other_hands_is_left_to_them(copied, smoke, monkeypatch):
  name = 'optimizer/sgd/lr0.1/seed0'
  _forget(copied, name)
  _write_claim(results.run_folder(copied, name), 1, 'elsewhere', 1)
  monkeypatch.setattr(train, 'train', lambda *args: _fail())
  runner.work(smoke, copied, smoke.runs)
  assert len(results.read(copied / 'results.csv')) == 3


def test_a_run_that_diverges_is_a_result(copied, smoke, monkeypatch, capsys):
  name = 'optimizer/sgd/lr0.1/seed1'
  _forget(copied, name)

  def diverge(*args):
    raise train.DivergedError('loss is nan at step 3')

  monkeypatch.setattr(train, 'train', diverge)
  runner.work(smoke, copied, smoke.runs)
  assert f'[4/4] {name}: diverged' in capsys.readouterr().out
  row = results.read(copied / 'results.csv')[-1]
  assert (row['status'], row['test/l1']) == (results.DIVERGED, None)
  assert '1 of which diverged' in report.write(copied).read_text()


def test_every_cell_is_checked_before_the_first_is_trained(smoke, tmp_path):
  config = study_config.get_config('smoke')
  config.study.cells['loss/l9'] = {'loss': 'l9'}
  study = plan.create_plan(config)
  with pytest.raises(errors.UserError, match="loss='l9' is unknown"):
    runner.work(study, tmp_path, study.runs)
  assert not list(tmp_path.iterdir())


def test_time_left(smoke):
  runs = smoke.runs
  rows = [
    {'model': 'unet', 'total_seconds': 30.0},
    {'model': 'unet', 'total_seconds': 50.0},
    {'model': 'encoder_decoder', 'total_seconds': 4.0},
  ]
  assert runner.time_left(rows, runs[:3], 1) == 120
  assert runner.time_left(rows, runs[:3], 2) == 60
  assert runner.time_left(rows[2:], runs[:3], 1) == 12
  assert runner.time_left(rows, runs[:1], 2) == 40
  assert runner.time_left([], runs, 1) is None
  formatted = [runner.format_seconds(x) for x in (None, 40, 720, 12_240)]
  assert formatted == ['an unknown time', '40 s', '12 min', '3.4 h']


def test_another_protocol_is_refused(studied, data_dir):
  before = {x.name: x.read_bytes() for x in studied.glob('*.*')}
  config = study_config.get_config('smoke')
  config.data.data_dir = str(data_dir)
  config.batch_size = 8
  config.loss = 'l1'
  with pytest.raises(
    errors.UserError,
    match=r'another protocol: batch_size \(4 there, 8 here\), loss \(mse there',
  ):
    protocol.open_folder(studied, plan.create_plan(config), '')
  assert {x.name: x.read_bytes() for x in studied.glob('*.*')} == before


def test_a_study_can_grow(copied, data_dir):
  config = study_config.get_config('smoke')
  config.data.data_dir = str(data_dir)
  config.study.seeds = (0, 1, 2)
  config.study.cells['loss/l1'] = {'loss': 'l1'}
  study = plan.create_plan(config)
  protocol.open_folder(copied, study, '')
  rows = results.gather(copied, study)
  left = [x for x in study.runs if not runner.is_finished(copied, x, rows)]
  assert (len(study.runs), len(left)) == (9, 5)


def test_a_run_is_no_study(smoke, tmp_path):
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(errors.UserError, match='holds a single run'):
    protocol.open_folder(tmp_path, smoke, '')


def test_study_json_of_another_version(copied, smoke):
  path = copied / 'study.json'
  path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
  with pytest.raises(errors.UserError, match=r'another version .schema 2'):
    protocol.open_folder(copied, smoke, '')


def test_each_pixel_counts_in_the_hash():
  images = np.zeros((3, 8, 8, 3), np.uint8)

  def hashed():
    split = [{'image': image} for image in images]
    splits = {'train': split, 'val': split[:1], 'test': split[:1]}
    return testing.data_hash(datasets.Dataset('x', splits, pathlib.Path()))

  before = hashed()
  assert before == hashed()
  images[2, 7, 7, 2] = 1
  assert before != hashed()


# The program.


def _start(*flags, **env):
  return subprocess.Popen(
    [sys.executable, 'scripts/benchmark.py', *map(str, flags)],
    cwd=ROOT,
    env=os.environ | env,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _finish(process, code=0):
  out, err = process.communicate()
  assert process.returncode == code, err
  return out, err


def test_two_processes_killed_and_started_again(studied, data_dir, tmp_path):
  """They end with the results of one that did all in its turn."""
  flags = [
    '--config=configs/study.py:smoke',
    '--config.study.processes=2',
    f'--config.data.data_dir={data_dir}',
    f'--workdir={tmp_path}',
  ]
  # As in `studied`, whose compiled programs are at hand.
  env = {'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'}
  process = _start(*flags, **env)
  # Not rglob: it raises where a folder goes while it looks.
  held = lambda: {
    holder.pid
    for path in glob.glob(f'{tmp_path}/runs/**/claim.1', recursive=True)
    if (holder := claims.holder(pathlib.Path(path).parent))
    and not holder.is_stale
  }
  _until(lambda: len(held()) == 2 or process.poll() is not None)
  pids = held()
  assert process.pid in pids
  process.send_signal(signal.SIGTERM)
  _finish(process, 128 + signal.SIGTERM)
  for pid in pids:
    with pytest.raises(ProcessLookupError):
      os.kill(pid, 0)
  listed, _ = _finish(_start(*flags, '--list'))
  assert 'in training' not in listed
  assert 'free, begun' in listed

  out, _ = _finish(_start(*flags, **env))
  assert 'to do, 2 at once' in out
  assert '[4/4]' in out
  assert 'left' in out
  listed, _ = _finish(_start(*flags, '--list'))
  assert listed.count('finished') == 4
  ours, theirs = (results.read(x / 'results.csv') for x in (tmp_path, studied))
  for row, wanted in zip(ours, theirs, strict=True):
    assert results.row_name(row) == results.row_name(wanted)
    for name in ('data_hash', 'mask_hash', 'config_hash'):
      assert row[name] == wanted[name]
    for metric in results.METRICS:
      name = f'test/{metric}'
      assert row[name] == pytest.approx(wanted[name], rel=1e-4)
  assert (tmp_path / 'report.md').exists()


def test_report_only_rebuilds_it(copied):
  before = (copied / 'report.md').read_bytes()
  (copied / 'report.md').unlink()
  shutil.rmtree(copied / 'runs')
  _finish(_start(f'--workdir={copied}', '--report-only'))
  assert (copied / 'report.md').read_bytes() == before


@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    ([], 1, 'no --workdir'),
    (['--workdir=W', 'stray'], 1, "'stray' is no flag"),
    (['--workdir=W', '--only=optimizer/moon'], 1, 'optimizer/moon is no cell'),
    (['--workdir=W', '--report-only'], 1, 'no results.csv with a finished run'),
    (
      ['--workdir=W', '--config=configs/study.py:moon'],
      2,
      'small, full, smoke',
    ),
    (
      ['--workdir=W', '--config.study.seed=1'],
      2,
      'are: cells, processes, seed',
    ),
    (
      ['--workdir=W', '--config=configs/study.py:full'],
      1,
      "--config.data.source is ''",
    ),
  ],
)
def test_a_wrong_flag_is_one_line(tmp_path, flags, code, message):
  flags = [x.replace('=W', f'={tmp_path / "study"}') for x in flags]
  _, err = _finish(_start(*flags), code)
  (line,) = [x for x in err.splitlines() if x.startswith('error: ')]
  assert message in line
  assert not list(tmp_path.iterdir())
  assert 'Traceback' not in err


def test_list_writes_nothing(tmp_path):
  out, _ = _finish(_start(f'--workdir={tmp_path / "no"}', '--list'))
  assert len(out.splitlines()) == 66
  assert 'optimizer/sgd_momentum/lr0.01/seed2 ' in out
  assert not list(tmp_path.iterdir())


def test_a_damaged_table_stops_the_study(copied, data_dir):
  path = copied / 'results.csv'
  path.write_bytes(path.read_bytes()[:-20])
  before = path.read_bytes()
  flags = ['--config=configs/study.py:smoke', f'--workdir={copied}']
  process = _start(*flags, f'--config.data.data_dir={data_dir}')
  _, err = _finish(process, 1)
  assert 'results.csv is damaged in line 5: it is cut short' in err
  assert path.read_bytes() == before
