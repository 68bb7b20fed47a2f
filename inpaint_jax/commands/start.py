"""The entry points of the commands.

A command imports modules for a second before it reads its flags; Ctrl-C prints
one line in that second, too.
"""

import functools
import importlib
import os
import sys


def _start(name: str) -> None:
  try:
    command = importlib.import_module(f'inpaint_jax.commands.{name}')
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr, flush=True)
    # Skips exit handlers: those of a half-imported library may fail.
    os._exit(130)
  command.run()


compare = functools.partial(_start, 'compare')
demo = functools.partial(_start, 'demo')
export = functools.partial(_start, 'export')
fill = functools.partial(_start, 'fill')
prepare_data = functools.partial(_start, 'prepare_data')
release = functools.partial(_start, 'release')
score = functools.partial(_start, 'score')
speed = functools.partial(_start, 'speed')
study = functools.partial(_start, 'study')
train = functools.partial(_start, 'train')
