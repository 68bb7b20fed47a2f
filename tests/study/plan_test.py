"""The plan: cells, seeds, and which runs are chosen by name or shard."""

import pathlib

import pytest

from configs import gan, study as study_config
from inpaint_jax.study import plan, results
from inpaint_jax.system import errors


def test_small_has_each_cell_once(small):
  names = [cell.name for cell in small.cells]
  assert len(names) == len(set(names)) == 22
  assert len(small.runs) == 66
  base = small.cells[0]
  assert base.name == 'base'
  assert set(base.names) == {'loss/mse', 'model/unet', 'optimizer/adam/lr0.001'}
  by_name = {cell.name: cell.config for cell in small.cells}
  config = by_name['optimizer/sgd_momentum/lr0.1']
  assert (config.optimizer.name, config.optimizer.momentum) == ('sgd', 0.9)
  assert config.optimizer.learning_rate == 0.1
  # Each cell differs from the base in its own factor, and in nothing else.
  fields = plan.fields(small.base)
  for name, config in by_name.items():
    section = name.split('/')[0]
    changed = {k for k, v in plan.fields(config).items() if v != fields[k]}
    assert all(x.split('.')[0] == section for x in changed), name


def test_a_name_is_a_cell_and_a_rate():
  assert plan.split_name('optimizer/sgd/lr1e-05') == ('optimizer/sgd', 1e-5)
  assert plan.split_name('loss/lr2') == ('loss/lr2', None)
  assert plan.split_name('base') == ('base', None)


@pytest.mark.parametrize(
  ('preset', 'folder', 'steps', 'count'),
  [
    ('cpu', 'study', 2000, 49),
    ('cpu_128', 'study/128px', 2000, 9),
    ('cpu_rates', 'study/rates', 500, 31),
    ('medium', 'study/unet', 2000, 51),
    ('rates', 'study/unet/rates', 500, 51),
    ('objectives', 'study/objectives', 1000, 15),
  ],
)
def test_committed_runs_are_those_of_the_config(preset, folder, steps, count):
  config = study_config.get_config(preset)
  config.data.source = 'x'
  study = plan.create_plan(config)
  assert len(study.runs) == count
  hashes = {x.name: plan.fingerprint(x.cell.config) for x in study.runs}
  docs = pathlib.Path(__file__).parents[2] / 'docs'
  rows = results.read(docs / folder / 'results.csv')
  assert {x['steps'] for x in rows} == {steps}
  for row in rows:
    assert row['config_hash'] == hashes[results.row_name(row)]


def test_the_gan_of_the_study_is_the_recipe_of_its_config():
  study = plan.create_plan(study_config.get_config('medium'))
  (cell,) = (x for x in study.cells if x.name == 'model/gan')
  recipe = gan.get_config('landscapes')
  for name in 'objectives', 'discriminator', 'optimizer', 'model':
    assert cell.config[name].to_dict() == recipe[name].to_dict()
  for name in 'loss', 'hole_weight', 'best_metric', 'ema_decay':
    assert cell.config[name] == recipe[name]


def test_cpu_128_has_cells_of_cpu_on_larger_images():
  small, large = (
    plan.create_plan(study_config.get_config(x)) for x in ('cpu', 'cpu_128')
  )
  of_small = {x.name: x.config for x in small.cells}
  assert len(large.cells) == 3
  for cell in large.cells:
    config = of_small[cell.name].copy_and_resolve_references()
    config.data.image_size = 128
    assert cell.config == config


def test_an_objective_of_ones_own_that_is_off_leaves_earlier_runs(small):
  config = study_config.get_config('small')
  config.objectives.total_variation = 0.0
  base = plan.create_plan(config).base
  assert plan.fields(base) == plan.fields(small.base)
  assert plan.fingerprint(base) == plan.fingerprint(small.base)
  config.objectives.total_variation = 0.1
  base = plan.create_plan(config).base
  assert plan.fingerprint(base) != plan.fingerprint(small.base)


def test_full_is_the_reference_recipe(small):
  full = plan.create_plan(study_config.get_config('full'))
  data = full.base.data
  assert (data.image_size, data.num_train) == (256, 10_000)
  assert (full.base.num_epochs, full.base.batch_size) == (20, 32)
  assert {x.name for x in full.cells} == {x.name for x in small.cells}


def test_a_source_chooses_photos():
  config = study_config.get_config('small')
  assert plan.create_plan(config).base.data.dataset == 'synthetic'
  config.data.source = 'photos'
  assert plan.create_plan(config).base.data.dataset == 'photo_crops'


