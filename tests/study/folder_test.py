"""The folder of a study: what it holds, and what does not belong there."""

import json

import pytest

from configs import study as study_config
from inpaint_jax.study import folder, plan, results
from inpaint_jax.system import errors


def _content(workdir):
  return {x.name: x.read_bytes() for x in workdir.glob('*.*')}


def test_gathering_overwrites_no_damaged_table(made_up):
  for name in ('results.csv', 'curves.csv', 'per_image.npz'):
    content = (made_up / name).read_bytes()
    (made_up / name).write_bytes(content[: len(content) // 2])
    before = _content(made_up)
    with pytest.raises(errors.UserError, match=f'{name} is damaged'):
      folder.gather(made_up)
    assert _content(made_up) == before
    (made_up / name).write_bytes(content)


def test_gathering_adds_what_shards_have_finished(made_up, small, make_row):
  """The row of a run comes from its folder, the others stay."""
  before = (made_up / 'results.csv').read_bytes()
  folder.gather(made_up)
  assert (made_up / 'results.csv').read_bytes() == before
  run = small.runs[5]
  row = make_row(run.cell, run.seed, 11.0)
  path = folder.run_folder(made_up, run.name) / 'result.json'
  path.parent.mkdir(parents=True)
  path.write_text(json.dumps(row))
  folder.gather(made_up)
  rows = results.read(made_up / 'results.csv')
  assert [results.row_name(x) for x in rows] == [x.name for x in small.runs]
  assert rows[5]['test/hole_psnr'] == 11.0


def test_baselines_are_those_of_the_first_run_of_the_base(made_up):
  path = folder.run_folder(made_up, 'base/seed0') / 'test_metrics.json'
  path.parent.mkdir(parents=True)
  means = {'unet': {'l1': 0.1}, 'telea': {'l1': 0.2}}
  path.write_text(json.dumps({'metrics': means}))
  folder.gather(made_up)
  found = json.loads((made_up / 'baselines.json').read_text())
  assert found == {'telea': {'l1': 0.2}}


def test_another_base_is_refused(made_up):
  before = _content(made_up)
  config = study_config.get_config('small')
  config.num_epochs = 9
  config.loss = 'l1'
  message = r'protocol: loss \(mse there, l1 here\), num_epochs \(5 there, 9 he'
  with pytest.raises(errors.UserError, match=message):
    folder.create(made_up, plan.create_plan(config), '')
  assert _content(made_up) == before


def test_another_config_of_a_cell_is_refused(made_up):
  config = study_config.get_config('small')
  config.study.cells['loss/l1'] = {'loss': 'l1', 'hole_weight': 2.0}
  with pytest.raises(
    errors.UserError, match='has loss/l1/seed0 of another protocol'
  ):
    folder.check(made_up, plan.create_plan(config))


def test_a_study_can_grow(made_up):
  config = study_config.get_config('small')
  config.study.seeds = (0, 1, 2, 3)
  config.study.cells['loss/smooth'] = {'loss': 'l1', 'hole_weight': 2.0}
  study = plan.create_plan(config)
  folder.create(made_up, study, '')
  rows = folder.read_rows(made_up, [run.name for run in study.runs])
  assert (len(study.runs), len(rows)) == (92, 66)


def test_the_folder_knows_all_runs_of_a_study(tmp_path):
  config = study_config.get_config('smoke')
  config.study.cells['loss/l1'] = {'loss': 'l1'}
  config.study.more_seeds = {'loss/l1': (4,)}
  study = plan.create_plan(config)
  folder.create(tmp_path, study, '')
  names = folder.run_names(folder.read(tmp_path))
  assert names == [run.name for run in study.runs]
  assert folder.run_names({}) == []


def test_a_run_is_no_study(smoke, tmp_path):
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(errors.UserError, match='holds a single run'):
    folder.create(tmp_path, smoke, '')


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('"schema": 1', '"schema": 2', r'another version .schema 2'),
    ('"seeds"', '"sees"', 'study.json is damaged: seeds is missing'),
    ('{', '', 'study.json cannot be read'),
  ],
)
def test_a_damaged_study_json_is_one_line(made_up, small, old, new, message):
  path = made_up / 'study.json'
  path.write_text(path.read_text().replace(old, new, 1))
  with pytest.raises(errors.UserError, match=message):
    folder.create(made_up, small, '')


def test_unknown_fields_of_study_json_do_no_harm(made_up):
  """Other versions may write some, such as the number of processes."""
  path = made_up / 'study.json'
  content = json.loads(path.read_text())
  path.write_text(json.dumps(content | {'processes': 2}))
  before = (made_up / 'results.csv').read_bytes()
  folder.gather(made_up)
  assert (made_up / 'results.csv').read_bytes() == before
