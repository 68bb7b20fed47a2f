"""The entry points of the commands.

A command imports modules for a second before it reads its flags; Ctrl-C prints
one line in that second, too.
"""

import functools
import importlib
import os
import sys


def _start(
  name: str, default_config: str | None = None, huge_pages: bool = False
) -> None:
  """Calls the function `main` of a command; see command_line.run."""
  try:
    from inpaint_jax.system import command_line, machine

    if huge_pages:
      machine.use_huge_pages()
    command = importlib.import_module(f'inpaint_jax.commands.{name}')
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr, flush=True)
    # Skips exit handlers: those of a half-imported library may fail.
    os._exit(130)
  command_line.run(command.main, default_config)


compare = functools.partial(_start, 'compare')
demo = functools.partial(_start, 'demo')
export = functools.partial(_start, 'export')
fill = functools.partial(_start, 'fill')
prepare_data = functools.partial(_start, 'prepare_data')
release = functools.partial(_start, 'release')
score = functools.partial(_start, 'score')
# PyTorch is faster with huge pages, too.
speed = functools.partial(
  _start, 'speed', default_config='configs/unet.py', huge_pages=True
)
study = functools.partial(
  _start, 'study', default_config='configs/study.py:small', huge_pages=True
)
train = functools.partial(
  _start, 'train', default_config='configs/unet.py', huge_pages=True
)
