"""Fills cases with methods; results are kept as PNG files.

The text fields of a file say which case was filled and how long it took, so
that no case is filled twice unless it has changed.
"""

from collections.abc import Iterator, Sequence
import contextlib
import os
import pathlib
import time

from PIL import Image, PngImagePlugin

from inpaint_jax.comparison import cases, methods
from inpaint_jax.system import atomic_files

# Keys of the text in a PNG file.
_CASE, _SECONDS, _MODEL = 'Picture', 'Seconds', 'Model'


def fill_all(
  method: str,
  to_fill: Sequence[cases.Case],
  folder: pathlib.Path,
  *,
  model: str,
  again: bool = False,
) -> None:
  """Fills cases that a method has not filled yet.

  The first case is filled twice; the first time is not timed.

  Args:
    folder: OUT/KIND; results go to METHOD/ in it.
    model: see methods.create; the engine fills again for another one.
    again: whether to fill all cases once more.
  """
  (folder / method).mkdir(parents=True, exist_ok=True)
  # Other methods do not use it.
  model = model if method in methods.ENGINE else ''
  left = [
    case
    for case in to_fill
    if again or not is_filled(case.path(folder, method), case, model)
  ]
  if not left:
    return
  with _quiet():
    fill = methods.create(method, model)
    # Compiles, and loads libraries.
    fill(left[0].truth, left[0].hole)
    for case in left:
      start = time.perf_counter()
      filled = fill(case.truth, case.hole)
      taken = time.perf_counter() - start
      text = PngImagePlugin.PngInfo()
      text.add_text(_CASE, case.digest)
      text.add_text(_SECONDS, f'{taken:.4f}')
      text.add_text(_MODEL, model)
      with atomic_files.replacing(case.path(folder, method)) as path:
        image = Image.fromarray(filled)
        image.save(path, 'PNG', compress_level=1, pnginfo=text)


def is_filled(
  path: pathlib.Path, case: cases.Case, model: str | None = None
) -> bool:
  """Returns whether a file is a filling of exactly this case.

  Args:
    model: as in `fill_all`; None = any.
  """
  try:
    text = _text(path)
  except (OSError, SyntaxError):
    return False
  is_wanted = model is None or text.get(_MODEL, '') == model
  return is_wanted and text.get(_CASE) == case.digest


def seconds(path: pathlib.Path) -> float:
  """Returns the seconds that a filling took."""
  return float(_text(path)[_SECONDS])


def _text(path: pathlib.Path) -> dict[str, str]:
  with Image.open(path) as image:
    return dict(getattr(image, 'text', {}))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps what compiled libraries write to stderr off the terminal."""
  kept = os.dup(2)
  with open(os.devnull, 'wb') as nowhere:
    os.dup2(nowhere.fileno(), 2)
    try:
      yield
    finally:
      os.dup2(kept, 2)
      os.close(kept)
