"""The web page: what it does with photos, what it gives away, how it is used.

The tests that start the server need the extra [demo], those with a browser
Playwright and a Chromium as well.
"""

import asyncio
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from inpaint_jax.demo import guard, work
from inpaint_jax.demo.sessions import MAX_UPLOADS, Sessions
from inpaint_jax.photos import picture_files
from inpaint_jax.system import errors

ROOT = pathlib.Path(__file__).parents[2]
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
HASH = 'ab' * 32
# A machine that does much else takes its time.
PATIENCE = 120
LIMITS = work.Limits()


def uploaded(root, name, content, digest=HASH):
  """Puts a file where Gradio puts an upload."""
  folder = root / digest
  folder.mkdir(exist_ok=True)
  path = folder / name
  path.write_bytes(content)
  return path


def encoded(pixels, kind='PNG', **options):
  buffer = io.BytesIO()
  PIL.Image.fromarray(pixels).save(buffer, kind, **options)
  return buffer.getvalue()


def noise(height, width, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(256, size=(height, width, 3), dtype=np.uint8)


def bomb(side=60_000):
  """A PNG file of a few bytes that says it has side x side pixels."""
  size = side.to_bytes(4, 'big')
  png = b'\x89PNG\r\n\x1a\n'
  chunks = [(b'IHDR', size + size + bytes((8, 2, 0, 0, 0)))]
  chunks += [(b'IDAT', zlib.compress(b'\0' * 1000)), (b'IEND', b'')]
  for name, content in chunks:
    check = zlib.crc32(name + content).to_bytes(4, 'big')
    png += len(content).to_bytes(4, 'big') + name + content + check
  return png


def stroke(height, width, rows, columns):
  """A layer of the editor with a rectangle painted."""
  layer = np.zeros((height, width, 4), np.uint8)
  layer[rows, columns] = (*work.MASK_COLOUR, work.MASK_ALPHA)
  return layer


def invert(pixels, hole):
  """Stands in for a net: what it fills can be told from all else."""
  return np.where(hole[..., None], np.iinfo(pixels.dtype).max - pixels, pixels)


@pytest.fixture
def sessions(tmp_path):
  return Sessions(tmp_path)


@pytest.fixture
def open_photo(tmp_path, sessions):
  """Loads a photo as the page does."""

  def load(content, name='photo.png', limits=LIMITS):
    with sessions.starting('page') as session:
      upload = uploaded(tmp_path, name, content)
      note = work.load_photo(session, upload, limits)
    return session, note

  return load


def read_back(result):
  return picture_files.read(result.full)


def test_the_result_has_the_full_size_and_all_known_pixels(open_photo):
  pixels = noise(1500, 2000)
  session, note = open_photo(encoded(pixels))
  assert '2000 x 1500' in note
  value = work.editor_value(session)
  with PIL.Image.open(value['background']) as copy:
    assert copy.size == (1024, 768)
  layer = stroke(768, 1024, slice(100, 200), slice(300, 500))
  result = work.inpaint(session, [layer], invert, LIMITS)
  changed = (read_back(result).pixels != pixels).any(axis=2)
  rows, columns = np.nonzero(changed)
  assert read_back(result).pixels.shape == pixels.shape
  # The outline to within two pixels of the original.
  np.testing.assert_allclose(
    [rows.min(), rows.max(), columns.min(), columns.max()],
    np.array([100, 200, 300, 500]) * 1500 / 768,
    atol=2,
  )
  assert result.full.name == 'photo_inpainted.png'
  for path in (result.before, result.after):
    with PIL.Image.open(path) as copy:
      assert copy.size == (1600, 1200)


def test_16_bits_stay(open_photo, tmp_path):
  rng = np.random.default_rng(0)
  pixels = rng.integers(65536, size=(40, 60, 3), dtype=np.uint16)
  path = tmp_path / 'deep.png'
  picture_files.write(path, picture_files.Picture(pixels))
  session, note = open_photo(path.read_bytes())
  assert '16 bits' in note
  layer = stroke(40, 60, slice(10, 20), slice(10, 20))
  result = work.inpaint(session, [layer], invert, LIMITS)
  expected = pixels.copy()
  expected[10:20, 10:20] = 65535 - expected[10:20, 10:20]
  np.testing.assert_array_equal(read_back(result).pixels, expected)


def test_orientation_profile_and_exif_survive(open_photo):
  icc = PIL.ImageCms.ImageCmsProfile(
    PIL.ImageCms.createProfile('sRGB')
  ).tobytes()
  exif = PIL.Image.Exif()
  exif[0x0112], exif[0x010F] = 6, 'A camera'
  content = encoded(noise(48, 64), 'JPEG', exif=exif, icc_profile=icc)
  session, note = open_photo(content, 'turned.jpg')
  assert '48 x 64' in note
  layer = stroke(64, 48, slice(10, 20), slice(10, 20))
  result = work.inpaint(session, [layer], invert, LIMITS)
  with PIL.Image.open(result.full) as image:
    assert image.size == (48, 64)
    assert image.info['icc_profile'] == icc
    assert image.getexif()[0x010F] == 'A camera'
    assert image.getexif().get(0x0112, 1) == 1
  with PIL.Image.open(session.folder / 'editor.png') as image:
    assert image.info['icc_profile'] == icc


def test_a_loaded_mask_keeps_its_pixels_where_it_was_not_touched(
  open_photo, tmp_path
):
  session, _ = open_photo(encoded(noise(1500, 2000)))
  mask = np.zeros((1500, 2000), np.uint8)
  # Lines of one pixel, which the copy in the editor is too small for.
  mask[700:760, 500:900:2] = 255
  mask[100:300, 100:300] = 255
  upload = uploaded(tmp_path, 'mask.png', encoded(mask), 'cd' * 32)
  note = work.load_mask(session, upload, LIMITS)
  assert 'mask.png' in note
  value = work.editor_value(session)
  layer = np.asarray(PIL.Image.open(value['layers'][0])).copy()
  np.testing.assert_array_equal(work.find_hole(session, [layer]), mask == 255)
  # Erased on the left, painted on the right.
  layer[:200, :200] = 0
  layer[600:, 900:] = (*work.MASK_COLOUR, work.MASK_ALPHA)
  hole = work.find_hole(session, [layer])
  assert not hole[:380, :380].any()
  assert hole[1180:, 1770:].all()
  rows, columns = slice(690, 770), slice(490, 910)
  np.testing.assert_array_equal(hole[rows, columns], mask[rows, columns] > 0)


def test_transparent_pixels_are_marked_and_become_opaque(open_photo):
  pixels = np.dstack([noise(40, 60), np.full((40, 60), 255, np.uint8)])
  pixels[5:15, 5:25, 3] = 0
  session, note = open_photo(encoded(pixels))
  assert 'transparent' in note
  layer = np.asarray(PIL.Image.open(work.editor_value(session)['layers'][0]))
  result = work.inpaint(session, [layer], invert, LIMITS)
  with PIL.Image.open(result.full) as image:
    filled = np.asarray(image.convert('RGBA'))
  assert (filled[..., 3] == 255).all()
  np.testing.assert_array_equal(filled[20:], pixels[20:])


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'Dear diary', 'not a picture'),
    (b'', 'empty'),
    (bomb(), 'more than 50 megapixels'),
    (encoded(noise(400, 400))[:1000], 'cannot be read'),
  ],
)
def test_a_bad_photo_is_refused_without_its_path(
  open_photo, tmp_path, content, message
):
  with pytest.raises(errors.UserError, match=message) as caught:
    open_photo(content, 'holiday <b>.png')
  assert str(tmp_path) not in str(caught.value)
  assert str(caught.value).startswith('holiday <b>.png cannot be read')


