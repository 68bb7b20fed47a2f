"""Serves a web page on which visitors paint holes into photos and fill them.

  pip install 'inpaint_jax[demo]'
  inpaint-jax-demo

Then open the address that the command prints in a browser. Ctrl-C ends it.
"""

from collections.abc import Sequence
import signal
import threading

from absl import flags

from inpaint_jax.system import command_line, errors

_GUIDE = flags.DEFINE_string(
  'guide',
  '',
  'The guide that is chosen at first, none unless given: the name of a model '
  'that comes with the package, the folder of a training run, a released file '
  'or its address.',
)
flags.DEFINE_alias('model', 'guide')
_HOST = flags.DEFINE_string(
  'host',
  '127.0.0.1',
  'Address to listen at. 0.0.0.0 opens the page, without a password, to '
  'everyone who can reach this computer.',
)
_PORT = flags.DEFINE_integer(
  'port', None, 'Port; the first free one from 7860 unless given.', 1, 65535
)
_MAX_MEGABYTES = flags.DEFINE_float(
  'max_megabytes', 50, 'Larger files are refused.', 0.1
)
_MAX_MEGAPIXELS = flags.DEFINE_float(
  'max_megapixels', 50, 'Larger photos are refused.', 0.001, 150
)


def main(argv: Sequence[str]) -> None:
  """Serves the page until it is interrupted."""
  command_line.check_flags(argv)
  errors.check_installed('gradio', 'the page', 'demo')
  import jax

  from inpaint_jax.demo import guard, photo, server, workers
  from inpaint_jax.system import devices

  devices.check_any()
  guides = workers.list_guides(_GUIDE.value)
  pool = workers.Workers(guides, jax.local_devices())
  limits = photo.Limits(
    max_bytes=int(_MAX_MEGABYTES.value * 1e6),
    max_pixels=int(_MAX_MEGAPIXELS.value * 1e6),
  )
  stop = threading.Event()
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())
  with server.running(pool, limits, _HOST.value, _PORT.value) as address:
    guard.refuse_connections()
    print(f'open {address} in a browser; Ctrl-C ends it', flush=True)
    stop.wait()
