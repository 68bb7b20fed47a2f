"""downloads.py: which addresses are allowed, and what enters the cache."""

import hashlib
import http.server
import os
import pathlib
import threading

import pytest

from inpaint_jax.release import downloads
from inpaint_jax.system import errors

CONTENT = b'0123456789' * 9_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
  """A server on this machine, whose answers a test chooses."""

  def __init__(self):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.answers, self.asked = {}, []
    self.release = threading.Event()

  def address(self, path):
    return f'http://127.0.0.1:{self.server_port}{path}'


class _Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.server.asked.append(self.path)
    answer = self.server.answers.get(self.path, (404, {}, b'nothing here'))
    if answer == 'silence':
      self.server.release.wait(20)
      return
    status, headers, body = answer
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name, value)
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, *args):
    pass


@pytest.fixture
def server(tmp_path, monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_MODELS', str(tmp_path / 'cache'))
  # A proxy that does not exist: it must not be used for this machine.
  monkeypatch.setenv('http_proxy', 'http://127.0.0.1:9')
  with _Server() as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()


def _whole():
  return 200, {'Content-Length': str(len(CONTENT))}, CONTENT


def _check(path):
  if path.read_bytes() != CONTENT:
    raise errors.UserError('no model')


def _assert_fetches(address):
  assert downloads.fetch(address, _check).read_bytes() == CONTENT


def _cached():
  """Returns the files in the cache, temporary ones included."""
  folder = pathlib.Path(os.environ['INPAINT_JAX_MODELS'])
  return sorted(folder.iterdir()) if folder.exists() else []


def test_an_address_is_asked_once(server, capsys):
  server.answers['/a/x.safetensors'] = _whole()
  address = server.address('/a/x.safetensors')
  for _ in range(2):
    _assert_fetches(address)
  assert server.asked == ['/a/x.safetensors']
  (cached,) = _cached()
  assert cached.name.endswith('.x.safetensors')
  err = capsys.readouterr().err
  assert err.count(DIGEST) == 2  # In the path, and on its own.
  assert str(cached) in err


def test_an_address_of_the_hub(server, monkeypatch):
  monkeypatch.setenv('HF_ENDPOINT', server.address('/'))
  for source, path in (
    ('hf://me/nets/a/x.safetensors', '/me/nets/resolve/main/a/x.safetensors'),
    ('hf://me/nets@v1/x.safetensors', '/me/nets/resolve/v1/x.safetensors'),
    ('hf://me/nets@pr%2F1/x', '/me/nets/resolve/pr%2F1/x'),
  ):
    server.answers[path] = _whole()
    _assert_fetches(source)
    assert server.asked[-1] == path
  monkeypatch.delenv('HF_ENDPOINT')
  assert downloads.parse_address('hf://me/nets/x')[0] == (
    'https://huggingface.co/me/nets/resolve/main/x'
  )


def test_the_digest_of_an_address_is_checked(server):
  server.answers['/x'] = _whole()
  address, digest = server.address('/x'), DIGEST
  wrong = f'{address}#sha256={"0" * 64}'
  with pytest.raises(errors.UserError, match=f'another SHA-256, {digest}'):
    downloads.fetch(wrong, _check)
  assert not _cached()
  _assert_fetches(f'{address}#sha256={digest.upper()}')
  downloads.fetch(address, _check)
  assert len(server.asked) == 2
  with pytest.raises(errors.UserError, match='another SHA-256'):
    downloads.fetch(wrong, _check)


def test_damage_to_the_cache_is_mended(server):
  server.answers['/x'] = _whole()
  downloads.fetch(server.address('/x'), _check)
  (cached,) = _cached()
  cached.write_bytes(cached.read_bytes()[:-1])
  _assert_fetches(server.address('/x'))
  assert len(server.asked) == 2
  assert len(_cached()) == 1


def test_a_redirect_is_followed(server):
  server.answers['/x'] = _whole()
  server.answers['/old'] = (302, {'Location': '/x'}, b'')
  _assert_fetches(server.address('/old'))


@pytest.mark.parametrize(
  'to', ['http://a.example/x', 'ftp://a.example/x', 'file:///etc/hostname']
)
def test_a_redirect_to_elsewhere_is_refused(server, to):
  server.answers['/x'] = (302, {'Location': to}, b'')
  with pytest.raises(errors.UserError, match=r'redirect|302'):
    downloads.fetch(server.address('/x'), _check)
  assert not _cached()


def test_an_address_that_is_none_is_one_line():
  with pytest.raises(errors.UserError, match=r'^https://\[a/x is no address: '):
    downloads.parse_address('https://[a/x')


def test_no_redirect_leads_from_https_to_this_machine():
  here = 'http://127.0.0.1:8000/x'
  downloads.check_allowed('https://b.example/x', 'https://a.example/x')
  downloads.check_allowed(here, here)
  with pytest.raises(
    errors.UserError, match=r'which https://a\.example/x redirects'
  ):
    downloads.check_allowed(here, 'https://a.example/x')


@pytest.mark.parametrize(
  ('source', 'message'),
  [
    ('http://a.example/x', 'an address with https:// or hf://'),
    ('http://127.0.0.1.a.example/x', 'an address with https:// or hf://'),
    ('http://127.0.0.1@a.example/x', 'an address with https:// or hf://'),
    ('http://[::1/x', 'an address with https:// or hf://'),
    ('ftp://a.example/x', 'an address with https:// or hf://'),
    ('file:///etc/hostname', 'an address with https:// or hf://'),
    ('hf://me/x.safetensors', 'wanted hf://OWNER/REPO/PATH'),
    ('hf://x', 'wanted hf://OWNER/REPO/PATH'),
    ('https://a.example/x y', 'contains spaces'),
    ('https://a.example/x\n', 'contains spaces'),
    ('https://a.example/x#md5=1', 'wanted #sha256='),
    ('https:///x', 'cannot be downloaded'),
  ],
)
def test_an_address_that_cannot_be(server, source, message):
  with pytest.raises(errors.UserError, match=message) as e:
    downloads.fetch(source, _check)
  assert '\n' not in str(e.value)


def test_errors_of_a_server(server, monkeypatch):
  """None of them leaves anything in the cache."""
  server.answers |= {
    '/page': (200, {}, b'<html>not found</html>'),
    '/short': (200, {'Content-Length': '99999'}, CONTENT),
    '/garbled': (200, {'Content-Length': '99999'}, b''),
    '/silent': 'silence',
    '/large': (200, {'Content-Length': '600000000'}, b''),
    '/endless': (200, {}, CONTENT),
  }
  for path, message in (
    ('/none', 'answered 404 Not Found'),
    ('/page', 'no model'),
    ('/short', r'ended after \d+ of 99999 bytes'),
    ('/garbled', 'ended after 0 of 99999 bytes'),
    ('/large', 'larger than 500 MB'),
    ('/silent', 'timed out'),
  ):
    if path == '/silent':
      monkeypatch.setattr(downloads, 'TIMEOUT', 0.2)
    with pytest.raises(errors.UserError, match=message) as e:
      downloads.fetch(server.address(path), _check)
    assert '\n' not in str(e.value)
  monkeypatch.setattr(downloads, 'TIMEOUT', 30)
  monkeypatch.setattr(downloads, 'MAX_BYTES', 20_000)
  with pytest.raises(errors.UserError, match=r'larger than 0\.02 MB'):
    downloads.fetch(server.address('/endless'), _check)
  assert not _cached()


def test_no_network(server):
  server.server_close()
  # Which of the two reasons it is depends on the system.
  reason = r'cannot be downloaded .*(refused|reset)'
  with pytest.raises(errors.UserError, match=reason):
    downloads.fetch(server.address('/x'), _check)
  with pytest.raises(errors.UserError, match='cannot be downloaded'):
    downloads.fetch('https://nowhere.invalid/x', _check)


def test_a_cache_that_cannot_be_written(server, tmp_path):
  server.answers['/x'] = _whole()
  (tmp_path / 'cache').write_text('a file is in the way')
  with pytest.raises(errors.UserError, match='set INPAINT_JAX_MODELS'):
    downloads.fetch(server.address('/x'), _check)


def test_where_the_cache_is(server, monkeypatch, tmp_path):
  server.answers['/x'] = _whole()
  monkeypatch.delenv('INPAINT_JAX_MODELS')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  path = downloads.fetch(server.address('/x'), _check)
  assert path.parent == tmp_path / 'inpaint_jax' / 'models'
