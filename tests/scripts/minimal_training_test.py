"""The minimal training loop: it does what main.py does."""

import importlib.util
import pathlib

import jax
import numpy as np
import pytest

from inpaint_jax.system import errors
from inpaint_jax.training import train

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'minimal_training.py'


@pytest.fixture
def script():
  spec = importlib.util.spec_from_file_location('minimal_training', SCRIPT)
  script = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(script)
  return script


def test_it_trains_no_discriminator(script, tiny):
  tiny.objectives.adversarial = 0.1
  with pytest.raises(errors.UserError, match=r'discriminator.*main\.py'):
    script.train(tiny, num_steps=1)


def test_it_trains_a_change_to_the_harmonic_fill(script, config):
  config.model.base = 'harmonic'
  assert script.train(config, num_steps=0)[0].params


@pytest.mark.slow
def test_it_ends_with_the_parameters_of_a_run(script, tiny, tmp_path, capsys):
  state, history = script.train(tiny, num_steps=10)
  assert np.mean(history[5:]) < np.mean(history[:5])
  assert 'step 10/10  loss 0.' in capsys.readouterr().out

  tiny.num_samples = 0
  wanted = train.train(tiny, tmp_path).state
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
    state.params,
    wanted.params,
  )