def test_limits_are_those_that_are_given(open_photo):
  limits = work.Limits(megabytes=0.001, megapixels=50)
  with pytest.raises(errors.UserError, match=r'more than 0\.001 megabytes'):
    open_photo(encoded(noise(100, 100)), limits=limits)
  limits = work.Limits(megabytes=50, megapixels=0.009)
  with pytest.raises(errors.UserError, match=r'more than 0\.009 megapixels'):
    open_photo(encoded(noise(100, 100)), limits=limits)


def test_a_path_that_is_no_upload_is_not_taken(sessions, tmp_path):
  upload = uploaded(tmp_path, 'photo.png', b'x')
  assert sessions.upload({'path': str(upload)}) == upload
  example = tmp_path / 'examples' / 'photo.png'
  link = upload.with_name('link')
  link.symlink_to('/etc/passwd')
  for path in (example, '/etc/passwd', link, upload.parent, 'https://x.y/z'):
    with pytest.raises(errors.UserError, match='load it again'):
      sessions.upload({'path': str(path)})
  for file in (None, {}, {'path': None}, [str(upload)]):
    with pytest.raises(errors.UserError, match='load it again'):
      sessions.upload(file)


def test_a_layer_has_the_size_of_the_copy(open_photo, tmp_path):
  session, _ = open_photo(encoded(noise(30, 40)))
  layer = stroke(768, 1024, slice(5, 9), slice(5, 9))
  path = uploaded(tmp_path, 'layer.png', encoded(layer))
  np.testing.assert_array_equal(work.read_layer(session, path), layer)
  for content in (bomb(), b'x', encoded(layer[1:]), encoded(layer)[:60]):
    path = uploaded(tmp_path, 'layer.png', content)
    with pytest.raises(errors.UserError, match='got lost'):
      work.read_layer(session, path)


