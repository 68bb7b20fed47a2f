"""The page: its layout, and the handlers of what a visitor does."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import html
import pathlib
import sys
import traceback
from typing import Any

import gradio as gr

from inpaint_jax.demo import examples
from inpaint_jax.demo.photo import (
  Limits,
  MASK_ALPHA,
  MASK_COLOUR,
  MAX_RESULTS,
  Photo,
)
from inpaint_jax.demo.sessions import Sessions
from inpaint_jax.demo.workers import Workers
from inpaint_jax.system import errors

TITLE = 'Inpaint a photo'
_INTRO = """
# Inpaint a photo

Paint over what should go. The hole is filled with copies of other parts of the
photo: grass with grass, rock with rock. What is nowhere else in the photo, such
as half a face or a word, cannot be made up.
"""
_HINT = """
Brush, eraser and brush size are beside the photo; undo, redo, zoom and clear
above it. Paint a little beyond the outline of what should go.
"""
_PRIVACY = """
The photo stays on the computer that runs this page and is deleted when you
close the page. Pixels away from the painted places are those of your file.
"""
_GUIDE_INFO = """
What guesses large shapes before parts are copied: a smooth surface, or a model.
"""
_SHOW_RESULTS = """
() => setTimeout(() => document.querySelector('#results').scrollIntoView(
  {behavior: 'smooth'}), 300)
"""
_NAME_EXAMPLES = f"""
() => document.querySelectorAll('#examples button').forEach((button, i) =>
  button.setAttribute('aria-label', 'Example: ' + {list(examples.NAMES)}[i]))
