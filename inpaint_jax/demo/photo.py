"""The photo on a page: reads it, marks the hole, and fills it.

The editor works on a small copy of the photo. The painted mask is brought to
the size of the original and the original is filled, so neither the browser's
canvas nor its encoders touch a pixel of the result.
"""

from collections.abc import Callable, Sequence
import dataclasses
import pathlib
import secrets
import shutil
import threading
import time
from typing import Any, TypedDict

import numpy as np
import PIL.Image
from scipy import ndimage

from inpaint_jax.demo import examples
from inpaint_jax.inpainting import explanation, photo_filling
from inpaint_jax.inpainting.inpainter import Filling
from inpaint_jax.photos import mask_files, picture_files, reading
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors

# Longer side of the copies in the editor and in the slider, in pixels.
EDITOR_SIDE = 1024
SLIDER_SIDE = 1600
# The colour of the mask, which no landscape has, and its opacity.
MASK_COLOUR = (255, 0, 128)
MASK_ALPHA = 160

# Number of results that are kept, to choose from.
MAX_RESULTS = 6

# A function such as Inpainter.explain: (image, hole, **options) -> Filling.
Explain = Callable[..., Filling]


class Limits(TypedDict):
  """The largest files and photos that are read, as arguments of the readers."""

  max_bytes: int
  max_pixels: int


@dataclasses.dataclass
class Result:
  """A result: copies for the screen, and files that are made later.

  Attributes:
    folder: folder of all files of the result.
    after: the copy for the screen.
    note: a line about the result.
    filled: the picture and its origins, until they are written.
    full: the file to download, once it is written.
    explained: a picture of where each part is from, once it is drawn.
  """

  folder: pathlib.Path
  after: pathlib.Path
  note: str
  filled: tuple[Picture, np.ndarray] | None
  full: pathlib.Path | None = None
  explained: pathlib.Path | None = None


