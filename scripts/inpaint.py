"""Fills the holes of a photo with a trained net.

  python scripts/inpaint.py --workdir=runs/unet photo.jpg mask.png out.png

The mask has the size of the photo and is white where the hole is. The type of
the result follows from its name; PNG keeps every known pixel as it was.
"""

from collections.abc import Sequence
import os
import pathlib
import tempfile

from absl import flags
import numpy as np
import PIL.Image

from inpaint_jax import command_line, errors, photos

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of a training run, with the checkpoint to use.'
)


def main(argv: Sequence[str]) -> None:
  if len(argv) != 4:
    raise errors.UserError(
      f'found {len(argv) - 1} file names, wanted 3: photo, mask and result, as '
      'in: python scripts/inpaint.py --workdir=DIR photo.jpg mask.png out.png'
    )
  if not _WORKDIR.value:
    raise errors.UserError('no --workdir; name the folder of a training run')
  photo_path, mask_path, out_path = map(pathlib.Path, argv[1:])
  # All that can be wrong is found before the work, not after.
  check_output(out_path, inputs=[photo_path, mask_path])
  photo = read(photo_path)
  # Of strokes on a transparent layer, the rest is black and known.
  mask = PIL.Image.fromarray(read(mask_path, background='black'))
  mask = np.asarray(mask.convert('L'))

  # JAX takes a second to import: a wrong name need not wait for it.
  from inpaint_jax import inference

  hole = inference.check(photo, mask)
  result = inference.load(_WORKDIR.value)(photo, mask)
  write(out_path, result)
  print(f'wrote {out_path}; {hole.mean():.1%} of it was hole')


def read(path: pathlib.Path, background: str = 'white') -> np.ndarray:
  """Returns a picture file as uint8 [H, W, 3], upright."""
  try:
    return np.asarray(photos.read(path, background=background))
  except photos.UnreadableError as error:
    raise errors.UserError(f'{path} cannot be read: {error}') from error


def check_output(path: pathlib.Path, inputs: Sequence[pathlib.Path]) -> None:
  """Raises a UserError unless a picture can be written to `path`."""
  types = sorted(
    suffix
    for suffix, kind in PIL.Image.registered_extensions().items()
    if kind in ('PNG', 'JPEG', 'WEBP', 'TIFF', 'BMP')
  )
  if path.suffix.lower() not in types:
    raise errors.UserError(
      f'the result {path} has no type that can be written; end its name on '
      f'one of: {", ".join(types)}'
    )
  for other in inputs:
    if path.exists() and other.exists() and path.samefile(other):
      raise errors.UserError(
        f'the result {path} would overwrite an input; give it another name'
      )
  if path.is_dir():
    raise errors.UserError(f'the result {path} is a folder; name a file')
  try:
    with tempfile.TemporaryFile(dir=path.parent):
      pass
  except OSError as error:
    raise errors.UserError(
      f'the result {path} cannot be written: {error.strerror}; name a file in '
      'a folder that can be written to'
    ) from error


def write(path: pathlib.Path, image: np.ndarray) -> None:
  """Writes a picture, whole or not at all, its type taken from its name."""
  kind = PIL.Image.registered_extensions()[path.suffix.lower()]
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  options = {'quality': 95} if kind in ('JPEG', 'WEBP') else {}
  try:
    PIL.Image.fromarray(image).save(temporary, format=kind, **options)
    temporary.replace(path)
  except OSError as error:
    raise errors.UserError(
      f'the result {path} cannot be written: {error.strerror or error}'
    ) from error
  finally:
    temporary.unlink(missing_ok=True)


if __name__ == '__main__':
  command_line.run(main)
