"""Starts and stops the page, and leaves no files behind."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import tempfile

import PIL.Image
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from inpaint_jax.demo import examples, guard, page
from inpaint_jax.demo.photo import EDITOR_SIDE, Limits
from inpaint_jax.demo.sessions import Sessions
from inpaint_jax.demo.workers import Workers
from inpaint_jax.system import errors

_LOOPBACK = ('127.0.0.1', 'localhost', '[::1]')
# Room in a request for bytes other than those of its file.
_SLACK = 2_000_000
# Bytes of an RGBA copy that the editor uploads, if nothing in it compresses.
_COPY = 6 * EDITOR_SIDE**2
# Visitors who may wait for a photo to be filled.
_MAX_WAITING = 20
# Width of an example's small copy.
_THUMBNAIL = 320


def _draw_thumbnails(folder: pathlib.Path) -> list[pathlib.Path]:
  folder.mkdir()
  paths = []
  for number in range(len(examples.NAMES)):
    paths.append(folder / f'example{number + 1}.png')
    image = PIL.Image.fromarray(examples.draw(number, _THUMBNAIL))
    image.save(paths[-1])
  return paths


@contextlib.contextmanager
def running(
  workers: Workers,
  limits: Limits,
  host: str = '127.0.0.1',
  port: int | None = None,
) -> Iterator[str]:
  """Serves the page within the context, then deletes all its files.

  Args:
    host: the address to listen at; 0.0.0.0 = all addresses of this computer.
    port: the port; None = the first free one from 7860.

  Yields:
    The page's address.

  Raises:
    errors.UserError: the port is taken, or the address is not this computer's.
  """
  with tempfile.TemporaryDirectory(
    prefix='inpaint_jax_demo_', ignore_cleanup_errors=True
  ) as folder:
    root = pathlib.Path(folder).resolve()
    # Gradio serves the files of both; the default of the second is '.gradio'.
    os.environ['GRADIO_TEMP_DIR'] = str(root)
    os.environ['GRADIO_EXAMPLES_CACHE'] = str(root)
    # Gradio sends the server a request to see that it answers.
    os.environ['NO_PROXY'] = '*'
    sessions = Sessions(root)
    thumbnails = _draw_thumbnails(root / 'examples')
    blocks = page.build(page.Page(sessions, limits, workers), thumbnails)
    # A file too large for a photo but not for a copy is refused by its reader.
    max_bytes = max(limits['max_bytes'], _COPY)
    hosts = _LOOPBACK if host in _LOOPBACK else ('*',)
    middleware = [
      Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
      Middleware(guard.Guard, sessions=sessions, max_bytes=max_bytes + _SLACK),
    ]
    try:
      _, address, _ = blocks.queue(max_size=_MAX_WAITING).launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        max_file_size=max_bytes,
        footer_links=[],
        run_history=False,
        theme=page.THEME,
        css=page.CSS,
        app_kwargs={'middleware': middleware},
      )
    except OSError as error:
      where = f'host={host}' + (f', port={port}' if port else '')
      raise errors.UserError(
        f'nothing can listen at {where}: it is taken, or not of this computer; '
        'choose another'
      ) from error
    try:
      yield address
    finally:
      blocks.close(verbose=False)