class Photo:
  """The photo on one page, with all its files in one folder.

  Its methods raise a UserError, whose text names no path, for errors that a
  visitor can mend.
  """

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self._file, self._mask = folder / 'photo', folder / 'mask.npy'
    # The copy of the photo to compare with those of the results.
    self.before = folder / 'before.jpg'
    self._name = ''
    self._size = self._editor_size = self._slider_size = (0, 0)
    # The mask in `_mask` as it was put into the editor, bool [h, w].
    self._shown: np.ndarray | None = None
    # Files of the masks 'source' and 'avoid', bool [H, W]: what may be copied,
    # and what may not.
    self._limits: dict[str, pathlib.Path] = {}
    # All results, the newest last, and the seed of the newest one.
    self.results: list[Result] = []
    self._seed = 0
    self._lock = threading.Lock()

  def load(self, upload: pathlib.Path, limits: Limits) -> str:
    """Moves an uploaded photo here, and returns a line about it.

    Transparent pixels of the photo are its mask until a mask is loaded.
    """
    name = self._name = upload.name
    upload.replace(self._file)
    return self._open(picture_files.read(self._file, name=name, **limits))

  def load_example(self, number: int) -> str:
    """Draws an example, and returns a line about it."""
    self._name = f'example {number + 1}.png'
    image = PIL.Image.fromarray(examples.draw(number))
    image.save(self._file, 'PNG', compress_level=1)
    return self._open(picture_files.read(self._file))

  def _open(self, picture: Picture) -> str:
    height, width = self._size = picture.pixels.shape[:2]
    # Small photos are enlarged, so that a brush does not cover half of them.
    self._editor_size = _scale(self._size, EDITOR_SIDE / max(self._size))
    self._slider_size = _scale(
      self._size, min(1, SLIDER_SIDE / max(self._size))
    )
    _write_copy(self.folder / 'editor.png', picture, self._editor_size)
    lines = [f'{self._name}, {width} x {height} pixels.', *picture.notes]
    if picture.pixels.dtype == np.uint16:
      lines.append('It has 16 bits; the result has, too, the page shows 8.')
    if picture.alpha is not None:
      hole = mask_files.find_transparent(picture.alpha)
      if hole.any():
        self._show_mask(hole)
        lines.append('Its transparent pixels are marked to be filled.')
    return _join(lines, self._name)

  def load_mask(self, upload: pathlib.Path, limits: Limits) -> str:
    """Loads a mask file of the photo's aspect, and returns a line about it."""
    try:
      picture = picture_files.read(self._file, name=self._name)
      hole, notes = mask_files.read(
        upload, *self._size, photo=picture.pixels, name=upload.name, **limits
      )
      mask_files.check_differs(upload, self._file, upload.name)
    finally:
      upload.unlink()
    self._show_mask(hole)
    line = f'{upload.name} is the mask: {hole.mean():.1%} of the photo.'
    return _join([line, *notes], upload.name)

  def load_limit(self, name: str, upload: pathlib.Path, limits: Limits) -> str:
    """Loads a mask file of what to copy, and returns a line about it.

    Args:
      name: 'source' if only white places may be copied, or 'avoid' if they may
        not.
    """
    try:
      picture = picture_files.read(self._file, name=self._name)
      marked, notes = photo_filling.read_limit(
        name, upload, picture.pixels, name=upload.name, **limits
      )
    finally:
      upload.unlink()
    self._limits[name] = self.folder / f'{name}.npy'
    np.save(self._limits[name], marked)
    what = 'Only' if name == 'source' else 'Nothing of'
    line = f'{what} the white of {upload.name} is copied, {marked.mean():.1%}.'
    return _join([line, *notes], upload.name)

  def drop_limits(self) -> str:
    """Lets all of the photo be copied again, and returns a line about it."""
    self._limits.clear()
    return 'All of the photo may be copied.'

  def drop_mask(self) -> str:
    """Forgets the mask that was loaded, and returns a line about it."""
    self._shown = None
    return 'Nothing is painted.'

  def _show_mask(self, hole: np.ndarray) -> None:
    np.save(self._mask, hole)
    self._shown = _resize(hole, self._editor_size)

  def editor_value(self) -> dict[str, object]:
    """Returns the copy of the photo and the mask, as the editor takes them."""
    layers = []
    if self._shown is not None:
      layer = np.zeros((*self._shown.shape, 4), np.uint8)
      layer[self._shown] = (*MASK_COLOUR, MASK_ALPHA)
      for old in self.folder.glob('layer_*'):
        old.unlink()
      # A new name, since browsers do not fetch an address twice.
      path = self.folder / f'layer_{secrets.token_hex(4)}.png'
      PIL.Image.fromarray(layer).save(path, compress_level=1)
      layers = [str(path)]
    background = str(self.folder / 'editor.png')
    return {'background': background, 'layers': layers, 'composite': None}

  def read_layer(self, path: pathlib.Path) -> np.ndarray:
    """Returns what is painted on a layer of the editor, bool [h, w]."""
    try:
      with PIL.Image.open(path, formats=('PNG', 'WEBP')) as image:
        if image.size[::-1] != self._editor_size:
          raise ValueError('another size')
        return np.asarray(image.convert('RGBA'))[..., 3] >= MASK_ALPHA // 2
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
      raise errors.UserError(
        'the painted mask did not arrive; load the photo again'
      ) from None

  def inpaint(
    self,
    layers: Sequence[np.ndarray],
    explain: Explain,
    *,
    again: bool = False,
    **options: Any,
  ) -> Result:
    """Fills the painted hole; `finish` makes the files that can wait.

    Args:
      layers: layers of the editor, bool [h, w].
      explain: fills the photo, such as Inpainter.explain.
      again: whether earlier results are kept next to this one; if not, it
        replaces them.
    """
    picture = picture_files.read(self._file, name=self._name)
    hole = self.find_hole(layers)
    if not hole.any():
      raise errors.UserError(
        'nothing is painted yet; paint over what should go, then press Inpaint'
      )
    if hole.all():
      raise errors.UserError(
        'all of the photo is painted, so there is nothing to fill it from; '
        'erase some of it'
      )
    limits = {name: np.load(path) for name, path in self._limits.items()}
    with self._lock:
      self._seed = self._seed + 1 if again else 0
      start = time.perf_counter()
      image, origins = explain(
        picture.image, hole, **limits, seed=self._seed, **options
      )
      seconds = time.perf_counter() - start
      filled = picture.with_image(image)
      kept = MAX_RESULTS - 1 if again else 0
      while len(self.results) > kept:
        shutil.rmtree(self.results.pop(0).folder, ignore_errors=True)
      folder = self.folder / f'result_{secrets.token_hex(4)}'
      folder.mkdir()
      after = folder / 'after.jpg'
      _write_copy(self.before, picture, self._slider_size)
      _write_copy(after, filled, self._slider_size)
      height, width = hole.shape
      note = (
        f'{width} x {height} pixels, {hole.mean():.1%} of them filled in '
        f'{seconds:.1f} s.'
      )
      if again:
        note = f'Result {self._seed + 1}: {note}'
      self.results.append(Result(folder, after, note, (filled, origins)))
      return self.results[-1]

  def finish(self) -> None:
    """Makes the files to download, and the pictures that explain them."""
    with self._lock:
      for result in self.results:
        if result.filled is None:
          continue
        picture, origins = result.filled
        # File systems take names of at most 255 bytes.
        stem = pathlib.Path(self._name).stem.encode()[:240]
        name = stem.decode(errors='ignore') or 'photo'
        full = result.folder / f'{name}_inpainted.png'
        lines = picture_files.write(full, picture)
        result.note = _join([result.note, *lines])
        drawn = explanation.draw_origins(picture.pixels, origins)
        explained = result.folder / 'explained.jpg'
        _write_copy(explained, Picture(drawn), self._slider_size)
        result.full, result.explained = full, explained
        result.filled = None

  def get_result(self, number: object) -> Result:
    """Returns a result by its place in `results`."""
    if not isinstance(number, int) or not 0 <= number < len(self.results):
      raise errors.UserError('there is no such result; press Inpaint')
    return self.results[number]

  def find_hole(self, layers: Sequence[np.ndarray]) -> np.ndarray:
    """Returns what is painted on layers, bool [h, w] each, as bool [H, W].

    Where the visitor has not changed the loaded mask, its pixels at full size
    are taken; elsewhere, what is painted.
    """
    empty = np.zeros(self._editor_size, bool)
    painted = np.logical_or.reduce([empty, *layers])
    hole = _resize(painted, self._size)
    if self._shown is None:
      return hole
    # With a pixel around, since the copy of the mask has a rounded outline.
    changed = ndimage.maximum_filter(painted != self._shown, 3)
    return np.where(_resize(changed, self._size), hole, np.load(self._mask))


