"""The page: its layout, and what happens as a visitor uses it."""

from collections.abc import Callable, Sequence
import functools
import html
import pathlib
import sys
import traceback
from typing import Any, Literal, TypedDict

import gradio as gr

from inpaint_jax.demo import examples
from inpaint_jax.demo.photo import Limits, MASK_ALPHA, MASK_COLOUR, Photo
from inpaint_jax.demo.sessions import Sessions
from inpaint_jax.demo.workers import Workers
from inpaint_jax.system import errors

TITLE = 'Inpaint a photo'
_INTRO = """
# Inpaint a photo

Paint over what should go, and a neural network fills the hole from what is
around it. It has learnt from landscapes: small things in sky, grass, water or
rock go best. Expect little of it with faces, letters and buildings.
"""
_HINT = """
Brush, eraser and brush size are beside the picture; undo, redo, zoom and clear
above it. Paint a little beyond the outline of what should go.
"""
_PRIVACY = """
The photo stays on the computer that runs this page and is deleted when you
close the page. Pixels away from the painted places are those of your file.
"""
_SHOW_RESULTS = """
() => setTimeout(() => document.querySelector('#results').scrollIntoView(
  {behavior: 'smooth'}), 300)
"""
_NAME_EXAMPLES = f"""
() => document.querySelectorAll('#examples button').forEach((button, i) =>
  button.setAttribute('aria-label', 'Example: ' + {list(examples.NAMES)}[i]))
"""
CSS = (pathlib.Path(__file__).parent / 'page.css').read_text()


def theme() -> gr.themes.Base:
  """Returns colours and fonts; the fonts are those of the visitor's system."""
  sans = ('system-ui', 'Segoe UI', 'Roboto', 'Helvetica Neue', 'sans-serif')
  return gr.themes.Default(
    primary_hue='teal',
    secondary_hue='teal',
    neutral_hue='slate',
    font=sans,
    font_mono=('ui-monospace', 'Consolas', 'monospace'),
  ).set(
    # Dark enough for white letters on them.
    button_primary_background_fill='*primary_700',
    button_primary_background_fill_dark='*primary_700',
    button_primary_background_fill_hover='*primary_800',
    button_primary_background_fill_hover_dark='*primary_600',
  )


