"""Where what was downloaded, built or compiled is kept."""

import os
import pathlib


def folder(variable: str, name: str) -> pathlib.Path:
  """Returns a folder of the user's cache, which need not exist yet.

  Args:
    variable: of the environment; if it is set, it names the folder.
    name: of the folder within inpaint_jax/ in the user's cache folder, which is
      $XDG_CACHE_HOME or ~/.cache.
  """
  setting = os.environ.get(variable, '')
  if setting:
    return pathlib.Path(setting).expanduser().absolute()
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(home) / 'inpaint_jax' / name