"""
CSS = pathlib.Path(__file__).with_name('page.css').read_text()
# Gradio's own fonts come from another host; these are the visitor's own.
THEME = gr.themes.Default(
  primary_hue='teal',
  secondary_hue='teal',
  neutral_hue='slate',
  font=('system-ui', 'Segoe UI', 'Roboto', 'Helvetica Neue', 'sans-serif'),
  font_mono=('ui-monospace', 'Consolas', 'monospace'),
)
_SKIP = gr.skip()


Handler = Callable[..., Any]


def on_page(*failed: Any) -> Callable[[Handler], Handler]:
  """Shows errors of a handler on the page; the handler then returns `failed`.

  One value is returned as it is, several as a list, as Gradio takes them.

  A UserError is shown as it is. Of any other error the page says only that it
  happened, and the traceback goes to the terminal. gr.Error would do the same,
  but lays the word Error over all components that the handler was to change.
  """

  def decorate(fn: Handler) -> Handler:
    @functools.wraps(fn)
    def handler(*args: Any) -> Any:
      try:
        return fn(*args)
      except errors.UserError as error:
        message = str(error)
      except MemoryError:
        message = 'the photo is too large for the memory of this computer'
      except Exception:
        traceback.print_exc(file=sys.stderr)
        message = (
          'something went wrong; the terminal of the server has more about it'
        )
      # The page reads messages as HTML, and some contain the name of a file.
      gr.Warning(html.escape(message))
      return list(failed) if len(failed) > 1 else failed[0]

    return handler

  return decorate


@dataclasses.dataclass(frozen=True)
class Page:
  """The handlers of what a visitor does.

  Each handler takes values of components and returns values for components, in
  the order in which `build` names them.
  """

  sessions: Sessions
  limits: Limits
  workers: Workers

  @on_page(None, *[_SKIP] * 4)
  def load_photo(self, chosen: object, request: gr.Request) -> list[Any]:
    """File or number of an example -> photo, editor, note, desk, results."""
    with self.sessions.new_photo(request.session_hash) as photo:
      if isinstance(chosen, int):
        note = photo.load_example(chosen)
      else:
        note = photo.load(self.sessions.find_upload(chosen), self.limits)
    shown, hidden = gr.update(visible=True), gr.update(visible=False)
    return [None, photo.editor_value(), html.escape(note), shown, hidden]

  @on_page(None, *[_SKIP] * 2)
  def load_mask(self, file: object, request: gr.Request) -> list[Any]:
    """File -> mask, editor, note."""
    with self.sessions.use_photo(request.session_hash) as photo:
      note = photo.load_mask(self.sessions.find_upload(file), self.limits)
      return [None, photo.editor_value(), html.escape(note)]

  @on_page(_SKIP, _SKIP)
  def clear(self, request: gr.Request) -> list[Any]:
    """Nothing -> editor in which nothing is painted, note."""
    with self.sessions.use_photo(request.session_hash) as photo:
      note = photo.drop_mask()
      return [photo.editor_value(), note]

  def load_limit(self, name: str) -> Handler:
    """Returns a handler: file of 'source' or 'avoid' -> file, note."""

    @on_page(None, _SKIP)
    def load(file: object, request: gr.Request) -> list[Any]:
      with self.sessions.use_photo(request.session_hash) as photo:
        upload = self.sessions.find_upload(file)
        return [None, html.escape(photo.load_limit(name, upload, self.limits))]

    return load

  @on_page(_SKIP)
  def drop_limits(self, request: gr.Request) -> str:
    """Nothing -> note."""
    with self.sessions.use_photo(request.session_hash) as photo:
      return photo.drop_limits()

  @on_page(*[_SKIP] * 6)
  def inpaint(
    self,
    drawn: dict[str, Any] | None,
    guide: str,
    wrap: bool,
    request: gr.Request,
    event: gr.EventData,
  ) -> list[Any]:
    """Content of the editor, options -> values of `_show`, number.

    The button `again` asks for another seed, and keeps the earlier results.
    """
    again = getattr(event.target, 'elem_id', '') == 'again'
    files = (drawn or {}).get('layers') or []
    with self.sessions.use_photo(request.session_hash) as photo:
      layers = [
        photo.read_layer(self.sessions.find_upload(file)) for file in files
      ]
      explain = functools.partial(self.workers, guide)
      photo.inpaint(layers, explain, again=again, wrap=bool(wrap))
      number = len(photo.results) - 1
      return [*_show(photo, number, explained=False), number]

  @on_page(*[_SKIP] * 5)
  def finish(
    self, number: object, explained: bool, request: gr.Request
  ) -> list[Any]:
    """Like `show`, for a result that is on the page already."""
    with self.sessions.use_photo(request.session_hash) as photo:
      if not photo.results:
        # Filling failed, and the page said why.
        return [_SKIP] * 5
      photo.finish()
      shown = _show(photo, number, explained)
      # The visitor may have moved the slider meanwhile.
      return shown if explained else [*[_SKIP] * 3, *shown[3:]]

  @on_page(*[_SKIP] * 5)
  def show(
    self, number: object, explained: bool, request: gr.Request
  ) -> list[Any]:
    """Number of a result, whether to explain it -> values of `_show`."""
    with self.sessions.use_photo(request.session_hash) as photo:
      photo.finish()
      return _show(photo, number, explained)

  def choose(self, event: gr.SelectData) -> Any:
    """Click on a result -> its number."""
    return event.index


def _show(photo: Photo, number: object, explained: bool) -> list[Any]:
  """Returns values of results, slider, gallery, download and done."""
  result = photo.get_result(number)
  # An explanation is shown in full; moving the slider shows the result.
  pair, position = (photo.before, result.after), 50
  if explained and result.explained:
    pair, position = (result.after, result.explained), 0
  several = [str(x.after) for x in photo.results]
  return [
    gr.update(visible=True),
    gr.update(value=tuple(map(str, pair)), slider_position=position),
    gr.update(value=several, visible=len(several) > 1),
    gr.update(
      value=str(result.full) if result.full else None,
      interactive=result.full is not None,
    ),
    html.escape(result.note),
  ]


def build(page: Page, thumbnails: Sequence[pathlib.Path]) -> gr.Blocks:
  """Returns the page; the thumbnails of examples.NAMES are served by Gradio."""
  with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
    gr.Markdown(_INTRO)
    photo, example = _create_start(thumbnails)
    note = gr.HTML(elem_id='note', padding=False)
    with gr.Column(visible=False) as desk:
      editor, hint, mask, button = _create_desk()
      guide, wrap, source, avoid, everywhere = _create_options(
        list(page.workers.guides)
      )
    with gr.Column(visible=False, elem_id='results') as results:
      slider, gallery, done, explained, again, download = _create_results()
    gr.Markdown(_PRIVACY, elem_id='privacy')
    number = gr.State(0)
    # The editor encodes and uploads its copies whenever Gradio asks for its
    # value: when it changes the status of an input, or of what shows progress.
    # So the editor is neither; a click copies its value in the browser.
    drawn = gr.JSON(visible=False)

    # Not preprocessed: Gradio would leave an empty file behind for each file
    # that is loaded, and decode the editor's copies of the photo for nothing.
    opened = [photo, editor, note, desk, results]
    photo.upload(
      page.load_photo, photo, opened, preprocess=False, show_progress_on=photo
    )
    example.click(
      page.load_photo, example, opened, preprocess=False, show_progress_on=photo
    )
    mask.upload(
      page.load_mask,
      mask,
      [mask, editor, note],
      preprocess=False,
      show_progress_on=note,
    )
    # The editor drops the photo, too, when it drops what is painted.
    editor.clear(page.clear, None, [editor, note], show_progress_on=note)
    for name, chosen in (('source', source), ('avoid', avoid)):
      load = page.load_limit(name)
      chosen.upload(load, chosen, [chosen, note], preprocess=False)
    everywhere.click(page.drop_limits, None, note)
    shown = [results, slider, gallery, download, done]
    for pressed in (button, again):
      filled = pressed.click(None, editor, drawn, js='drawn => drawn').then(
        page.inpaint,
        [drawn, guide, wrap],
        [*shown, number],
        concurrency_limit=page.workers.count,
        concurrency_id='inpaint',
        # The slider is not visible before there is a result.
        show_progress_on=[hint, slider],
        preprocess=False,
      )
      # The picture is shown before the file to download is ready.
      filled.then(
        page.finish, [number, explained], shown, show_progress='hidden'
      )
    explained.input(page.show, [number, explained], shown)
    gallery.select(page.choose, None, number).then(
      page.show, [number, explained], shown
    )
    done.change(None, js=_SHOW_RESULTS)
    # Makes the browser keep a request open for as long as the page is open, so
    # that the guard knows when to delete its files.
    blocks.unload(lambda: None)
    blocks.load(None, js=_NAME_EXAMPLES)
  return blocks


def _create_start(
  thumbnails: Sequence[pathlib.Path],
) -> tuple[gr.File, gr.Dataset]:
  """Creates the components to choose a photo with."""
  with gr.Row(elem_id='start'):
    photo = gr.File(
      label='Your photo', file_types=['image'], height=120, elem_id='photo'
    )
    example = gr.Dataset(
      label='Or try an example',
      components=[gr.Image(visible=False)],
      samples=[[str(path)] for path in thumbnails],
      type='index',
      elem_id='examples',
    )
  return photo, example


def _create_desk() -> tuple[
  gr.ImageEditor, gr.Markdown, gr.UploadButton, gr.Button
]:
  """Creates the editor and, below it, hint, mask file and button."""
  paint = ('#{:02x}{:02x}{:02x}'.format(*MASK_COLOUR), MASK_ALPHA / 255)
  editor = gr.ImageEditor(
    label='Paint here',
    sources=(),
    transforms=(),
    layers=False,
    buttons=['fullscreen'],
    format='png',
    height='clamp(340px, 46vw, 480px)',
    brush=gr.Brush(
      default_size=36, colors=[paint], default_color=paint, color_mode='fixed'
    ),
    eraser=gr.Eraser(default_size=36),
    elem_id='editor',
  )
  hint = gr.Markdown(_HINT, elem_id='hint')
  with gr.Row(equal_height=True):
    mask = gr.UploadButton(
      'Load a mask file', file_types=['image'], min_width=180, elem_id='mask'
    )
    button = gr.Button(
      'Inpaint', variant='primary', min_width=220, elem_id='inpaint'
    )
  return editor, hint, mask, button


def _create_options(
  guides: Sequence[str],
) -> tuple[
  gr.Dropdown, gr.Checkbox, gr.UploadButton, gr.UploadButton, gr.Button
]:
  """Creates the options that few visitors need."""
  with gr.Accordion('Options', open=False, elem_id='options'):
    with gr.Row(equal_height=True):
      source = gr.UploadButton(
        'Copy only from here (mask file)',
        file_types=['image'],
        elem_id='source',
      )
      avoid = gr.UploadButton(
        'Never copy from here (mask file)',
        file_types=['image'],
        elem_id='avoid',
      )
      everywhere = gr.Button('Copy from everywhere', elem_id='everywhere')
    guide = gr.Dropdown(
      guides, label='Guide', info=_GUIDE_INFO, elem_id='guide'
    )
    wrap = gr.Checkbox(
      label='360-degree panorama: its left and right border meet',
      elem_id='wrap',
    )
  return guide, wrap, source, avoid, everywhere


def _create_results() -> tuple[
  gr.ImageSlider, gr.Gallery, gr.HTML, gr.Checkbox, gr.Button, gr.DownloadButton
]:
  """Creates the slider, the results to choose from, and the parts below."""
  slider = gr.ImageSlider(
    label='Before and after',
    buttons=['fullscreen'],
    interactive=False,
    max_height=640,
    elem_id='slider',
  )
  gallery = gr.Gallery(
    label='Results to choose from',
    columns=MAX_RESULTS,
    fit_columns=False,
    height=130,
    object_fit='contain',
    show_label=False,
    allow_preview=False,
    interactive=False,
    buttons=[],
    visible=False,
    elem_id='gallery',
  )
  done = gr.HTML(elem_id='done', padding=False)
  explained = gr.Checkbox(
    label='Show where each part was copied from', elem_id='explained'
  )
  with gr.Row(equal_height=True):
    again = gr.Button('Another result', elem_id='again')
    download = gr.DownloadButton(
      'Download at full size', variant='primary', elem_id='download'
    )
  return slider, gallery, done, explained, again, download