def on_page(
  cleared: int, kept: int
) -> Callable[[Callable[..., list[Any]]], Callable[..., list[Any]]]:
  """Shows what goes wrong in a handler on the page, in one line.

  A UserError is shown as it is. Of anything else the page says only that it
  happened; the traceback is for the terminal. gr.Error would do the same, but
  lays the word Error over all components that the handler was to change.

  Args:
    cleared: how many of the handler's components, the first, become empty.
    kept: how many, behind them, stay as they are.
  """

  def decorate(fn: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    @functools.wraps(fn)
    def handler(*args: Any) -> list[Any]:
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
      # The page takes messages for HTML, and a file's name is in some.
      gr.Warning(html.escape(message))
      return [None] * cleared + [gr.skip()] * kept

    return handler

  return decorate


class Handlers:
  """What happens as a visitor uses the page.

  Each method takes values of components and returns values for components, in
  the order in which `build` names them.
  """

  def __init__(self, sessions: Sessions, limits: Limits, workers: Workers):
    self._sessions = sessions
    self._limits = limits
    self._workers = workers

  @on_page(cleared=1, kept=4)
  def load_photo(self, file: object, request: gr.Request) -> list[Any]:
    """File -> photo, editor, note, desk, results."""
    upload = self._sessions.find_upload(file)
    with self._sessions.new_photo(_page(request)) as photo:
      note = photo.load(upload, self._limits)
    return _opened(photo, note)

  @on_page(cleared=1, kept=4)
  def load_example(self, number: int, request: gr.Request) -> list[Any]:
    """Number -> the same."""
    with self._sessions.new_photo(_page(request)) as photo:
      note = photo.load_example(number)
    return _opened(photo, note)

  @on_page(cleared=1, kept=2)
  def load_mask(self, file: object, request: gr.Request) -> list[Any]:
    """File -> mask, editor, note."""
    upload = self._sessions.find_upload(file)
    photo = self._photo(request)
    note = photo.load_mask(upload, self._limits)
    return [None, photo.editor_value(), html.escape(note)]

  @on_page(cleared=0, kept=4)
  def inpaint(
    self, drawn: dict[str, Any] | None, model: str, request: gr.Request
  ) -> list[Any]:
    """What is in the editor, model -> results, slider, download, done."""
    photo = self._photo(request)
    try:
      layers = [
        photo.read_layer(self._sessions.find_upload(file))
        for file in (drawn or {}).get('layers') or []
      ]
      result = photo.inpaint(layers, functools.partial(self._workers, model))
    except Exception:
      if self._sessions.get_photo(_page(request)) is not photo:
        raise errors.UserError('the photo was closed meanwhile') from None
      raise
    return [
      gr.update(visible=True),
      (str(result.before), str(result.after)),
      str(result.full),
      html.escape(result.note),
    ]

  def _photo(self, request: gr.Request) -> Photo:
    photo = self._sessions.get_photo(_page(request))
    if photo is None:
      raise errors.UserError('no photo is open; load one, or pick an example')
    return photo


def _page(request: gr.Request) -> str:
  return request.session_hash or ''


def _opened(photo: Photo, note: str) -> list[Any]:
  shown, hidden = gr.update(visible=True), gr.update(visible=False)
  return [None, photo.editor_value(), html.escape(note), shown, hidden]


class _Options(TypedDict):
  """Of all events."""

  api_visibility: Literal['private']
  preprocess: bool


def build(
  handlers: Handlers,
  thumbnails: Sequence[pathlib.Path],
  models: Sequence[str],
  num_workers: int,
) -> gr.Blocks:
  """Returns the page.

  Args:
    handlers: what happens on it.
    thumbnails: of examples.NAMES, files within Gradio's folder.
    models: what there is to choose from; the first is chosen.
    num_workers: how many pictures are filled at once; others wait in a queue.
  """
  with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
    gr.Markdown(_INTRO)
    photo, example = _lay_out_start(thumbnails)
    note = gr.HTML(elem_id='note', padding=False)
    with gr.Column(visible=False, elem_id='desk') as desk:
      editor = _lay_out_editor()
      gr.Markdown(_HINT, elem_id='hint')
      with gr.Row(equal_height=True, elem_id='controls'):
        mask = gr.UploadButton(
          'Load a mask file',
          file_types=['image'],
          size='lg',
          min_width=180,
          elem_id='mask',
        )
        model = gr.Dropdown(
          list(models),
          value=models[0],
          show_label=False,
          label='Model',
          container=False,
          min_width=220,
          interactive=True,
          elem_id='model',
        )
        button = gr.Button(
          'Inpaint', variant='primary', min_width=220, elem_id='inpaint'
        )
    with gr.Column(visible=False, elem_id='results') as results:
      slider = gr.ImageSlider(
        label='Before and after',
        type='filepath',
        buttons=['fullscreen'],
        interactive=False,
        max_height=640,
        elem_id='slider',
      )
      done = gr.HTML(elem_id='done', padding=False)
      download = gr.DownloadButton(
        'Download at full size', variant='primary', elem_id='download'
      )
    gr.Markdown(_PRIVACY, elem_id='privacy')

    opened = [photo, editor, note, desk, results]
    # Not preprocessed: Gradio would leave an empty file behind for each that is
    # loaded, and decode the editor's copies of the photo, which nobody needs.
    plain = _Options(api_visibility='private', preprocess=False)
    photo.upload(handlers.load_photo, photo, opened, **plain)
    example.click(handlers.load_example, example, opened, **plain)
    mask.upload(handlers.load_mask, mask, [mask, editor, note], **plain)
    button.click(
      handlers.inpaint,
      [editor, model],
      [results, slider, download, done],
      concurrency_limit=num_workers,
      show_progress_on=slider,
      **plain,
    )
    done.change(None, js=_SHOW_RESULTS)
    # Makes the browser keep a request open for as long as the page is, by which
    # the guard knows when to delete its files.
    blocks.unload(lambda: None)
    blocks.load(None, js=_NAME_EXAMPLES)
  return blocks


def _lay_out_start(
  thumbnails: Sequence[pathlib.Path],
) -> tuple[gr.File, gr.Dataset]:
  with gr.Row(elem_id='start'):
    photo = gr.File(
      label='Your photo',
      file_types=['image'],
      height=120,
      scale=3,
      min_width=300,
      elem_id='photo',
    )
    with gr.Column(scale=2, min_width=300):
      example = gr.Dataset(
        label='Or try an example',
        components=[gr.Image(visible=False)],
        samples=[[str(path)] for path in thumbnails],
        type='index',
        elem_id='examples',
      )
  return photo, example


def _lay_out_editor() -> gr.ImageEditor:
  colour = '#{:02x}{:02x}{:02x}'.format(*MASK_COLOUR)
  paint = (colour, MASK_ALPHA / 255)
  return gr.ImageEditor(
    label='Paint here',
    sources=(),
    transforms=(),
    layers=False,
    buttons=['fullscreen'],
    image_mode='RGBA',
    format='png',
    height='clamp(340px, 46vw, 480px)',
    brush=gr.Brush(
      default_size=36,
      colors=[paint],
      default_color=paint,
      color_mode='fixed',
    ),
    eraser=gr.Eraser(default_size=36),
    elem_id='editor',
  )
