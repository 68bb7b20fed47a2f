"""Starting the page and stopping it, with nothing left behind."""

from collections.abc import Iterator, Sequence
import contextlib
import os
import pathlib
import tempfile

import gradio as gr
import PIL.Image
from starlette.middleware import Middleware

from inpaint_jax.demo import examples, guard, page, work
from inpaint_jax.demo.sessions import Sessions
from inpaint_jax.demo.workers import Workers
from inpaint_jax.system import errors

_LOOPBACK = ('127.0.0.1', 'localhost', '[::1]')
# Of the requests that send no file.
_SLACK = 2_000_000
# Of the copies that the editor uploads, RGBA, with nothing to compress.
_COPY = 6 * work.EDITOR_SIDE**2
# Visitors who may wait for a picture to be filled.
_MAX_WAITING = 20
# Width of an example's little picture.
_THUMBNAIL = 320


@contextlib.contextmanager
def running(
  workers: Workers,
  models: Sequence[str],
  *,
  limits: work.Limits,
  host: str = '127.0.0.1',
  port: int | None = None,
) -> Iterator[str]:
  """Serves the page within the context; all files are gone behind it.

  All temporary files of the process go into one folder in the meantime, and
  Gradio's variables of the environment are ignored.

  Args:
    workers: fill the pictures.
    models: what a visitor can choose from; the first is chosen.
    limits: what a visitor may send.
    host: the address to listen at; 0.0.0.0 is all of this computer.
    port: the first free one from 7860 unless given.

  Yields:
    The page's address.

  Raises:
    errors.UserError: the port is taken, or the address is not this computer's.
  """
  with tempfile.TemporaryDirectory(
    prefix='inpaint_jax_demo_', ignore_cleanup_errors=True
  ) as folder:
    root = pathlib.Path(folder).resolve()
    given = tempfile.tempdir
    (root / 'other').mkdir()
    tempfile.tempdir = str(root / 'other')
    os.environ['GRADIO_TEMP_DIR'] = str(root)
    sessions = Sessions(root)
    blocks = page.build(
      page.Handlers(sessions, limits, workers),
      _draw_thumbnails(root / 'examples'),
      models,
      workers.count,
    )
    try:
      _launch(blocks, sessions, limits, host, port)
      yield blocks.local_url
    finally:
      blocks.close(verbose=False)
      tempfile.tempdir = given


def _launch(
  blocks: gr.Blocks,
  sessions: Sessions,
  limits: work.Limits,
  host: str,
  port: int | None,
) -> None:
  # What is too large for a photo but not for a copy is refused when it is read.
  max_bytes = max(int(limits.megabytes * 1e6), _COPY)
  middleware = Middleware(
    guard.Guard,
    sessions=sessions,
    max_body=max_bytes + _SLACK,
    hosts=_LOOPBACK if host in _LOOPBACK else (),
  )
  # Gradio calls on the server once to see that it answers.
  os.environ['NO_PROXY'] = '*'
  try:
    blocks.queue(max_size=_MAX_WAITING, api_open=False).launch(
      server_name=host,
      server_port=port,
      prevent_thread_lock=True,
      quiet=True,
      inbrowser=False,
      share=False,
      show_error=False,
      max_file_size=max_bytes,
      allowed_paths=[],
      enable_monitoring=False,
      footer_links=[],
      run_history=False,
      mcp_server=False,
      pwa=False,
      ssr_mode=False,
      theme=page.theme(),
      css=page.CSS,
      app_kwargs={'middleware': [middleware]},
    )
  except OSError as error:
    where = host if port is None else f'{host}:{port}'
    raise errors.UserError(
      f'nothing can listen at {where}, which is taken or not of this computer; '
      'choose another --port or --host'
    ) from error


def _draw_thumbnails(folder: pathlib.Path) -> list[pathlib.Path]:
  folder.mkdir()
  paths = []
  for number in range(len(examples.NAMES)):
    paths.append(folder / f'example{number + 1}.png')
    PIL.Image.fromarray(examples.draw(number, _THUMBNAIL)).save(paths[-1])
  return paths