def test_nothing_and_everything_painted(open_photo):
  session, _ = open_photo(encoded(noise(30, 40)))
  with pytest.raises(errors.UserError, match='nothing is painted'):
    work.inpaint(session, [], invert, LIMITS)
  everything = stroke(30, 40, slice(None), slice(None))
  with pytest.raises(errors.UserError, match='all of the photo is painted'):
    work.inpaint(session, [everything], invert, LIMITS)


def test_a_second_result_has_another_address(open_photo):
  session, _ = open_photo(encoded(noise(30, 40)))
  layer = stroke(30, 40, slice(5, 9), slice(5, 9))
  first = work.inpaint(session, [layer], invert, LIMITS)
  second = work.inpaint(session, [layer], invert, LIMITS)
  assert first.after != second.after
  assert not first.full.exists()
  assert second.full.exists()


def test_examples_are_drawn(sessions):
  with sessions.starting('page') as session:
    note = work.load_example(session, 0)
  assert '960 x 720' in note


def start(sessions, page='page'):
  with sessions.starting(page) as session:
    return session


def test_sessions_forget(sessions, tmp_path):
  sessions.open_page('browser')
  sessions.open_page('browser')
  first, second = start(sessions, 'one'), start(sessions, 'two')
  (first.folder / 'photo').write_text('x')
  upload = uploaded(tmp_path, 'copy.png', b'x')
  sessions.add_uploads('browser', [upload])
  sessions.close_page('browser', 'one')
  assert not first.folder.exists()
  assert sessions.get('one') is None
  assert second.folder.exists()
  assert upload.exists()
  sessions.close_page('browser', 'two')
  assert not second.folder.exists()
  assert not upload.parent.exists()
  # Nor is kept what comes when the page is closed already.
  sessions.add_uploads('browser', [uploaded(tmp_path, 'late.png', b'x')])
  assert not upload.parent.exists()


def test_a_new_photo_replaces_the_old_one(sessions):
  first = start(sessions)
  second = start(sessions)
  assert not first.folder.exists()
  assert sessions.get('page') is second
  # One that cannot be read does not.
  with contextlib.suppress(ValueError), sessions.starting('page') as third:
    raise ValueError
  assert not third.folder.exists()
  assert second.folder.exists()
  assert sessions.get('page') is second


