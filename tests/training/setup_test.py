"""What a config names, checked and built before any file is touched."""

import pytest

from configs import default
from inpaint_jax import metrics, models
from inpaint_jax.system import errors
from inpaint_jax.training import setup, train


@pytest.mark.parametrize('preset', ['', 'landscapes'])
def test_the_defaults_pass(preset):
  config = default.get_config(preset)
  created = setup.create_setup(config)
  assert created.config is config
  assert created.model.features == config.model.features


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('num_epochs', 0),
    ('seed', -1),
    ('eval_seed', 2**31),
    ('batch_size', 0),
    ('data.num_threads', -1),
    ('log_every_steps', 0),
    ('early_stopping_patience', -1),
    ('checkpoint_every_steps', -5),
    ('num_samples', -1),
    ('profile.num_steps', -1),
    ('hole_weight', 0.0),
    ('hole_weight', float('inf')),
    ('ema_decay', 1.0),
    ('ema_decay', float('nan')),
  ],
)
def test_a_wrong_number_is_named(field, value):
  config = default.get_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(errors.UserError, match=f'{field}={value} must'):
    setup.create_setup(config)


@pytest.mark.parametrize(
  'field',
  [
    'loss',
    'model.name',
    'model.dtype',
    'optimizer.name',
    'masks.kind',
    'data.cache',
    'discriminator.name',
    'discriminator.optimizer.name',
    'objectives.features',
  ],
)
def test_an_unknown_name_stops_before_anything_is_written(
  config, tmp_path, field
):
  config.update_from_flattened_dict({field: 'nonsense'})
  with pytest.raises(errors.UserError, match=f"{field}='?nonsense"):
    train.train_and_evaluate(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_model_cannot_have_the_name_of_a_baseline(config, monkeypatch):
  monkeypatch.setitem(models.MODELS, 'harmonic', models.MODELS['unet'])
  config.model.name = 'harmonic'
  with pytest.raises(errors.UserError, match='is the name of a baseline'):
    setup.create_setup(config)


@pytest.mark.parametrize('objectives', [{}, {'objectives.adversarial': 0.1}])
@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('data.image_size', 0, 'data.image_size=0 is not one of'),
    ('data.num_val', 0, 'data.num_val=0 leaves a split empty'),
    ('data.num_train', 3, 'batch_size=4 is more than the 3 training images'),
    ('batch_size', 0, 'batch_size=0 must be at least 1'),
  ],
)
def test_a_wrong_field_of_the_data_stops_before_anything_is_written(
  config, tmp_path, field, value, message, objectives
):
  config.batch_size = 4
  config.update_from_flattened_dict({field: value, **objectives})
  with pytest.raises(errors.UserError, match=message):
    train.train_and_evaluate(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('name', 'features'),
  [('patch', (4,) * 7), ('global_local', (4,) * 6), ('projected', (4,) * 5)],
)
def test_a_discriminator_of_too_many_layers_is_named(name, features):
  config = default.get_config()
  config.discriminator.name = name
  config.discriminator.features = features
  setup.create_setup(config)  # Without an objective it is not used.
  config.objectives.adversarial = 0.1
  with pytest.raises(
    errors.UserError, match=r'discriminator\.features=.* fewer'
  ):
    setup.create_setup(config)
  config.discriminator.features = features[1:]
  setup.create_setup(config)


@pytest.mark.parametrize('name', ['loss', 'psnr', 'texture_ratio', 'fooled'])
def test_a_metric_needs_a_name_of_its_own(monkeypatch, name):
  monkeypatch.setitem(metrics.OUTPUT_METRICS, name, metrics.l1)
  with pytest.raises(errors.UserError, match=f'metric {name} has the name of'):
    setup.create_setup(default.get_config())


def test_fields_that_nothing_reads_are_named():
  config = default.get_config()
  assert not setup.describe_own_fields(config)
  with config.unlocked():
    config.batchsize = config.optimizer.lr = 1
    config.model.depth = config.objectives.mine = 1  # Checked elsewhere.
  assert setup.describe_own_fields(config) == (
    'only code of your own can read these fields: batchsize (not batch_size?), '
    'optimizer.lr'
  )


@pytest.mark.parametrize('name', ['ema_decay', 'optimizer'])
def test_a_missing_field_is_named(name):
  config = default.get_config()
  with config.unlocked():
    del config[name]
  with pytest.raises(errors.UserError, match=f'the config has no {name}'):
    setup.create_setup(config)
