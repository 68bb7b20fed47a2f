"""What the server of the page answers, to whom, and what it then forgets.

Gradio's server does more than the page needs: it relays, fetches addresses,
counts visits, edits programs. All is shut here that is not in a list. The files
that pass through it are deleted as their page is closed, see sessions.py.
"""

from collections.abc import Awaitable, Callable, MutableMapping
import http.cookies
import json
import pathlib
import re
import secrets
import sys
from typing import Any

from inpaint_jax.demo.sessions import Sessions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What a browser asks for while the page is used.
_OPEN = re.compile(
  r'/|/(config|theme\.css|favicon\.ico|manifest\.json)|/(assets|static)/.+'
  r'|/gradio_api/(app_id|cancel|component_server|queue/data|queue/join|reset'
  r'|startup-events|upload|upload_progress)/?'
  r'|/gradio_api/heartbeat/[^/]+'
)
_API = '/gradio_api/'
_FILE, _UPLOAD, _HEARTBEAT = (
  _API + 'file=',
  _API + 'upload',
  _API + 'heartbeat/',
)
_COOKIE = 'inpaint_browser'

# The browser, too, refuses what is not of this server. Gradio's page has
# scripts and styles within its HTML, and draws from blobs.
_SECURITY_POLICY = '; '.join(
  (
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  )
)
_HEADERS = {
  'content-security-policy': _SECURITY_POLICY,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}


def refuse_connections() -> None:
  """From here on this process opens no connection; it still accepts them.

  A request can name an address where Gradio expects a file, which it would then
  fetch. There is no way back.
  """

  def hook(event: str, args: tuple[Any, ...]) -> None:
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):
      raise PermissionError('the page opens no connections')

  sys.addaudithook(hook)


class Guard:
  """ASGI middleware around Gradio's server."""

  def __init__(
    self,
    app: App,
    *,
    sessions: Sessions,
    max_body: int,
    hosts: tuple[str, ...] = (),
  ):
    """Wraps an application.

    Args:
      app: what answers that which passes.
      sessions: is told of pages and uploads.
      max_body: the most bytes that one request may send.
      hosts: the names by which the server may be called, such as 'localhost';
        none is any. Another site can have its own name point at this computer,
        but cannot make a browser call it by another.
    """
    self._app = app
    self._sessions = sessions
    self._max_body = max_body
    self._hosts = hosts
    self._uploading = 0

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    path = scope['path']
    headers = dict(scope['headers'])
    browser = _cookie(headers)
    if self._hosts and _host(headers) not in self._hosts:
      await _refuse(send, 400, 'unknown host')
    elif not self._is_open(path):
      await _refuse(send, 404, 'not found')
    elif _length(headers) > self._max_body:
      await _refuse(send, 413, 'too large')
    elif path.rstrip('/') == _UPLOAD:
      await self._upload(browser, scope, receive, send)
    elif path.startswith(_HEARTBEAT):
      # The browser holds this request for as long as the page is open.
      self._sessions.open_page(browser)
      try:
        await self._app(scope, receive, send)
      finally:
        page = path.removeprefix(_HEARTBEAT)
        self._sessions.close_page(browser, page)
    else:
      receive = _limited(receive, self._max_body)
      await self._app(scope, receive, _with_headers(send, path, browser))

  def _is_open(self, path: str) -> bool:
    if path.startswith(_FILE):
      return self._sessions.holds(path.removeprefix(_FILE))
    return _OPEN.fullmatch(path) is not None

  async def _upload(
    self, browser: str, scope: Scope, receive: Receive, send: Send
  ) -> None:
    if not self._sessions.has_page(browser):
      await _refuse(send, 403, 'the page is closed')
      return
    body = bytearray()

    async def listen(message: Message) -> None:
      body.extend(message.get('body', b''))
      if message['type'] == 'http.response.body' and not message.get(
        'more_body'
      ):
        self._note(browser, bytes(body))
      await send(message)

    receive = _limited(receive, self._max_body)
    send_on = _with_headers(listen, _UPLOAD, browser)
    self._uploading += 1
    try:
      await self._app(scope, receive, send_on)
    finally:
      self._uploading -= 1
      if not self._uploading:
        self._sessions.drop_strays()

  def _note(self, browser: str, body: bytes) -> None:
    """Notes the paths that Gradio answered an upload with, if it did."""
    try:
      paths = json.loads(body)
    except ValueError:
      return
    if isinstance(paths, list):
      paths = [pathlib.Path(path) for path in paths]
      self._sessions.add_uploads(browser, paths)


def _host(headers: dict[bytes, bytes]) -> str:
  """Returns the name in the Host header, without its port."""
  host = headers.get(b'host', b'').decode('latin-1').lower()
  return re.sub(r':\d*$', '', host)


def _length(headers: dict[bytes, bytes]) -> int:
  length = headers.get(b'content-length', b'')
  return int(length) if length.isdigit() else 0


def _cookie(headers: dict[bytes, bytes]) -> str:
  """Returns what a browser is known by, '' if it has no cookie (yet)."""
  cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
  try:
    cookies.load(headers.get(b'cookie', b'').decode('latin-1'))
  except http.cookies.CookieError:
    return ''
  return cookies[_COOKIE].value if _COOKIE in cookies else ''


def _limited(receive: Receive, limit: int) -> Receive:
  """Treats the sender of a body longer than `limit` as one who has gone."""
  left = limit

  async def counted() -> Message:
    nonlocal left
    message = await receive()
    left -= len(message.get('body', b''))
    return message if left >= 0 else {'type': 'http.disconnect'}

  return counted


def _with_headers(send: Send, path: str, browser: str) -> Send:
  added = dict(_HEADERS)
  if path.startswith(_API):
    # Photos are not to stay in the browser's cache either.
    added['cache-control'] = 'no-store'
  if path == '/' and not browser:
    value = secrets.token_urlsafe(16)
    added['set-cookie'] = f'{_COOKIE}={value}; HttpOnly; SameSite=Strict'

  async def wrapped(message: Message) -> None:
    if message['type'] == 'http.response.start':
      kept = [h for h in message['headers'] if h[0].decode() not in _HEADERS]
      new = [(name.encode(), value.encode()) for name, value in added.items()]
      message = {**message, 'headers': [*kept, *new]}
    await send(message)

  return wrapped


async def _refuse(send: Send, status: int, reason: str) -> None:
  body = json.dumps({'detail': reason}).encode()
  headers = [
    (b'content-type', b'application/json'),
    (b'content-length', str(len(body)).encode()),
  ]
  await send(
    {'type': 'http.response.start', 'status': status, 'headers': headers}
  )
  await send({'type': 'http.response.body', 'body': body})
