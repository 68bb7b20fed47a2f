"""Finds the configs, which lie next to the package, or in it if installed."""

import contextlib
import os
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
  """Makes `from configs import default` work in any folder.

  The user's modules of the current folder can be imported, too.
  """
  if 'configs' not in sys.modules:
    # An entry in sys.path would make the package's own folders importable, too.
    module = types.ModuleType('configs')
    module.__path__ = [str(folder())]
    sys.modules['configs'] = module
  # Of a script, sys.path has the script's own folder instead. The last place
  # hides no other module. A folder that was deleted has no path.
  with contextlib.suppress(FileNotFoundError):
    if not {'', os.getcwd()} & set(sys.path):
      sys.path.append(os.getcwd())


def default(preset: str = '') -> ml_collections.ConfigDict:
  """Returns our configs/default.py, even if another module is `configs`."""
  path = folder() / 'default.py'
  if path.exists():
    return runpy.run_path(str(path))['get_config'](preset)
  # A program that was made of this package may have no .py files.
  from inpaint_jax.configs import default as ours

  return ours.get_config(preset)