@pytest.mark.parametrize(
  'changes',
  [
    {'masks': {'kind': 'box'}},
    {'masks': {'strokes': 'thin'}},
    {'eval_seed': 1},
    {'data': {'num_test': 3}},
    {'data': {'dataset': 'tf_flowers'}},
  ],
)
def test_a_cell_must_have_the_test_of_the_base(changes):
  config = study_config.get_config('smoke')
  config.study.cells = {'a/b': {'data': {'num_train': 8, 'flip': False}}}
  assert len(plan.create_plan(config).cells) == 2
  config.study.cells = {'a/b': changes}
  with pytest.raises(errors.UserError, match='on which the test depends'):
    plan.create_plan(config)


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
  # The first letters of a name are no name.
  for only in ('optimizer/sg', 'optimizer/sgd/lr0.', 'base/seed2'):
    with pytest.raises(errors.UserError, match=r'is no cell .* optimizer/sgd'):
      names(only)


@pytest.mark.parametrize('count', [1, 2, 7, 100])
def test_each_run_is_in_one_shard(small, count):
  shards = [small.select(shard=f'{i + 1}/{count}') for i in range(count)]
  names = [run.name for runs in shards for run in runs]
  assert sorted(names) == sorted(run.name for run in small.runs)
  sizes = set(map(len, shards))
  assert max(sizes) - min(sizes) <= 1


def test_a_shard_of_some_runs(smoke):
  runs = smoke.select('optimizer/sgd', '2/2')
  assert [run.name for run in runs] == ['optimizer/sgd/lr0.1/seed1']


@pytest.mark.parametrize('shard', ['0/8', '9/8', '1', '1/', 'a/b', '1/0'])
def test_a_shard_that_cannot_be(smoke, shard):
  with pytest.raises(errors.UserError, match=f'shard={shard} .* 1/8 to 8/8'):
    smoke.select(shard=shard)


@pytest.mark.parametrize(
  ('name', 'changes', 'message'),
  [
    ('loss', {'loss': 'l1'}, "has 'loss'; a cell is named factor/name, "),
    ('a/b c', {'loss': 'l1'}, "has 'a/b c'; .* without spaces"),
    ('a/b', {'los': 'l1'}, r'a/b changes a .*"los" does not exist'),
    ('a/b', {'model': {'name': 3}}, 'a/b changes a field that runs'),
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


@pytest.mark.parametrize('seeds', [(), (1, 1), (0, 1.5), (-1,), ('a',)])
def test_seeds_that_cannot_be(seeds):
  config = study_config.get_config('smoke')
  config.study.seeds = seeds
  with pytest.raises(errors.UserError, match=r'seeds=.* different numbers'):
    plan.create_plan(config)


def test_some_cells_can_have_more_seeds():
  config = study_config.get_config('smoke')
  config.study.cells = {'loss/mse': {}, 'loss/l1': {'loss': 'l1'}}
  # A seed that all cells have counts once.
  config.study.more_seeds = {'loss/l1': (4, 1, 2)}
  study = plan.create_plan(config)
  assert [run.name for run in study.runs] == [
    f'{cell}/seed{seed}'
    for cell, seed in (
      ('base', 0),
      ('loss/l1', 0),
      ('base', 1),
      ('loss/l1', 1),
      ('loss/l1', 2),
      ('loss/l1', 4),
    )
  ]
  assert study.runs[-1].config.seed == 4


def test_more_seeds_by_one_of_several_names():
  config = study_config.get_config('smoke')
  config.study.cells['loss/mse'] = {}
  config.study.more_seeds = {'loss/mse': (2,)}
  study = plan.create_plan(config)
  assert study.runs[-1].name == 'base/seed2'


@pytest.mark.parametrize(
  ('more', 'message'),
  [
    ({'optimizer/sgd': (2,)}, "'optimizer/sgd', which is no cell"),
    ({'loss/l1': (2, 2)}, r'more_seeds: loss/l1=\(2, 2\) must'),
    ({'loss/l1': ('a',)}, "loss/l1=.*'a'.* must be different"),
    ({'loss/l1': 'a'}, "loss/l1=.*'a'.* must be different"),
  ],
)
def test_more_seeds_that_cannot_be(more, message):
  config = study_config.get_config('smoke')
  config.study.cells['loss/l1'] = {'loss': 'l1'}
  config.study.more_seeds = more
  with pytest.raises(errors.UserError, match=message):
    plan.create_plan(config)


def test_the_config_of_a_single_run_is_no_study():
  with pytest.raises(errors.UserError, match=r'as --config=configs/study\.py:'):
    plan.create_plan(gan.get_config())
