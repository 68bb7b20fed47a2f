"""What the guard lets pass, and what it adds."""

import json
import subprocess
import sys

import pytest

pytest.importorskip('starlette', reason='needs the extra [demo]')

import starlette.applications
import starlette.responses
import starlette.routing
import starlette.testclient

from inpaint_jax.demo import guard
from inpaint_jax.demo.sessions import Sessions
from tests.demo.inputs import put_upload

COOKIE = {'cookie': 'inpaint_browser=abc'}


@pytest.fixture
def sessions(tmp_path):
  return Sessions(tmp_path)


class Server:
  """An application behind a guard that answers with `answer`."""

  def __init__(self, sessions):
    self.answer = []
    self.bodies = []
    app = starlette.applications.Starlette(
      routes=[
        starlette.routing.Route(
          '/{path:path}', self.reply, methods=['GET', 'POST']
        )
      ]
    )
    app.add_middleware(guard.Guard, sessions=sessions, max_bytes=1000)
    self.client = starlette.testclient.TestClient(app)

  async def reply(self, request):
    self.bodies.append(await request.body())
    return starlette.responses.JSONResponse(
      self.answer, headers={'set-cookie': 'other=1'}
    )


@pytest.fixture
def server(sessions):
  return Server(sessions)


@pytest.mark.parametrize(
  'path',
  [
    '/gradio_api/proxy=http://example.com/',
    '/gradio_api/file=http://example.com/',
    '/gradio_api/file=https://example.com/',
    '/gradio_api/info',
    '/gradio_api/run/predict',
    '/gradio_api/call/load_photo',
    '/gradio_api/vibe-edit',
    '/gradio_api/process_recording',
    '/gradio_api/deep_link',
    '/monitoring',
    '/monitoring/summary',
    '/docs',
    '/login',
  ],
)
def test_what_the_page_does_not_need_is_closed(server, path):
  assert server.client.get(path).status_code == 404
  assert not server.bodies


def test_headers_and_the_cookie_are_added(server):
  headers = server.client.get('/').headers
  assert "default-src 'self'" in headers['content-security-policy']
  assert headers['x-content-type-options'] == 'nosniff'
  assert 'cache-control' not in headers
  _, cookie = headers.get_list('set-cookie')
  assert cookie.startswith('inpaint_browser=')
  assert cookie.endswith('; HttpOnly; SameSite=Strict')
  # The client now has the cookie, so it is not set again.
  assert server.client.get('/').headers['set-cookie'] == 'other=1'
  headers = server.client.get('/gradio_api/queue/data').headers
  assert headers['cache-control'] == 'no-store'


@pytest.mark.parametrize('body', [b'x' * 1001, iter([b'x' * 600] * 2)])
def test_bodies_are_limited(server, body):
  post = server.client.post
  assert post('/gradio_api/queue/join', content=b'x' * 1000).status_code == 200
  assert post('/gradio_api/queue/join', content=body).status_code == 413
  assert len(server.bodies) == 1


def test_uploads_need_an_open_page_and_end_with_it(server, sessions, tmp_path):
  upload = put_upload(tmp_path, 'copy.png', b'x')
  server.answer = [str(upload)]

  def send():
    return server.client.post('/gradio_api/upload', headers=COOKIE).status_code

  assert send() == 403
  sessions.open_page('other', 'abc')
  assert send() == 200
  with sessions.new_photo('other') as photo:
    pass
  # A page is closed when its heartbeat ends; the other one is still open.
  server.client.get('/gradio_api/heartbeat/page', headers=COOKIE)
  assert upload.exists()
  server.client.get('/gradio_api/heartbeat/other', headers=COOKIE)
  assert not upload.parent.exists()
  assert not photo.folder.exists()
  assert send() == 403


@pytest.mark.slow
def test_a_process_that_refuses_connections_opens_none():
  code = """
import json, socket
from inpaint_jax.demo import guard
listener = socket.create_server(('127.0.0.1', 0))
socket.create_connection(listener.getsockname()).close()
guard.refuse_connections()
refused = []
for call in (
  lambda: socket.create_connection(listener.getsockname()),
  lambda: socket.getaddrinfo('localhost', 80),
):
  try:
    call()
  except PermissionError:
    refused.append(True)
print(json.dumps(refused))
"""
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True
  )
  assert result.returncode == 0, result.stderr
  assert json.loads(result.stdout) == [True, True]
