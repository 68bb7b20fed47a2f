"""The page as its visitors use it, in a browser."""

import contextlib
import shutil
import types

import numpy as np
import PIL.Image
import pytest

from inpaint_jax.demo.photo import Result
from inpaint_jax.demo.sessions import Sessions
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors
from tests.demo.inputs import bomb, encode, LIMITS, noise

PATIENCE = 120
# Records whether the hint, which is shown before any result, shows progress.
_WATCH_HINT = """
() => new MutationObserver(() => {
  window.hintWasBusy ||= !!document.querySelector('#hint .wrap:not(.hide)');
}).observe(document.querySelector('#hint'), {attributes: true, subtree: true,
  childList: true})
"""


@pytest.mark.slow
def test_errors_reach_the_page_in_one_line(capsys, monkeypatch):
  gradio = pytest.importorskip('gradio', reason='needs the extra [demo]')
  from inpaint_jax.demo import page

  warnings = []
  monkeypatch.setattr(gradio, 'Warning', warnings.append)

  def shown(error):
    @page.on_page(None, gradio.skip())
    def fail():
      raise error

    assert fail() == [None, gradio.skip()]
    return warnings.pop()

  @page.on_page(gradio.skip())
  def fail_for_one():
    raise errors.UserError('bad')

  # Not a list: Gradio would take a list of one for the value itself.
  assert fail_for_one() == gradio.skip()
  assert warnings.pop() == 'bad'
  assert shown(errors.UserError('<b>.png is bad')) == '&lt;b&gt;.png is bad'
  message = shown(OSError(2, 'No such file', '/home/me/secret'))
  assert 'secret' not in message
  assert 'Traceback' not in message
  # The terminal shows the whole error.
  assert '/home/me/secret' in capsys.readouterr().err
  assert 'memory' in shown(MemoryError())


@pytest.mark.slow
def test_a_photo_that_is_closed_before_its_files_are_there(
  tmp_path, monkeypatch
):
  """No path of the server reaches the page."""
  gradio = pytest.importorskip('gradio', reason='needs the extra [demo]')
  from inpaint_jax.demo import page

  messages = []
  monkeypatch.setattr(gradio, 'Warning', messages.append)
  sessions = Sessions(tmp_path)
  sessions.open_page('page', 'browser')
  with sessions.new_photo('page') as photo:
    pixels, origins = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 2), int)
    after = photo.folder / 'after.jpg'
    filled = Picture(pixels), origins
    photo.results.append(Result(photo.folder, after, 'note', filled))
  shutil.rmtree(photo.folder)
  shown = page.Page(sessions, LIMITS, None)
  request = types.SimpleNamespace(session_hash='page')
  for handler in (shown.show, shown.finish):
    handler(0, False, request)
  assert messages == ['the photo was closed during this'] * 2


