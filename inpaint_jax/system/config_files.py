"""Finds the configs, which lie next to the package, or in it if installed."""

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
    # An entry in sys.path would make the package's own folders importable, too.
    module = types.ModuleType('configs')
    module.__path__ = [str(folder())]
    sys.modules['configs'] = module


def default(preset: str = '') -> ml_collections.ConfigDict:
  """Returns our configs/default.py, even if another module is `configs`."""
  return runpy.run_path(str(folder() / 'default.py'))['get_config'](preset)
