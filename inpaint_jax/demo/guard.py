"""Protects visitors and this computer. Each protection, and what provides it:

- Only this computer is served by default: Gradio, `server_name`.
- Other names in the Host header are refused: Starlette, TrustedHostMiddleware.
- Other sites can read no answer: Gradio, `strict_cors`. Nor can they send a
  file: uploads need the cookie that is set here.
- Sizes are limited: of a file by Gradio, `max_file_size`; of a whole request by
  the Guard; of a photo by photos.reading; of the queue by Gradio,
  `queue(max_size)`.
- Files are served from the page's folder alone: Gradio, under names that nobody
  can guess (uploads: a hash with a secret seed; the rest: sessions.py).
- What Gradio serves beyond the page (it relays, fetches addresses, converts
  videos, edits programs) is closed: the Guard.
- No request goes to another host: Gradio without analytics and web fonts. The
  Guard's headers hold the browser to this, `refuse_connections` the server.
- Files are deleted when their page is closed: the Guard and sessions.py,
  not by a `gr.State`, which is kept for an hour after the page.
"""

import dataclasses
import json
import re
import secrets
import sys
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inpaint_jax.demo.sessions import Sessions

_API = '/gradio_api/'
_UPLOAD = _API + 'upload'
_HEARTBEAT = _API + 'heartbeat/'
_COOKIE = 'inpaint_browser'

# The paths that a browser requests while the page is used.
_OPEN = re.compile(
  r'/|/(config|theme\.css|favicon\.ico|manifest\.json)|/(assets|static)/.+'
  r'|/gradio_api/(app_id|cancel|component_server|queue/data|queue/join|reset'
  r'|startup-events|upload|upload_progress)'
  r'|/gradio_api/heartbeat/[^/]+|/gradio_api/file=(?!http).+'
)
# Gradio's page has scripts and styles in its HTML, and draws from blobs.
_HEADERS = {
  'content-security-policy': (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; "
    "font-src 'self' data:; "
    "connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
  ),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}


def refuse_connections() -> None:
  """Makes this process refuse to open connections; it still accepts them.

  If a request names an address where Gradio expects a file, Gradio would fetch
  it. A call cannot be undone.
  """

  def hook(event: str, args: tuple[Any, ...]) -> None:
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):
      raise PermissionError('the page opens no connections')

  sys.addaudithook(hook)


@dataclasses.dataclass
class Guard:
  """ASGI middleware around Gradio's server.

  Attributes:
    max_bytes: the largest number of bytes that a request may send.
  """

  app: ASGIApp
  sessions: Sessions
  max_bytes: int

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'http':
      await self.app(scope, receive, send)
      return
    path = scope['path']
    browser = Request(scope).cookies.get(_COOKIE, '')
    receive = _limited(receive, self.max_bytes, path == _UPLOAD)
    send = self._watch(send, path, browser)
    if not _OPEN.fullmatch(path):
      await PlainTextResponse('not found', 404)(scope, receive, send)
    elif path == _UPLOAD and not self.sessions.has_page(browser):
      await PlainTextResponse('no page is open', 403)(scope, receive, send)
    elif path.startswith(_HEARTBEAT):
      # The browser holds this request for as long as the page is open.
      page = path.removeprefix(_HEARTBEAT)
      self.sessions.open_page(page, browser)
      try:
        await self.app(scope, receive, send)
      finally:
        self.sessions.close_page(page)
    else:
      await self.app(scope, receive, send)

  def _watch(self, send: Send, path: str, browser: str) -> Send:
    """Adds headers, and a cookie if the browser has none; notes uploads."""
    has_uploads = False

    async def watch(message: Message) -> None:
      nonlocal has_uploads
      if message['type'] == 'http.response.start':
        has_uploads = path == _UPLOAD and message['status'] == 200
        headers = MutableHeaders(scope=message)
        headers.update(_HEADERS)
        if path.startswith(_API):
          # Photos must not stay in the browser's cache either.
          headers['cache-control'] = 'no-store'
        if path == '/' and not browser:
          cookie = f'{_COOKIE}={secrets.token_urlsafe(16)}'
          headers.append('set-cookie', f'{cookie}; HttpOnly; SameSite=Strict')
      elif has_uploads:
        # Gradio's answer is a list of their paths.
        self.sessions.add_uploads(browser, json.loads(message['body']))
      await send(message)

    return watch


def _limited(receive: Receive, limit: int, is_upload: bool) -> Receive:
  """Raises for more than `limit` bytes, and for an upload that breaks off.

  Only at a MultiPartException does Gradio delete what it has of an upload.
  """
  left = limit

  async def limited() -> Message:
    nonlocal left
    message = await receive()
    left -= len(message.get('body', b''))
    if left < 0 and not is_upload:
      raise HTTPException(413, 'the request is too large')
    if left < 0:
      raise MultiPartException('more than the maximum allowed size')
    if is_upload and message['type'] == 'http.disconnect':
      raise MultiPartException('the upload broke off')
    return message

  return limited
