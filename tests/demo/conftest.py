"""One server and one browser for all tests of the page."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

_PROGRAM = pathlib.Path(__file__).with_name('small_editor.py')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
# Seconds; many, since a busy machine is slow.
PATIENCE = 120


class Demo:
  """The page in a process of its own, all its files in one folder."""

  def __init__(self, folder, *flags):
    self.folder = folder
    environment = {
      **os.environ,
      'HOME': str(folder),
      'TMPDIR': str(folder),
      # Settings that a user may have must not open anything.
      'GRADIO_ALLOWED_PATHS': '/',
      'GRADIO_SHARE': 'true',
    }
    self.process = subprocess.Popen(
      [sys.executable, str(_PROGRAM), *flags],
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

  def connect(self):
    return http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE)

  def request(self, method, path, body=None, **headers):
    """Returns (status, body, headers)."""
    with contextlib.closing(self.connect()) as connection:
      connection.request(method, path, body, headers)
      response = connection.getresponse()
      text = response.read().decode(errors='replace')
      return response.status, text, response.headers

  def call(self, number, data):
    """Returns everything that the queue answers to an event of the page."""
    page = 'probe'
    body = {'fn_index': number, 'data': data, 'session_hash': page}
    status, answer, _ = self.request(
      'POST',
      '/gradio_api/queue/join',
      json.dumps(body),
      **{'content-type': 'application/json'},
    )
    if status != 200:
      return answer
    return self.request('GET', f'/gradio_api/queue/data?session_hash={page}')[1]

  def files(self):
    """Returns the visitors' files that are on disk."""
    return [
      os.path.join(folder, name)
      for folder, _, names in os.walk(self.folder)
      if not {'examples', '.cache', '.gradio'} & {*pathlib.Path(folder).parts}
      for name in names
    ]

  def wait_for_files(self, wanted):
    """Waits until visitors' files are on disk, or until none is."""
    end = time.monotonic() + PATIENCE
    while bool(self.files()) != wanted and time.monotonic() < end:
      time.sleep(0.1)
    assert bool(self.files()) == wanted

  def stop(self):
    """Stops the server; returns what it wrote to stderr."""
    self.process.send_signal(signal.SIGTERM)
    try:
      _, written = self.process.communicate(timeout=PATIENCE)
    finally:
      self.process.kill()
    return written


@pytest.fixture(scope='session')
def demo(tmp_path_factory):
  """The page with the limits 1 megabyte and 1 megapixel."""
  pytest.importorskip('gradio', reason='needs the extra [demo]')
  folder = tmp_path_factory.mktemp('demo')
  # A file of another Gradio program in the same folder.
  cached = folder / '.gradio' / 'cached_examples' / 'secret'
  cached.parent.mkdir(parents=True)
  cached.write_text('secret')
  demo = Demo(folder, '--max_megabytes=1', '--max_megapixels=1')
  yield demo
  written = demo.stop()
  assert demo.process.returncode == 0, written
  # Libraries may leave fonts and prepared models, but no files of visitors may
  # be left, and no report of ONNX Runtime to its maker.
  assert not demo.files()
  assert not (folder / '.cache' / 'Microsoft').exists()


@pytest.fixture(scope='session')
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
