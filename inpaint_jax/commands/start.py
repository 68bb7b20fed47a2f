"""The entry points of the commands.

A command imports modules for seconds, before it reads its flags and after that;
Ctrl-C and other signals that end it print one line in that time, too.
"""

import functools
import importlib

from inpaint_jax.system import interrupts


def _start(
  name: str, default_config: str | None = None, huge_pages: bool = False
) -> None:
  """Calls the function `main` of a command; see command_line.run."""
  interrupts.raise_at_end()
  from inpaint_jax.system import command_line, machine

  if huge_pages:
    machine.use_huge_pages()
  command = importlib.import_module(f'inpaint_jax.commands.{name}')
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
