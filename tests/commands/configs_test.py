"""The configs: their presets, and that no field is forgotten."""

import ml_collections
import pytest

from configs import default, encoder_decoder, smoke, unet
from inpaint_jax.training import evaluate, train


def test_landscapes_is_the_reference_recipe():
  config = unet.get_config('landscapes')
  assert config.model.name == 'unet'
  data = config.data
  assert (data.num_train, data.num_val, data.num_test) == (10000, 2000, 10000)
  assert (data.dataset, data.image_size) == ('photo_crops', 256)
  assert (config.batch_size, config.num_epochs) == (32, 20)
  assert (config.optimizer.name, config.optimizer.learning_rate) == (
    'adam',
    1e-3,
  )
  assert (config.loss, config.early_stopping_patience) == ('mse', 3)


def test_the_nets_share_everything_but_the_net():
  for preset in ('', 'landscapes'):
    ours, theirs = unet.get_config(preset), encoder_decoder.get_config(preset)
    assert theirs.model.name == 'encoder_decoder'
    theirs.model.name = 'unet'
    assert ours.to_dict() == theirs.to_dict()


@pytest.mark.parametrize('module', [default, unet, encoder_decoder, smoke])
def test_an_unknown_preset_names_the_choices(module):
  with pytest.raises(ValueError, match="'photos' is unknown; choose: landsca"):
    module.get_config('photos')


def _fields(config, prefix=''):
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict):
      yield from _fields(value, f'{prefix}{name}.')
    else:
      yield prefix + name


def _sections(config, prefix=''):
  """Yields (id, prefix of its fields) of a config and all its sections."""
  yield id(config), prefix
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict):
      yield from _sections(value, f'{prefix}{name}.')


@pytest.mark.slow
@pytest.mark.usefixtures('tiny_features')
def test_every_field_is_read_by_a_run(tiny, tmp_path, monkeypatch):
  """A field that nothing reads would have no effect."""
  with tiny.unlocked():
    tiny.forgotten = 1
  # A run does not read the fields of objectives that are off.
  tiny.objectives.adversarial = tiny.objectives.perceptual = 0.01
  tiny.discriminator.features = (4,)
  fields = set(_fields(tiny))
  sections = dict(_sections(tiny))
  # Writing config.json reads all fields, which must not count.
  content = tiny.to_dict()
  monkeypatch.setattr(type(tiny), 'to_dict', lambda self: content)
  seen = set()
  real = ml_collections.ConfigDict.__getitem__

  def recorded(self, name):
    if id(self) in sections:
      seen.add(sections[id(self)] + name)
    return real(self, name)

  monkeypatch.setattr(ml_collections.ConfigDict, '__getitem__', recorded)
  # The nets of LPIPS take seconds, and read no field.
  monkeypatch.setattr(evaluate.lpips, 'load', lambda *args: None)
  train.train_and_evaluate(tiny, tmp_path)
  assert fields - seen == {'forgotten'}
