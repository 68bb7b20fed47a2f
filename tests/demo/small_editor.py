"""Serves the page as scripts/demo.py does, with a small editor.

Without a GPU, Chromium takes seconds for each copy of 1024 pixels a side that
the editor makes; a tenth of the pixels is enough to show where strokes lie.
"""

import pathlib
import runpy
import sys

ROOT = pathlib.Path(__file__).parents[2]

if __name__ == '__main__':
  sys.path[0] = str(ROOT / 'scripts')
  # Import the server first, so that its limits stay those of large copies.
  from inpaint_jax.demo import photo, server

  del server
  photo.EDITOR_SIDE = 320
  runpy.run_path(str(ROOT / 'scripts' / 'demo.py'), run_name='__main__')