def test_uploads_do_not_pile_up_and_equal_ones_are_shared(sessions, tmp_path):
  for browser in ('one', 'two'):
    sessions.open_page(browser)
  shared = uploaded(tmp_path, 'shared.png', b'x')
  for browser in ('one', 'two'):
    sessions.add_uploads(browser, [shared])
  paths = [
    uploaded(tmp_path, 'copy.png', b'x', f'{n:064x}')
    for n in range(MAX_UPLOADS)
  ]
  for path in paths:
    sessions.add_uploads('one', [path])
  assert all(path.exists() for path in paths)
  assert shared.exists()
  sessions.close_page('two', 'its page')
  assert not shared.exists()
  sessions.add_uploads('one', [uploaded(tmp_path, 'last.png', b'x')])
  assert not paths[0].exists()
  assert paths[1].exists()


class Server:
  """An ASGI application behind a guard, called without a socket."""

  def __init__(self, sessions, **options):
    self.bodies = []
    self.answer = b'[]'
    self.guard = guard.Guard(
      self.app, sessions=sessions, **{'max_body': 1000} | options
    )

  async def app(self, scope, receive, send):
    body = b''
    while True:
      message = await receive()
      if message['type'] == 'http.disconnect':
        return
      body += message['body']
      if not message.get('more_body'):
        break
    self.bodies.append(body)
    headers = [(b'set-cookie', b'other=1')]
    await send(
      {'type': 'http.response.start', 'status': 200, 'headers': headers}
    )
    await send({'type': 'http.response.body', 'body': self.answer})

  def call(self, path, chunks=(b'',), **headers):
    """Returns (status, headers) of a request; (None, {}) if it was dropped."""
    sent = []
    left = [
      {'type': 'http.request', 'body': chunk, 'more_body': i < len(chunks) - 1}
      for i, chunk in enumerate(chunks)
    ]
    headers = {'host': '127.0.0.1:7860'} | headers
    scope = {
      'type': 'http',
      'path': path,
      'headers': [
        (k.replace('_', '-').encode(), v.encode()) for k, v in headers.items()
      ],
    }

    async def receive():
      return left.pop(0) if left else {'type': 'http.disconnect'}

    async def send(message):
      sent.append(message)

    asyncio.run(self.guard(scope, receive, send))
    if not sent:
      return None, {}
    return sent[0]['status'], {
      name.decode(): value.decode() for name, value in sent[0]['headers']
    }


@pytest.mark.parametrize(
  'path',
  [
    '/gradio_api/proxy=http://example.com/',
    '/gradio_api/file=http://example.com/',
    '/gradio_api/file=etc/passwd',
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
    '/config/../etc',
  ],
)
def test_the_guard_shuts_what_the_page_does_not_need(sessions, path):
  server = Server(sessions)
  assert server.call(path)[0] == 404
  assert not server.bodies


def test_the_guard_opens_files_of_its_folder_alone(sessions, tmp_path):
  server = Server(sessions)
  inside = tmp_path / 'sessions' / 'photo'
  inside.write_text('x')
  assert server.call(f'/gradio_api/file={inside}')[0] == 200
  outside = tmp_path.parent / 'secret'
  outside.write_text('x')
  (tmp_path / 'sessions' / 'link').symlink_to(outside)
  for path in (
    outside,
    f'{tmp_path}/../{outside.name}',
    tmp_path / 'sessions' / 'link',
    '/etc/passwd',
    f'/{inside}/../../../secret',
  ):
    assert server.call(f'/gradio_api/file={path}')[0] == 404


def test_the_guard_adds_headers_and_knows_browsers(sessions):
  server = Server(sessions)
  _, headers = server.call('/')
  assert "default-src 'self'" in headers['content-security-policy']
  assert headers['x-content-type-options'] == 'nosniff'
  cookie = headers['set-cookie']
  assert cookie.startswith('inpaint_browser=')
  assert 'HttpOnly' in cookie
  assert 'cache-control' not in headers
  _, headers = server.call('/', cookie=cookie.partition(';')[0])
  assert headers['set-cookie'] == 'other=1'
  _, headers = server.call('/gradio_api/queue/data')
  assert headers['cache-control'] == 'no-store'


