"""The minimal training loop: it does what main.py does."""

import importlib.util
import pathlib

import jax
import numpy as np
import pytest

from inpaint_jax.training import train

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'minimal_training.py'


@pytest.mark.slow
def test_it_ends_with_the_parameters_of_a_run(tiny, tmp_path, capsys):
  spec = importlib.util.spec_from_file_location('minimal_training', SCRIPT)
  script = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(script)
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
