"""Starts main.py and kills it at a chosen moment; used by main_test.py.

  python tests/killed.py MOMENT FLAGS OF MAIN

MOMENT is step=N (SIGKILL as step N begins), save=N (SIGKILL when the N-th
checkpoint is all written and only its renaming is missing) or term=N (SIGTERM
as step N begins, which main.py answers by saving).
"""

import os
import pathlib
import runpy
import signal
import sys

from inpaint_jax import checkpoints, sharding

ROOT = pathlib.Path(__file__).parents[1]


def _call_on(module, name, number, action):
  """Makes the `number`-th call of module.name begin with action()."""
  real, calls = getattr(module, name), []

  def counted(*args, **kwargs):
    calls.append(None)
    if len(calls) == number:
      action()
    return real(*args, **kwargs)

  setattr(module, name, counted)


def _kill():
  os.kill(os.getpid(), signal.SIGKILL)


def _kill_on_rename():
  """From now on, the renaming of an Orbax folder ends the process."""
  for name in ('rename', 'replace'):
    real = getattr(os, name)

    def rename(source, target, *args, _real=real, **kwargs):
      if 'orbax-checkpoint-tmp' in str(source):
        _kill()
      return _real(source, target, *args, **kwargs)

    setattr(os, name, rename)


def main():
  moment, number = sys.argv[1].split('=')
  number = int(number)
  if moment == 'step':
    _call_on(sharding, 'put_batch', number, _kill)
  elif moment == 'term':
    _call_on(
      sharding,
      'put_batch',
      number,
      lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
  else:
    _call_on(checkpoints, 'save', number, _kill_on_rename)
  sys.path.insert(0, str(ROOT))
  sys.argv = [str(ROOT / 'main.py'), *sys.argv[2:]]
  runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
  main()
