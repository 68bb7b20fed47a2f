"""The runs: trained and tested once, resumed, and recorded if they diverge."""

import shutil
import types

import pytest

from configs import study as study_config
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import folder, plan, report, results, runner, testing
from inpaint_jax.system import errors, json_files
from inpaint_jax.training import evaluate, train


def _fail(*args):
  raise AssertionError('trained again')


def _train(study, workdir, **kwargs):
  runner.train_runs(study.runs, study, workdir, data_hash='x', **kwargs)


def _forget(workdir, name):
  """Removes a run from the table, as if it were not finished."""
  (folder.run_folder(workdir, name) / 'result.json').unlink()
  rows = [x for x in results.read_study(workdir) if results.row_name(x) != name]
  results.write_study(workdir, rows)


@pytest.mark.slow
def test_a_study_leaves_what_it_promises(studied, smoke):
  rows = results.read(studied / 'results.csv')
  names = [run.name for run in smoke.runs]
  assert [results.row_name(row) for row in rows] == names
  assert {row['status'] for row in rows} == {results.FINISHED}
  assert {row['steps'] for row in rows} == {8}
  # The same data and the same masks for all.
  assert len({row['data_hash'] for row in rows}) == 1
  assert len({row['mask_hash'] for row in rows}) == 1
  assert [row['optimizer'] for row in rows] == ['adam', 'sgd'] * 2
  for name in names:
    checkpoints = folder.run_folder(studied, name) / 'checkpoints'
    assert [x.name for x in checkpoints.iterdir()] == ['best']
  text = (studied / 'report.md').read_text()
  assert '4 of 4 runs of 2 cells with seeds 0, 1' in text
  assert '(images.jpg)' in text
  assert '| mean_fill |' in text
  # No path of this machine is in files that are published.
  assert str(studied.parent) not in text + (studied / 'study.json').read_text()


@pytest.mark.slow
def test_cells_begin_alike_and_seeds_do_not(studied):
  """The first loss is that of the initial weights on the first batch."""
  first = {
    name: columns['train/loss'][0]
    for name, columns in results.read_curves(studied / 'curves.csv').items()
  }
  for seed in (0, 1):
    adam, sgd = (
      first[f'base/seed{seed}'],
      first[f'optimizer/sgd/lr0.1/seed{seed}'],
    )
    assert adam == pytest.approx(sgd, rel=1e-5)
  assert abs(first['base/seed0'] / first['base/seed1'] - 1) > 1e-3


@pytest.mark.slow
def test_finished_runs_are_skipped(copied, smoke, monkeypatch):
  before = (copied / 'results.csv').read_bytes()
  monkeypatch.setattr(train, 'train', _fail)
  _train(smoke, copied)
  # They are also known from the tables, if their folders are gone.
  images = (copied / 'images.npz').read_bytes()
  shutil.rmtree(copied / 'runs')
  _train(smoke, copied)
  report.write(copied)
  assert (copied / 'images.npz').read_bytes() == images
  assert (copied / 'results.csv').read_bytes() == before


@pytest.mark.slow
def test_an_interrupted_run_resumes(copied, smoke, monkeypatch):
  name = 'base/seed1'
  wanted = results.read(copied / 'results.csv')
  _forget(copied, name)
  shutil.rmtree(folder.run_folder(copied, name))

  def interrupt(*args, **kwargs):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    # Interrupted between the training and the test.
    patch.setattr(testing, 'test_run', interrupt)
    with pytest.raises(KeyboardInterrupt):
      _train(smoke, copied)
  assert len(results.read(copied / 'results.csv')) == 3
  _train(smoke, copied)
  log = (folder.run_folder(copied, name) / 'log.txt').read_text()
  assert log.count('going on from the checkpoint of step 8') == 1
  found = results.read(copied / 'results.csv')
  for ours, theirs in zip(found, wanted, strict=True):
    assert results.row_name(ours) == results.row_name(theirs)
    assert ours['test/hole_psnr'] == pytest.approx(theirs['test/hole_psnr'])


