"""What the page does with a photo: read it, mark the hole, fill it.

The editor works on a small copy of the photo. What was painted is brought to
the size of the original and the original is filled, so that neither the
browser's canvas nor its encoders touch a pixel of the result.
"""

from collections.abc import Callable, Sequence
import dataclasses
import pathlib
import time

import numpy as np
import PIL.Image
import PIL.ImageFilter

from inpaint_jax.demo import examples
from inpaint_jax.demo.sessions import Session
from inpaint_jax.inpainting import photo_filling
from inpaint_jax.photos import mask_files, picture_files
from inpaint_jax.system import errors

# The longer side of the copies in the editor and under the slider.
EDITOR_SIDE = 1024
SLIDER_SIDE = 1600
# The colour of the mask, which no landscape has, and how opaque it is.
MASK_COLOUR = (255, 0, 128)
MASK_ALPHA = 160

Inpaint = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a visitor may send.

  Attributes:
    megabytes: of a file, in 10^6 bytes.
    megapixels: of a picture, in 10^6 pixels.
  """

  megabytes: float = 50
  megapixels: float = 50


@dataclasses.dataclass(frozen=True)
class Result:
  """The files of a filled photo.

  Attributes:
    before: a copy of the photo for the screen.
    after: the same of the result.
    full: the result at full size.
    note: a line on what was done.
  """

  before: pathlib.Path
  after: pathlib.Path
  full: pathlib.Path
  note: str


def load_photo(session: Session, upload: pathlib.Path, limits: Limits) -> str:
  """Takes a photo into a new session, and returns a line about it.

  Transparent pixels of the photo are its mask until another is loaded.

  Args:
    session: without a photo.
    upload: the file; it is moved.
    limits: more is refused.

  Raises:
    errors.UserError: no photo, or too large.
  """
  session.name = upload.name
  session.photo = upload.replace(session.folder / 'photo')
  return _open(session, limits)


def load_example(session: Session, number: int) -> str:
  """Draws an example into a new session, and returns a line about it."""
  session.name = f'example {number + 1}.png'
  session.photo = session.folder / 'photo'
  image = PIL.Image.fromarray(examples.draw(number))
  image.save(session.photo, 'PNG', compress_level=1)
  return _open(session, Limits())


def _open(session: Session, limits: Limits) -> str:
  picture = _read(session.photo, session.name, limits)
  height, width = picture.pixels.shape[:2]
  session.size = height, width
  copy = session.folder / 'editor.png'
  write_copy(copy, picture, editor_size(session.size))
  lines = [f'{session.name}, {width} x {height} pixels.', *picture.notes]
  if picture.pixels.dtype == np.uint16:
    lines.append('It has 16 bits; the result has, too, the page shows 8.')
  if picture.alpha is not None:
    hole = mask_files.find_transparent(picture.alpha)
    if hole.any():
      _show_mask(session, hole)
      lines.append('Its transparent pixels are marked to be filled.')
  return ' '.join(lines)


def load_mask(session: Session, upload: pathlib.Path, limits: Limits) -> str:
  """Takes a mask for the session's photo, and returns a line about it.

  Args:
    session: with a photo.
    upload: the file, of the photo's proportions; it is moved.
    limits: more is refused.

  Raises:
    errors.UserError: no picture, too large, or of other proportions.
  """
  name, path = upload.name, upload.replace(session.folder / 'mask')
  mask = mask_files.read(path, *session.size, name=name, **_most(limits))
  _show_mask(session, mask)
  return f'{name} is the mask: {mask.mean():.1%} of the photo.'


def editor_value(session: Session) -> dict[str, object]:
  """Returns the copy of the photo and the mask, as the editor takes them."""
  photo = str(session.folder / 'editor.png')
  layers = []
  if session.shown is not None:
    layer = np.zeros((*session.shown.shape, 4), np.uint8)
    layer[session.shown] = (*MASK_COLOUR, MASK_ALPHA)
    path = session.fresh_folder('layer') / 'layer.png'
    PIL.Image.fromarray(layer).save(path, compress_level=1)
    layers = [str(path)]
  return {'background': photo, 'layers': layers, 'composite': None}


def read_layer(session: Session, path: pathlib.Path) -> np.ndarray:
  """Returns a layer of the editor, uint8 [h, w, 4].

  Raises:
    errors.UserError: it is no picture of the size of the copy in the editor.
  """
  try:
    with PIL.Image.open(path, formats=('PNG', 'WEBP')) as image:
      if image.size[::-1] != editor_size(session.size):
        raise ValueError('another size')
      return np.asarray(image.convert('RGBA'))
  except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
    raise errors.UserError(
      'what was painted got lost on the way; load the photo again'
    ) from None


def inpaint(
  session: Session,
  layers: Sequence[np.ndarray],
  inpainter: Inpaint,
  limits: Limits,
) -> Result:
  """Fills what was painted.

  Args:
    session: with a photo.
    layers: of the editor, uint8 [h, w, 4]; what is not transparent is hole.
    inpainter: (pixels [H, W, 3], hole [H, W]) -> pixels.
    limits: as the photo was loaded with.

  Raises:
    errors.UserError: nothing, or all, is painted.
  """
  picture = _read(session.photo, session.name, limits)
  hole = find_hole(session, layers)
  if not hole.any():
    raise errors.UserError(
      'nothing is painted yet; paint over what should go, then press Inpaint'
    )
  if hole.all():
    raise errors.UserError(
      'all of the photo is painted, so there is nothing to fill it from; erase '
      'some of it'
    )
  start = time.perf_counter()
  filled = photo_filling.fill_picture(inpainter, picture, hole)
  seconds = time.perf_counter() - start
  stem = pathlib.Path(session.name).stem or 'photo'
  folder = session.fresh_folder('result')
  before, after = folder / 'before.jpg', folder / 'after.jpg'
  full = folder / f'{stem}_inpainted.png'
  for path, shown in ((before, picture), (after, filled)):
    write_copy(path, shown, slider_size(session.size))
  lines = picture_files.write(full, filled)
  height, width = hole.shape
  note = (
    f'{width} x {height} pixels, {hole.mean():.1%} of them filled in '
    f'{seconds:.1f} s.'
  )
  return Result(before, after, full, ' '.join([note, *lines]))


def find_hole(session: Session, layers: Sequence[np.ndarray]) -> np.ndarray:
  """Returns what is painted, as bool [H, W] of the photo's size.

  Where the mask that was loaded is as it was put into the editor, it holds with
  all its pixels; elsewhere what the visitor made of it.

  Args:
    session: with a photo.
    layers: of the editor, uint8 [h, w, 4].
  """
  if not layers:
    painted = np.zeros((1, 1), bool)
  else:
    painted = np.any([a[..., 3] >= MASK_ALPHA // 2 for a in layers], axis=0)
  if session.shown is None:
    return _resize(painted, session.size)
  if painted.shape != session.shown.shape:
    painted = _resize(painted, session.shown.shape)
  # With a pixel around it: the outline of the copy is but a rounded one.
  changed = PIL.Image.fromarray(np.uint8(painted != session.shown))
  changed = np.asarray(changed.filter(PIL.ImageFilter.MaxFilter(3))) > 0
  changed = _resize(changed, session.size)
  return np.where(
    changed, _resize(painted, session.size), np.load(session.mask)
  )


def write_copy(
  path: pathlib.Path, picture: picture_files.Picture, size: tuple[int, int]
) -> None:
  """Writes a copy for the screen, of a size (height, width) in pixels."""
  pixels, alpha = _eight_bits(picture.pixels), _eight_bits(picture.alpha)
  image = PIL.Image.fromarray(pixels)
  if alpha is not None:
    below = PIL.Image.new('RGB', image.size, 'white')
    image = PIL.Image.composite(image, below, PIL.Image.fromarray(alpha))
  image = image.resize(size[::-1], PIL.Image.Resampling.BICUBIC)
  # The profile tells the browser what the colours are; one of grey does not.
  icc = b'' if picture.grey else picture.metadata.icc
  image.save(path, icc_profile=icc or None, quality=92)


def editor_size(size: tuple[int, int]) -> tuple[int, int]:
  """Returns (height, width) of the editor's copy of a photo of `size`.

  Small photos are enlarged, so that a brush does not cover half of them.
  """
  return _scaled(size, EDITOR_SIDE / max(size))


def slider_size(size: tuple[int, int]) -> tuple[int, int]:
  """Returns (height, width) of the copies under the slider."""
  return _scaled(size, min(1, SLIDER_SIDE / max(size)))


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
  height, width = size
  return max(1, round(height * scale)), max(1, round(width * scale))


def _eight_bits(array: np.ndarray | None) -> np.ndarray | None:
  if array is None or array.dtype == np.uint8:
    return array
  return (array >> 8).astype(np.uint8)


def _read(
  path: pathlib.Path, name: str, limits: Limits
) -> picture_files.Picture:
  return picture_files.read(path, name=name, **_most(limits))


def _most(limits: Limits) -> dict[str, int]:
  """Returns limits as the readers of files take them."""
  return {
    'max_pixels': int(limits.megapixels * 1e6),
    'max_bytes': int(limits.megabytes * 1e6),
  }


def _show_mask(session: Session, hole: np.ndarray) -> None:
  """Has the editor show a mask, bool [H, W], that is kept at full size."""
  session.mask = session.folder / 'mask.npy'
  np.save(session.mask, hole)
  session.shown = _resize(hole, editor_size(hole.shape))


def _resize(hole: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes bool [h, w] to (H, W) with smooth outlines."""
  if hole.shape == tuple(size):
    return hole
  image = PIL.Image.fromarray(hole.astype(np.uint8) * 255)
  image = image.resize(size[::-1], PIL.Image.Resampling.BILINEAR)
  return np.asarray(image) >= 128