class Visit:
  """What a visitor does on the page."""

  def __init__(self, page, demo):
    self.page = page
    self.demo = demo
    self.requests = []
    page.on('request', lambda request: self.requests.append(request.url))
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(demo.url)
    page.wait_for_selector('#photo button')

  def load(self, name, content, button='#photo button[aria-dropeffect]'):
    file = {'name': name, 'mimeType': 'image/png', 'buffer': content}
    with self.page.expect_file_chooser() as chooser:
      self.page.click(button)
    chooser.value.set_files(file)

  def open_photo(self, pixels):
    self.load('photo.png', encode(pixels))
    height, width = pixels.shape[:2]
    self.page.wait_for_selector(f'text=photo.png, {width} x {height} pixels.')
    self.wait_for_editor()

  def wait_for_editor(self):
    self.page.wait_for_selector('#editor canvas', state='visible')
    # The zoom is shown once the photo is in place. It is then fitted to the
    # editor, and stays.
    self.page.wait_for_function(
      "document.querySelector('#editor').innerText.includes('%')"
    )
    self.page.wait_for_timeout(1500)

  def drag(self, start, end):
    """Draws with the mouse, from one point of the photo to another.

    Args:
      start, end: (x, y) from the middle, -0.5 to 0.5 in units of the canvas.
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

  def count_uploads(self):
    return sum(url.endswith('/gradio_api/upload') for url in self.requests)

  def tool(self, name):
    self.page.locator(f'#editor button[aria-label="{name}"]').click()

  def inpaint(self):
    """Presses the button and returns the pixels of the result."""
    self.page.click('#inpaint')
    self.page.wait_for_selector('#slider img', state='visible')
    self.page.wait_for_selector('#done:has-text("filled")')
    return self.download()

  def download(self):
    """Returns the pixels of the file to download."""
    with self.page.expect_download() as download:
      self.page.click('#download')
    assert download.value.suggested_filename == 'photo_inpainted.png'
    with PIL.Image.open(download.value.path()) as image:
      return np.asarray(image.convert('RGB'))

  def message(self):
    """Returns the next message on the page, after it has been closed."""
    toast = self.page.locator('.toast-body').first
    toast.wait_for()
    text = toast.inner_text()
    # It also closes by itself, after ten seconds.
    with contextlib.suppress(Exception):
      toast.locator('button').first.click(timeout=5000)
    toast.wait_for(state='detached')
    return ' '.join(text.split())


@pytest.fixture
def visit(browser, demo):
  """The page in a browser, which sends requests to no other host."""
  context = browser.new_context(viewport={'width': 700, 'height': 760})
  page = context.new_page()
  failures = []
  page.on('pageerror', lambda error: failures.append(error))
  visit = Visit(page, demo)
  yield visit
  context.close()
  assert len(visit.requests) > 20
  for url in visit.requests:
    assert url.startswith((demo.url, f'blob:{demo.url}', 'data:')), url
  assert not failures
  # The visitor's files are deleted with the page.
  demo.wait_for_files(False)


@pytest.mark.slow
def test_paint_undo_erase_inpaint_compare_download(visit):
  pixels = noise(300, 400)
  visit.open_photo(pixels)
  visit.page.click('#inpaint')
  assert 'nothing is painted yet' in visit.message()
  visit.drag((-0.1, 0), (0.1, 0))
  visit.tool('Undo')
  visit.drag((-0.1, -0.2), (0.1, -0.2))
  visit.drag((-0.1, 0.2), (0.1, 0.2))
  visit.tool('Erase')
  visit.drag((-0.15, 0.2), (0.15, 0.2))
  result = visit.inpaint()
  assert result.shape == pixels.shape
  changed = (result != pixels).any(axis=2)
  # The first stroke was undone, the third erased except for its rim.
  assert changed[:150].sum() > 1000
  assert changed[150:].sum() < 0.1 * changed[:150].sum()
  assert not changed[:, :40].any()
  assert not changed[:, -40:].any()
  slider = visit.page.locator('#slider img')
  assert slider.count() == 2
  for i in range(2):
    assert slider.nth(i).evaluate('image => image.naturalWidth') == 400


@pytest.mark.slow
def test_a_click_shows_progress_and_sends_the_painting_once(visit):
  visit.open_photo(noise(300, 400))
  visit.drag((-0.1, 0), (0.1, 0))
  visit.page.wait_for_timeout(500)
  visit.page.evaluate(_WATCH_HINT)
  before = visit.count_uploads()
  visit.inpaint()
  assert visit.page.evaluate('window.hintWasBusy')
  # The editor uploads the photo, the painting, and both together.
  assert visit.count_uploads() - before == 3
  visit.page.click('#again')
  visit.page.wait_for_selector('#done:has-text("Result 2")')
  visit.download()
  assert visit.count_uploads() - before == 6


def open_with_mask(visit):
  """Opens a photo and a mask file; returns pixels and mask."""
  pixels, mask = noise(300, 400), np.zeros((300, 400), np.uint8)
  mask[100:140, 200:260] = 255
  visit.open_photo(pixels)
  visit.load('mask.png', encode(mask), '#mask')
  visit.page.wait_for_selector('text=mask.png is the mask')
  return pixels, mask


@pytest.mark.slow
def test_clear_leaves_the_photo(visit):
  pixels, _ = open_with_mask(visit)
  visit.tool('Clear canvas')
  visit.page.wait_for_selector('text=Nothing is painted.')
  visit.wait_for_editor()
  visit.page.click('#inpaint')
  assert 'nothing is painted yet' in visit.message()
  visit.drag((-0.1, 0.2), (0.1, 0.2))
  changed = (visit.inpaint() != pixels).any(axis=2)
  assert not changed[:140].any()
  assert changed[150:].sum() > 1000


@pytest.mark.slow
def test_other_results_and_where_they_are_from(visit):
  _, mask = open_with_mask(visit)
  visit.page.click('#options button')
  visit.load('left.png', encode(np.roll(mask, -150, axis=1)), '#source')
  visit.page.wait_for_selector('text=Only the white of left.png is copied')
  first = visit.inpaint()
  box = np.s_[100:140, 200:260]
  visit.page.click('#everywhere')
  visit.page.wait_for_selector('text=All of the photo may be copied')
  visit.page.click('#again')
  visit.page.wait_for_selector('#done:has-text("Result 2")')
  second = visit.download()
  # Nothing is wider than the screen of a phone.
  visit.page.set_viewport_size({'width': 390, 'height': 760})
  width = visit.page.evaluate('document.documentElement.scrollWidth')
  assert width == 390
  visit.page.set_viewport_size({'width': 700, 'height': 760})
  assert (first[box] != second[box]).any()
  slider = visit.page.locator('#slider img').nth(1)
  shown = slider.get_attribute('src')
  visit.page.check('#explained input')
  visit.page.wait_for_selector('#slider img[src*="explained.jpg"]')
  visit.page.uncheck('#explained input')
  visit.page.wait_for_selector('#slider img[src*="before.jpg"]')
  assert slider.get_attribute('src') == shown
  visit.page.locator('#gallery button.thumbnail-item').nth(0).click()
  visit.page.wait_for_selector('#done:not(:has-text("Result 2"))')
  np.testing.assert_array_equal(visit.download(), first)


@pytest.mark.slow
def test_a_mask_file(visit):
  pixels = noise(300, 400)
  visit.open_photo(pixels)
  mask = np.zeros((300, 400), np.uint8)
  mask[100:140, 200:260] = 255
  visit.load('mask.png', encode(mask), '#mask')
  visit.page.wait_for_selector('text=mask.png is the mask')
  changed = (visit.inpaint() != pixels).any(axis=2)
  assert changed[100:140, 200:260].mean() > 0.9
  assert not changed[:90].any()
  assert not changed[150:].any()
  # After another mask, the slider shows the new result.
  before = visit.page.locator('#slider img').nth(1).get_attribute('src')
  mask = np.roll(mask, -100, axis=1)
  visit.load('next.png', encode(mask), '#mask')
  visit.page.wait_for_selector('text=next.png is the mask')
  visit.page.click('#inpaint')
  visit.page.wait_for_function(
    'old => document.querySelectorAll("#slider img")[1].src != old', arg=before
  )
  # A mask of another aspect is refused.
  visit.load('wide.png', encode(mask[:50]), '#mask')
  assert 'wide.png' in visit.message()


@pytest.mark.slow
def test_bad_files_are_refused_and_an_example_opens(visit):
  for name, content, wanted in (
    ('diary.png', b'Dear diary', 'diary.png cannot be read: not an image'),
    ('big.png', bomb(1001), 'more than 1 megapixels'),
    ('heavy.png', encode(noise(700, 700)), 'more than 1 megabytes'),
  ):
    visit.load(name, content)
    message = visit.message()
    assert wanted in message
    assert 'Traceback' not in message
    assert str(visit.demo.folder) not in message
  # The page can still be used, also with the keyboard.
  button = visit.page.get_by_role('button', name='Example: a fir by the lake')
  button.focus()
  visit.page.keyboard.press('Enter')
  visit.page.wait_for_selector('text=example 2.png, 960 x 720 pixels.')
  visit.page.wait_for_selector('#editor canvas', state='visible')