def _write_copy(
  path: pathlib.Path, picture: Picture, size: tuple[int, int]
) -> None:
  """Writes a copy for the screen with `size` (height, width) in pixels."""
  pixels = picture.image
  if pixels.dtype == np.uint16:
    pixels = (pixels >> 8).astype(np.uint8)
  image = PIL.Image.fromarray(pixels)
  if image.mode != 'RGB':
    image = reading.to_rgb(image)
  image = image.resize(size[::-1], PIL.Image.Resampling.BICUBIC)
  # The profile says what the colours are; a grey one does not fit an RGB copy.
  icc = b'' if picture.grey else picture.metadata.icc
  image.save(path, icc_profile=icc or None, quality=92)


def _join(lines: Sequence[str], name: str = '') -> str:
  """Returns lines as sentences; a file name keeps its first letter as it is."""
  sentences = [
    line if name and line.startswith(name) else line[:1].upper() + line[1:]
    for line in lines
  ]
  return ' '.join(sentence.rstrip('.') + '.' for sentence in sentences)


def _scale(size: tuple[int, int], scale: float) -> tuple[int, int]:
  height, width = size
  return max(1, round(height * scale)), max(1, round(width * scale))


def _resize(hole: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes bool [h, w]: smoothly if it grows, else without losing a pixel."""
  if hole.shape[0] >= size[0]:
    return mask_files.resize(hole, *size)
  image = PIL.Image.fromarray(hole.astype(np.uint8) * 255)
  image = image.resize(size[::-1], PIL.Image.Resampling.BILINEAR)
  return np.asarray(image) >= 128