def test_the_guard_limits_bodies(sessions):
  server = Server(sessions)
  path = '/gradio_api/queue/join'
  assert server.call(path, [b'x' * 1000])[0] == 200
  assert server.call(path, [b'x'], content_length='1001')[0] == 413
  # One that does not say how long it is.
  assert server.call(path, [b'x' * 600, b'x' * 600])[0] is None
  assert len(server.bodies) == 1


def test_the_guard_answers_to_its_own_name_alone(sessions):
  server = Server(sessions, hosts=('127.0.0.1', 'localhost', '[::1]'))
  for host in ('127.0.0.1:7860', 'localhost', 'LOCALHOST:80', '[::1]:7860'):
    assert server.call('/', host=host)[0] == 200
  for host in ('evil.example:7860', '', '127.0.0.1.evil.example'):
    assert server.call('/', host=host)[0] == 400


def test_uploads_end_with_the_page_that_sent_them(sessions, tmp_path):
  server = Server(sessions)
  cookie = 'inpaint_browser=abc'
  assert server.call('/gradio_api/upload', cookie=cookie)[0] == 403
  stray = tmp_path / 'tmp_of_an_upload_that_broke_off'
  stray.write_text('x')
  upload = uploaded(tmp_path, 'copy.png', b'x')
  server.answer = json.dumps([str(upload)]).encode()
  sessions.open_page('abc')
  assert server.call('/gradio_api/upload', cookie=cookie)[0] == 200
  assert upload.exists()
  assert not stray.exists()
  folder = start(sessions).folder
  # The heartbeat ends, and with it the page; the other one is still open.
  server.call('/gradio_api/heartbeat/page', cookie=cookie)
  assert not folder.exists()
  assert upload.exists()
  sessions.close_page('abc', 'other')
  assert not upload.parent.exists()


def test_a_process_that_refuses_connections_opens_none():
  code = """
import socket
from inpaint_jax.demo import guard
listener = socket.create_server(('127.0.0.1', 0))
socket.create_connection(listener.getsockname()).close()
guard.refuse_connections()
for call in (
  lambda: socket.create_connection(listener.getsockname()),
  lambda: socket.getaddrinfo('localhost', 80),
):
  try:
    call()
  except PermissionError:
    print('refused')
"""
  result = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert result.stdout.split() == ['refused', 'refused'], result.stderr


