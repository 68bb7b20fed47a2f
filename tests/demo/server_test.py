"""What the running server discloses, and which files it leaves behind."""

import json
import re
import socket
import types
import urllib.parse

import pytest

from inpaint_jax.system import errors
from tests.demo.inputs import encode, LIMITS, noise

pytestmark = pytest.mark.slow

SECRET = 'root:'


def multipart(content):
  """Returns (body, headers) of an upload."""
  head = (
    '--x\r\nContent-Disposition: form-data; name="files"; '
    'filename="photo.png"\r\n\r\n'
  )
  return head.encode() + content + b'\r\n--x--\r\n', {
    'content-type': 'multipart/form-data; boundary=x'
  }


def test_no_path_of_the_server_is_readable(demo):
  cached = demo.folder / '.gradio' / 'cached_examples' / 'secret'
  config = urllib.parse.quote(__file__)
  for target in ('/etc/passwd', config, str(cached)):
    for path in (
      f'/gradio_api/file={target}',
      f'/gradio_api/file=/tmp/..{target}',
      f'/gradio_api/file/{target}',
      f'/file={target}',
      f'/gradio_api/proxy=file://{target}',
      f'/assets/../../../../../../../../../../..{target}',
      f'/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{target}',
      f'/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{target}',
      f'/static/{target}',
      f'/gradio_api/custom_component/x/client/x/..%2f..{target}',
    ):
      status, body, _ = demo.request('GET', path)
      assert status >= 400, path
      assert SECRET not in body


def test_a_file_that_was_not_uploaded_is_not_taken(demo):
  listener = socket.create_server(('127.0.0.1', 0))
  listener.settimeout(0.1)
  address = f'http://127.0.0.1:{listener.getsockname()[1]}/photo.png'
  config = json.loads(demo.request('GET', '/config')[1])
  numbers = [
    entry['id']
    for entry in config['dependencies']
    if entry['targets'] and entry['targets'][0][1] == 'upload'
  ]
  # Uploads of a photo, its mask, a source and what to avoid.
  assert len(numbers) == 4
  for number in numbers:
    for path in ('/etc/passwd', address):
      file = {'path': path, 'meta': {'_type': 'gradio.FileData'}}
      answer = demo.call(number, [file])
      assert '"success":false' in answer
      assert SECRET not in answer
      assert 'Traceback' not in answer
      assert '/etc/passwd' not in answer
  with pytest.raises(TimeoutError):
    listener.accept()


def test_the_page_names_no_other_host(demo):
  status, page, _ = demo.request('GET', '/')
  assert status == 200
  styles = demo.request('GET', '/theme.css')[1]
  # The addresses that a browser loads by itself.
  found = re.findall(r'(?:src|href)="([^"]+)"', page)
  found += re.findall(r'url\(([^)]*)\)|@import ([^;]*)', styles)
  assert found
  for address in map(''.join, found):
    assert '//' not in address or 'data:' in address
  assert '"analytics_enabled":false' in page.replace(' ', '')


def test_the_server_answers_to_its_own_name_alone(demo):
  for host in ('localhost', 'LOCALHOST:80', '[::1]:7860'):
    assert demo.request('GET', '/', host=host)[0] == 200
  for host in ('evil.example:7860', '', '127.0.0.1.evil.example'):
    assert demo.request('GET', '/', host=host)[0] == 400


def test_other_sites_read_no_answer(demo):
  answer = demo.request('GET', '/', origin='http://evil.example')[2]
  assert 'access-control-allow-origin' not in answer


def test_the_guard_is_in_place(demo):
  def post(path, body=None, **headers):
    return demo.request('POST', f'/gradio_api/{path}', body, **headers)[0]

  assert post('process_recording') == 404
  assert post('queue/join', b'x' * 9_000_000) == 413
  body, headers = multipart(b'x')
  assert post('upload', body, **headers) == 403


def test_uploads_are_deleted_as_they_break_off_or_the_page_is_closed(demo):
  cookie = demo.request('GET', '/')[2]['set-cookie'].partition(';')[0]
  heartbeat = demo.connect()
  heartbeat.request(
    'GET', '/gradio_api/heartbeat/page', headers={'cookie': cookie}
  )
  assert heartbeat.getresponse().readline()
  body, headers = multipart(encode(noise(100, 100)))
  headers['cookie'] = cookie
  # This upload breaks off within the file.
  upload = demo.connect()
  upload.putrequest('POST', '/gradio_api/upload')
  for name, value in {**headers, 'content-length': len(body)}.items():
    upload.putheader(name, value)
  upload.endheaders(body[: len(body) // 2])
  demo.wait_for_files(True)
  upload.close()
  demo.wait_for_files(False)
  # These have more bytes than a file or a request may have.
  for size in (7_000_000, 9_000_000):
    large, _ = multipart(bytes(size))
    status, *_ = demo.request('POST', '/gradio_api/upload', large, **headers)
    assert status == 413
  assert not demo.files()
  # A complete upload stays until the page is closed.
  status, paths, _ = demo.request('POST', '/gradio_api/upload', body, **headers)
  assert status == 200
  assert demo.files() == json.loads(paths)
  heartbeat.close()
  demo.wait_for_files(False)


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(monkeypatch):
  pytest.importorskip('gradio', reason='needs the extra [demo]')
  from inpaint_jax.demo import server

  # The server sets these variables for its whole process.
  for name in ('GRADIO_TEMP_DIR', 'GRADIO_EXAMPLES_CACHE', 'NO_PROXY'):
    monkeypatch.setenv(name, '')
  workers = types.SimpleNamespace(guides=['none'], count=1)
  with socket.create_server(('127.0.0.1', 0)) as listener:
    port = listener.getsockname()[1]
    message = f'nothing can listen at host=127.0.0.1, port={port}: it is taken'
    with (
      pytest.raises(errors.UserError, match=message),
      server.running(workers, LIMITS, port=port),
    ):
      pass
