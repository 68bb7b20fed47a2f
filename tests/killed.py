"""Starts main.py and ends it at a chosen moment; used by the tests of main.py.

  python tests/killed.py MOMENT FLAGS OF MAIN

Moments, N counted from this start of main.py:
  step=N   SIGKILL after train step N was dispatched, before it is read
  val=N    SIGKILL in validation N
  save=N   SIGKILL when checkpoint N, best and latest counted together, is
           written completely but not yet renamed
  row=N    SIGKILL when half of row N of metrics.csv is written
  term=N   SIGTERM after train step N, which main.py answers by saving
  end=0    never

--config.model.name=tiny is the model of tiny_model.py.
"""

import os
import pathlib
import runpy
import signal
import sys

import tiny_model

from inpaint_jax import models
from inpaint_jax.runs import checkpoints
from inpaint_jax.training import console, evaluate, writer

ROOT = pathlib.Path(__file__).parents[1]


def _call_on(module, name, number, action):
  """Calls action() at the start of the `number`-th call of module.name."""
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
  """Kills the process when it next renames a folder of Orbax."""
  for name in ('rename', 'replace'):
    real = getattr(os, name)

    def rename(source, target, *args, _real=real, **kwargs):
      if 'orbax-checkpoint-tmp' in str(source):
        _kill()
      return _real(source, target, *args, **kwargs)

    setattr(os, name, rename)


def _half_a_row(self, step, values):
  """Replaces Writer.row: writes half a row and kills the process."""
  del values
  self._file.write(f'{step},0.12')
  self._file.flush()
  _kill()


def _halve_rows():
  """Lets a kill cut the next row of metrics.csv short."""
  writer.Writer.row = _half_a_row


def main():
  moment, number = sys.argv[1].split('=')
  module, name, action = {
    'step': (console.Console, 'advance', _kill),
    'term': (
      console.Console,
      'advance',
      lambda: os.kill(os.getpid(), signal.SIGTERM),
    ),
    'val': (evaluate, 'evaluate_split', _kill),
    'save': (checkpoints, 'save', _kill_on_rename),
    'row': (console.Console, 'log_train', _halve_rows),
    'end': (console.Console, 'advance', None),
  }[moment]
  _call_on(module, name, int(number), action)
  models.MODELS['tiny'] = tiny_model.Tiny
  sys.path.insert(0, str(ROOT))
  sys.argv = [str(ROOT / 'main.py'), *sys.argv[2:]]
  runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
  main()