@pytest.mark.slow
def test_a_run_in_use_is_refused(copied, smoke):
  name = 'optimizer/sgd/lr0.1/seed0'
  _forget(copied, name)
  path = folder.run_folder(copied, name)
  (run,) = smoke.select(name)
  with (
    workdirs.locked_workdir(path, run.config),
    pytest.raises(errors.UserError, match='is in use by another process'),
  ):
    _train(smoke, copied)
  assert not (folder.run_folder(copied, name) / 'result.json').exists()


@pytest.mark.slow
def test_a_run_that_diverges_is_a_result(copied, smoke, monkeypatch, capsys):
  name = 'optimizer/sgd/lr0.1/seed0'
  for run in smoke.runs[1:]:
    _forget(copied, run.name)
  (row,) = results.read(copied / 'results.csv')

  def diverge(config, workdir):
    raise train.DivergedError('loss is nan at step 3')

  monkeypatch.setattr(train, 'train', diverge)
  _train(smoke, copied)
  out = capsys.readouterr().out
  # The other runs are trained nevertheless.
  assert '4 runs of 2 cells, 3 to do' in out
  assert f'[2/4] {name}: diverged' in out
  assert '[4/4] optimizer/sgd/lr0.1/seed1: diverged' in out
  first, *others = results.read(copied / 'results.csv')
  assert first == row
  assert {x['status'] for x in others} == {results.DIVERGED}
  assert {x['test/l1'] for x in others} == {None}
  assert '3 of them diverged' in report.write(copied).read_text()


def test_the_baselines_are_those_of_the_first_base_that_finishes(
  smoke, tmp_path, monkeypatch
):
  def train_or_diverge(config, workdir):
    if config.seed == 0:
      raise train.DivergedError('loss is nan at step 3')
    return train.TrainingResult(types.SimpleNamespace(step=8), 1.0, None)

  def evaluate_run(path):
    means = {'tiny': {'l1': 0.2}, path.name: {'l1': 0.1}}
    json_files.write(path / 'test_metrics.json', {'metrics': means})

  monkeypatch.setattr(train, 'train', train_or_diverge)
  monkeypatch.setattr(testing, 'test_run', lambda path: {})
  monkeypatch.setattr(evaluate, 'evaluate', evaluate_run)
  monkeypatch.setattr(results, 'write_study', lambda *args: None)
  folder.create(tmp_path, smoke, '')
  for seed in range(3):
    runner.train_run(plan.Run(smoke.cells[0], seed), tmp_path, 'x')
  folder.gather(tmp_path)
  baselines = json_files.read(tmp_path / 'baselines.json')
  assert baselines == {'seed1': {'l1': 0.1}}
  assert not (tmp_path / 'runs/base/seed2/test_metrics.json').exists()


@pytest.mark.slow
def test_a_shard_writes_into_the_folders_of_its_runs_alone(
  copied, smoke, monkeypatch
):
  _forget(copied, smoke.runs[1].name)
  _forget(copied, smoke.runs[2].name)
  before = {x.name: x.read_bytes() for x in copied.glob('*.*')}

  def diverge(config, workdir):
    raise train.DivergedError('loss is nan at step 3')

  monkeypatch.setattr(train, 'train', diverge)
  shard = smoke.select(shard='2/2')
  runner.train_runs(shard, smoke, copied, data_hash='x', write_tables=False)
  assert {x.name: x.read_bytes() for x in copied.glob('*.*')} == before
  first, other = (folder.run_folder(copied, x.name) for x in smoke.runs[1:3])
  assert (first / 'result.json').exists()
  assert not (other / 'result.json').exists()


def test_every_cell_is_checked_before_the_first_is_trained(tmp_path):
  config = study_config.get_config('smoke')
  config.study.cells['loss/l9'] = {'loss': 'l9'}
  with pytest.raises(errors.UserError, match="loss='l9' is unknown"):
    runner.prepare(tmp_path, plan.create_plan(config), '')
  assert not list(tmp_path.iterdir())


def test_runs_of_other_images_do_not_mix(made_up):
  message = 'has base/seed0 of other images .hash d{16} there, x here'
  with pytest.raises(errors.UserError, match=message):
    folder.check_images(made_up, 'x')
  folder.check_images(made_up, 'd' * 16)
