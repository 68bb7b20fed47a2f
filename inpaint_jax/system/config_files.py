"""The configs, which lie beside the package, or in it when installed."""

import pathlib
import runpy
import sys
import types

import ml_collections


def folder() -> pathlib.Path:
  """Returns the folder of configs."""
  package = pathlib.Path(__file__).parents[1]
  installed = package / 'configs'
  return installed if installed.is_dir() else package.parent / 'configs'


def make_importable() -> None:
  """Makes `from configs import default` work in any folder."""
  if 'configs' not in sys.modules:
    # An entry of sys.path would show the package's own folders as well.
    module = types.ModuleType('configs')
    module.__path__ = [str(folder())]
    sys.modules['configs'] = module


def default(preset: str = '') -> ml_collections.ConfigDict:
  """Returns configs/default.py, whatever else is called `configs` here."""
  return runpy.run_path(str(folder() / 'default.py'))['get_config'](preset)
