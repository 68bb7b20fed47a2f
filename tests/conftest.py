"""What all tests share: the CPU, strict ranks, tiny data, a trained run."""

import contextlib
import os
import tempfile

# Before JAX starts. Compiled programs are shared by all processes of the tests.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ.setdefault(
  'JAX_COMPILATION_CACHE_DIR',
  os.path.join(tempfile.gettempdir(), f'inpaint_jax_tests_{os.getuid()}'),
)
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.5'

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')


@contextlib.contextmanager
def _compiling_quickly():
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture
def quick_compile():
  """For tests that compile much and compute little."""
  with _compiling_quickly():
    yield


@pytest.fixture(scope='session')
def data_dir(tmp_path_factory):
  """Where the tests build datasets."""
  return tmp_path_factory.mktemp('data')


@pytest.fixture
def config(data_dir):
  """configs/smoke.py, with its dataset among the tests' own."""
  from configs import smoke

  config = smoke.get_config()
  config.data.data_dir = str(data_dir)
  return config.lock()


@pytest.fixture(scope='session')
def trained(data_dir, tmp_path_factory):
  """The folder of a run of configs/smoke.py that went to its end."""
  from configs import smoke
  from inpaint_jax.training import train

  config = smoke.get_config()
  config.data.data_dir = str(data_dir)
  workdir = tmp_path_factory.mktemp('trained')
  with _compiling_quickly():
    train.train_and_evaluate(config, workdir)
  return workdir