def test_each_device_works_on_one_picture_at_a_time():
  from inpaint_jax.demo.workers import Workers

  busy, most, lock = {'one': 0, 'two': 0}, [], threading.Lock()
  together = threading.Barrier(2, timeout=PATIENCE)

  def load(source, device):
    assert source == 'the source'

    def inpaint(pixels, hole):
      with lock:
        busy[device] += 1
        most.append(busy[device])
      together.wait()
      with lock:
        busy[device] -= 1
      return pixels + 1

    return inpaint

  workers = Workers({'net': 'the source'}, ['one', 'two'], load)
  assert workers.count == 2
  zeros = np.zeros((2, 2, 3), np.uint8)
  results = []
  threads = [
    threading.Thread(
      target=lambda: results.append(workers('net', zeros, zeros[..., 0] > 0))
    )
    for _ in range(6)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(results) == 6
  assert max(most) == 1
  with pytest.raises(errors.UserError, match='choose one of: net'):
    workers('other', zeros, zeros[..., 0] > 0)


def test_the_page_shows_the_last_part_of_a_models_path(monkeypatch):
  from inpaint_jax import inference
  from inpaint_jax.demo import workers

  monkeypatch.setattr(inference, 'list_models', lambda: ['a', 'b'])
  assert workers.sources('b') == {'b': 'b', 'a': 'a'}
  assert list(workers.sources('/home/me/runs/unet/')) == ['unet', 'a', 'b']
  address = 'https://example.com/nets/c.safetensors?x=1#sha256=00'
  assert workers.sources(address)['c.safetensors'] == address


def test_errors_reach_the_page_in_one_line(capsys, monkeypatch):
  gradio = pytest.importorskip('gradio', reason='needs the extra [demo]')
  from inpaint_jax.demo import page

  warnings = []
  monkeypatch.setattr(gradio, 'Warning', warnings.append)

  def shown(error):
    @page.on_page(cleared=1, kept=2)
    def fail():
      raise error

    assert fail() == [None, gradio.skip(), gradio.skip()]
    return warnings.pop()

  assert shown(errors.UserError('<b>.png is bad')) == '&lt;b&gt;.png is bad'
  message = shown(OSError(2, 'No such file', '/home/me/secret'))
  assert 'secret' not in message
  assert 'Traceback' not in message
  # The terminal is told.
  assert '/home/me/secret' in capsys.readouterr().err
  assert 'memory' in shown(MemoryError())


class Demo:
  """scripts/demo.py in a process of its own, all its files in one folder."""

  def __init__(self, folder, *flags):
    self.folder = folder
    environment = {
      **os.environ,
      'HOME': str(folder),
      'TMPDIR': str(folder),
      # What a user may have set must not open anything.
      'GRADIO_ALLOWED_PATHS': '/',
      'GRADIO_SHARE': 'true',
    }
    self.process = subprocess.Popen(
      [sys.executable, str(ROOT / 'scripts' / 'demo.py'), *flags],
      cwd=folder,
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    line = self.process.stdout.readline()
    match = re.fullmatch(r'open (http://127\.0\.0\.1:(\d+)/) in .*\n', line)
    assert match, line + self.process.communicate()[1]
    self.url, self.port = match[1], int(match[2])

  def request(self, method, path, body=None, **headers):
    """Returns (status, body)."""
    connection = http.client.HTTPConnection(
      '127.0.0.1', self.port, timeout=PATIENCE
    )
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read().decode(errors='replace')

  def call(self, number, data):
    """Returns all that the queue says to an event of the page."""
    page = 'probe'
    body = {'fn_index': number, 'data': data, 'session_hash': page}
    status, answer = self.request(
      'POST',
      '/gradio_api/queue/join',
      json.dumps(body),
      **{'content-type': 'application/json'},
    )
    if status != 200:
      return answer
    path = f'/gradio_api/queue/data?session_hash={page}'
    return self.request('GET', path)[1]

  def files(self):
    """Returns the visitors' files that are on disk."""
    return [
      os.path.join(folder, name)
      for folder, _, names in os.walk(self.folder)
      if not {'examples', '.cache'} & {*pathlib.Path(folder).parts}
      for name in names
    ]

  def stop(self):
    """Returns what it wrote to stderr, once it has ended."""
    self.process.send_signal(signal.SIGTERM)
    try:
      _, written = self.process.communicate(timeout=PATIENCE)
    finally:
      self.process.kill()
    return written


@pytest.fixture(scope='module')
def demo(trained, tmp_path_factory):
  """The page with the limits 1 megabyte and 1 megapixel."""
  pytest.importorskip('gradio', reason='needs the extra [demo]')
  demo = Demo(
    tmp_path_factory.mktemp('demo'),
    f'--model={trained}',
    '--max_megabytes=1',
    '--max_megapixels=1',
  )
  yield demo
  written = demo.stop()
  assert demo.process.returncode == 0, written
  # Libraries keep fonts and nets that were made ready, but no visitor's files,
  # and ONNX Runtime no report to its maker.
  left = [path for path in demo.folder.rglob('*') if path.is_file()]
  cache = demo.folder / '.cache'
  assert not [path for path in left if not path.is_relative_to(cache)]
  assert not (cache / 'Microsoft').exists()


SECRET = 'root:'


def test_no_path_of_the_server_is_readable(demo):
  config = urllib.parse.quote(str(ROOT / 'configs' / 'default.py'))
  for target in ('/etc/passwd', config):
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
      status, body = demo.request('GET', path)
      assert status >= 400, path
      assert SECRET not in body
      assert 'ConfigDict' not in body


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
  assert len(numbers) == 2
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
  status, page = demo.request('GET', '/')
  assert status == 200
  styles = demo.request('GET', '/theme.css')[1]
  # What a browser loads by itself.
  found = re.findall(r'(?:src|href)="([^"]+)"', page)
  found += re.findall(r'url\(([^)]*)\)|@import ([^;]*)', styles)
  assert found
  for address in map(''.join, found):
    assert '//' not in address or 'data:' in address
  assert '"analytics_enabled":false' in page.replace(' ', '')


def test_the_server_listens_to_this_computer_alone(demo):
  assert demo.request('GET', '/', host='evil.example')[0] == 400
  body = b'x' * 9_000_000
  assert demo.request('POST', '/gradio_api/queue/join', body)[0] == 413
  assert demo.request('POST', '/gradio_api/upload', b'x')[0] == 403


@pytest.fixture(scope='module')
def browser():
  """A headless Chromium."""
  if CHROMIUM is None:
    pytest.skip('no Chromium is installed')
  playwright = pytest.importorskip(
    'playwright.sync_api', reason='Playwright is not installed'
  )
  # Chromium's own sandbox does not work for root.
  args = ['--no-sandbox'] if os.getuid() == 0 else []
  with playwright.sync_playwright() as library:
    browser = library.chromium.launch(executable_path=CHROMIUM, args=args)
    yield browser
    browser.close()


class Visit:
  """What a visitor does on the page."""

  def __init__(self, page, demo):
    self.page = page
    self.demo = demo
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(demo.url)
    page.wait_for_selector('#photo button')

  def load(self, name, content, button='#photo button[aria-dropeffect]'):
    file = {'name': name, 'mimeType': 'image/png', 'buffer': content}
    with self.page.expect_file_chooser() as chooser:
      self.page.click(button)
    chooser.value.set_files(file)

  def open_photo(self, pixels):
    self.load('photo.png', encoded(pixels))
    height, width = pixels.shape[:2]
    self.page.wait_for_selector(f'text=photo.png, {width} x {height} pixels.')
    self.page.wait_for_selector('#editor canvas', state='visible')
    # The copy that the editor sends is the sign that the photo is in place.
    self.page.wait_for_function(
      "document.querySelector('#editor').innerText.includes('%')"
    )
    self.page.wait_for_timeout(1500)

  def drag(self, start, end):
    """Draws with the mouse, from one point of the photo to another.

    Args:
      start, end: (x, y) from -0.5 to 0.5 about the middle, in units of the
        canvas.
    """
    canvas = self.page.locator('#editor canvas').first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    (x0, y0), (x1, y1) = [
      (
        box['x'] + box['width'] * (0.5 + x),
        box['y'] + box['height'] * (0.5 + y),
      )
      for x, y in (start, end)
    ]
    self.page.mouse.move(x0, y0)
    self.page.mouse.down()
    self.page.mouse.move(x1, y1, steps=2)
    self.page.mouse.up()

  def tool(self, name):
    self.page.locator(f'#editor button[aria-label="{name}"]').click()

  def inpaint(self):
    """Presses the button and returns the pixels of the download."""
    self.page.click('#inpaint')
    self.page.wait_for_selector('#slider img', state='visible')
    self.page.wait_for_selector('#done:has-text("filled")')
    with self.page.expect_download() as download:
      self.page.click('#download')
    assert download.value.suggested_filename == 'photo_inpainted.png'
    with PIL.Image.open(download.value.path()) as image:
      return np.asarray(image.convert('RGB'))

  def message(self):
    """Returns the next message on the page, once it has gone."""
    toast = self.page.locator('.toast-body').first
    toast.wait_for()
    text = toast.inner_text()
    # It goes by itself, too, after ten seconds.
    with contextlib.suppress(Exception):
      toast.locator('button').first.click(timeout=5000)
    toast.wait_for(state='detached')
    return ' '.join(text.split())


@pytest.fixture
def visit(browser, demo):
  """The page in a browser, which asks nobody else for anything."""
  context = browser.new_context(viewport={'width': 700, 'height': 760})
  page = context.new_page()
  requests, failures = [], []
  page.on('request', lambda request: requests.append(request.url))
  page.on('pageerror', lambda error: failures.append(error))
  yield Visit(page, demo)
  context.close()
  assert len(requests) > 20
  for url in requests:
    assert url.startswith((demo.url, f'blob:{demo.url}', 'data:')), url
  assert not failures
  # What there was of the visitor goes with the page.
  end = time.monotonic() + PATIENCE
  while demo.files() and time.monotonic() < end:
    time.sleep(0.1)
  assert not demo.files()


def test_paint_inpaint_compare_download(visit):
  pixels = noise(300, 400)
  visit.open_photo(pixels)
  visit.drag((-0.1, 0), (0.1, 0))
  result = visit.inpaint()
  assert result.shape == pixels.shape
  changed = (result != pixels).any(axis=2)
  # The stroke, which is in the middle, and nothing far from it.
  assert changed[150, 180:220].mean() > 0.9
  assert not changed[:60].any()
  assert not changed[-60:].any()
  assert not changed[:, :40].any()
  assert not changed[:, -40:].any()
  slider = visit.page.locator('#slider img')
  assert slider.count() == 2
  for i in range(2):
    assert slider.nth(i).evaluate('image => image.naturalWidth') == 400


def test_undo_and_erase(visit):
  visit.open_photo(noise(300, 400))
  visit.page.click('#inpaint')
  assert 'nothing is painted yet' in visit.message()
  visit.drag((-0.1, 0), (0.1, 0))
  visit.tool('Undo')
  visit.page.click('#inpaint')
  assert 'nothing is painted yet' in visit.message()
  visit.drag((-0.1, -0.2), (0.1, -0.2))
  visit.drag((-0.1, 0.2), (0.1, 0.2))
  visit.tool('Erase')
  visit.drag((-0.15, 0.2), (0.15, 0.2))
  pixels = visit.inpaint()
  changed = (pixels != noise(300, 400)).any(axis=2)
  assert changed[:150].sum() > 1000
  # But for the rim of the stroke, which the eraser may leave.
  assert changed[150:].sum() < 0.1 * changed[:150].sum()


def test_a_mask_file(visit):
  pixels = noise(300, 400)
  visit.open_photo(pixels)
  mask = np.zeros((300, 400), np.uint8)
  mask[100:140, 200:260] = 255
  visit.load('mask.png', encoded(mask), '#mask')
  visit.page.wait_for_selector('text=mask.png is the mask')
  changed = (visit.inpaint() != pixels).any(axis=2)
  assert changed[100:140, 200:260].mean() > 0.9
  assert not changed[:90].any()
  assert not changed[150:].any()
  # Another one, in its place: the slider shows the new result.
  before = visit.page.locator('#slider img').nth(1).get_attribute('src')
  mask = np.roll(mask, -100, axis=1)
  visit.load('next.png', encoded(mask), '#mask')
  visit.page.wait_for_selector('text=next.png is the mask')
  visit.page.click('#inpaint')
  visit.page.wait_for_function(
    'old => document.querySelectorAll("#slider img")[1].src != old',
    arg=before,
  )
  # A mask of another shape is none.
  visit.load('wide.png', encoded(mask[:50]), '#mask')
  assert 'wide.png' in visit.message()


def test_an_example(visit):
  button = visit.page.get_by_role('button', name='Example: a fir by the lake')
  button.focus()
  visit.page.keyboard.press('Enter')
  visit.page.wait_for_selector('text=example 2.png, 960 x 720 pixels.')
  visit.page.wait_for_selector('#editor canvas', state='visible')


def test_bad_files_are_refused_on_the_page(visit):
  for name, content, wanted in (
    ('diary.png', b'Dear diary', 'diary.png cannot be read: not a picture'),
    ('bomb.png', bomb(), 'more than 1 megapixels'),
    ('big.png', encoded(noise(1001, 1000) // 128), 'more than 1 megapixels'),
    ('heavy.png', encoded(noise(700, 700)), 'more than 1 megabytes'),
  ):
    visit.load(name, content)
    message = visit.message()
    assert wanted in message
    assert 'Traceback' not in message
    assert str(visit.demo.folder) not in message
  # The page goes on.
  visit.open_photo(noise(30, 40))
