"""The page: its layout, and what happens as a visitor uses it."""

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
from inpaint_jax.demo.photo import Limits, MASK_ALPHA, MASK_COLOUR
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
Brush, eraser and brush size are beside the photo; undo, redo, zoom and clear
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
CSS = pathlib.Path(__file__).with_name('page.css').read_text()
# Gradio's own fonts come from another host; these are the visitor's.
THEME = gr.themes.Default(
  primary_hue='teal',
  secondary_hue='teal',
  neutral_hue='slate',
  font=('system-ui', 'Segoe UI', 'Roboto', 'Helvetica Neue', 'sans-serif'),
  font_mono=('ui-monospace', 'Consolas', 'monospace'),
)
_SKIP = gr.skip()


Handler = Callable[..., list[Any]]


def on_page(*failed: Any) -> Callable[[Handler], Handler]:
  """Shows what goes wrong in a handler on the page; it then returns `failed`.

  A UserError is shown as it is. Of anything else the page says only that it
  happened; the traceback is for the terminal. gr.Error would do the same, but
  lays the word Error over all components that the handler was to change.
  """

  def decorate(fn: Handler) -> Handler:
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
      return list(failed)

    return handler

  return decorate


@dataclasses.dataclass(frozen=True)
class Page:
  """What happens as a visitor uses the page.

  Each handler takes values of components and returns values for components, in
  the order in which `build` names them.

  Attributes:
    sessions: keeps the photos.
    limits: what a visitor may send.
    workers: fill the photos.
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
    photo = self.sessions.get_photo(request.session_hash)
    note = photo.load_mask(self.sessions.find_upload(file), self.limits)
    return [None, photo.editor_value(), html.escape(note)]

  @on_page(*[_SKIP] * 4)
  def inpaint(
    self, drawn: dict[str, Any] | None, model: str, request: gr.Request
  ) -> list[Any]:
    """What is in the editor, model -> results, slider, download, done."""
    photo = self.sessions.get_photo(request.session_hash)
    files = (drawn or {}).get('layers') or []
    try:
      layers = [
        photo.read_layer(self.sessions.find_upload(file)) for file in files
      ]
      result = photo.inpaint(layers, functools.partial(self.workers, model))
    except Exception:
      if not photo.folder.exists():
        raise errors.UserError('the photo was closed meanwhile') from None
      raise
    return [
      gr.update(visible=True),
      (str(result.before), str(result.after)),
      str(result.full),
      html.escape(result.note),
    ]


def build(page: Page, thumbnails: Sequence[pathlib.Path]) -> gr.Blocks:
  """Returns the page; thumbnails of examples.NAMES lie in Gradio's folder."""
  with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
    gr.Markdown(_INTRO)
    photo, example = _create_start(thumbnails)
    note = gr.HTML(elem_id='note', padding=False)
    with gr.Column(visible=False) as desk:
      editor, mask, model, button = _create_desk(page.workers.models)
    with gr.Column(visible=False, elem_id='results') as results:
      slider, done, download = _create_results()
    gr.Markdown(_PRIVACY, elem_id='privacy')

    # Not preprocessed: Gradio would leave an empty file behind for each that is
    # loaded, and decode the editor's copies of the photo, which nobody needs.
    opened = [photo, editor, note, desk, results]
    photo.upload(page.load_photo, photo, opened, preprocess=False)
    example.click(page.load_photo, example, opened, preprocess=False)
    mask.upload(page.load_mask, mask, [mask, editor, note], preprocess=False)
    button.click(
      page.inpaint,
      [editor, model],
      [results, slider, download, done],
      concurrency_limit=page.workers.count,
      show_progress_on=slider,
      preprocess=False,
    )
    done.change(None, js=_SHOW_RESULTS)
    # Makes the browser keep a request open for as long as the page is, by which
    # the guard knows when to delete its files.
    blocks.unload(lambda: None)
    blocks.load(None, js=_NAME_EXAMPLES)
  return blocks


def _create_start(
  thumbnails: Sequence[pathlib.Path],
) -> tuple[gr.File, gr.Dataset]:
  """Creates what a photo is chosen with."""
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


def _create_desk(
  models: Sequence[str],
) -> tuple[gr.ImageEditor, gr.UploadButton, gr.Dropdown, gr.Button]:
  """Creates the editor, and below it mask file, model and button."""
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
  gr.Markdown(_HINT, elem_id='hint')
  with gr.Row(equal_height=True):
    mask = gr.UploadButton(
      'Load a mask file', file_types=['image'], min_width=180, elem_id='mask'
    )
    model = gr.Dropdown(
      models, label='Model', show_label=False, container=False, min_width=220
    )
    button = gr.Button(
      'Inpaint', variant='primary', min_width=220, elem_id='inpaint'
    )
  return editor, mask, model, button


def _create_results() -> tuple[gr.ImageSlider, gr.HTML, gr.DownloadButton]:
  """Creates the slider, what it says below, and the download."""
  slider = gr.ImageSlider(
    label='Before and after',
    buttons=['fullscreen'],
    interactive=False,
    max_height=640,
    elem_id='slider',
  )
  done = gr.HTML(elem_id='done', padding=False)
  download = gr.DownloadButton(
    'Download at full size', variant='primary', elem_id='download'
  )
  return slider, done, download
