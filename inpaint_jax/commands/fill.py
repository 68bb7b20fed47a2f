"""Fills the holes of photos with a trained net.

  python scripts/inpaint.py photo.jpg mask.png out.png
  python scripts/inpaint.py photo.png out.png
  python scripts/inpaint.py --expand=left=128,right=128 photo.jpg out.jpg
  python scripts/inpaint.py photos/ masks/ results/

The mask is white where the hole is, of the size of the photo or of its aspect;
without one, the hole is what is transparent in the photo, or what --expand
adds. The type of the result follows from its name: .png, .tif, .webp or .jpg.
Of folders, the mask has the name of its photo but for the ending, or is one for
all. There, what is done already is skipped, and what cannot be done is named at
the end.

Outside a checkout the command is inpaint-jax.
"""

from collections.abc import Sequence
import pathlib
import sys
from typing import Any

from absl import flags
import numpy as np
import tqdm

from inpaint_jax.inpainting import photo_filling
from inpaint_jax.photos import (
  encoders,
  mask_files,
  photo_jobs,
  picture_files,
  reading,
)
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import command_line, errors

_MODEL = flags.DEFINE_string(
  'model',
  None,
  'What fills: a name of --list_models (unet-landscapes unless given), the '
  'folder of a training run, the path or address of a released file, or an '
  '.onnx file of scripts/export.py.',
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The same as --model, for the folder of a training run.'
)
_LIST_MODELS = flags.DEFINE_bool(
  'list_models', False, 'Print the names of the models that come along.'
)
_BACKEND = flags.DEFINE_enum(
  'backend', 'auto', ['auto', 'jax', 'onnx'], 'What runs the net.'
)
_INVERT_MASK = flags.DEFINE_bool(
  'invert_mask', False, 'The mask is black where the hole is.'
)
flags.DEFINE_alias('invert-mask', 'invert_mask')
_DILATE = flags.DEFINE_integer(
  'dilate', 0, 'Pixels by which the hole is made larger.', lower_bound=0
)
_EXPAND = flags.DEFINE_string(
  'expand',
  '',
  'Pixels to add around the photo, such as left=128,top=64,right=0,bottom=0.',
)
_FEATHER = flags.DEFINE_integer(
  'feather',
  None,
  'Pixels around the hole over which what is filled in gives way to what is '
  'known; 0 leaves every known pixel as it is.',
  lower_bound=0,
)
_TEXTURE = flags.DEFINE_bool(
  'texture', None, 'Whether fine texture is taken from around the hole.'
)
_SEED = flags.DEFINE_integer('seed', None, 'Of the chance in the texture.')
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Of folders, do again what is done already.'
)


def main(argv: Sequence[str]) -> None:
  # A file name may have bytes that no terminal shows.
  sys.stdout.reconfigure(errors='backslashreplace')
  if _LIST_MODELS.value:
    from inpaint_jax import inference

    print('\n'.join(inference.list_models()))
    return
  if len(argv) not in (3, 4):
    raise errors.UserError(
      f'found {len(argv) - 1} file names, wanted photo, mask and result, or '
      'photo and result, as in: python scripts/inpaint.py photo.jpg mask.png '
      'out.png'
    )
  if _MODEL.value and _WORKDIR.value:
    raise errors.UserError('found --model and --workdir; give one of them')
  photo, *mask, out = map(pathlib.Path, argv[1:])
  sides = parse_expand(_EXPAND.value)
  if _INVERT_MASK.value and not mask:
    raise errors.UserError('found --invert_mask without a mask; name a mask')
  job = Job(photo, mask[0] if mask else None, out)
  try:
    with reading.quiet():
      if photo.is_dir():
        fill_folder(photo_jobs.list_jobs(*job[:3]), sides)
      else:
        fill_one(job, sides)
  except OSError as error:
    # Of folders, and of names that no file system takes.
    raise errors.UserError(f'{error.filename}: {error.strerror}') from error
  except MemoryError as error:
    raise errors.UserError(
      f'{photo} does not fit into memory; make it smaller'
    ) from error


def parse_expand(text: str) -> dict[str, int]:
  """Returns pixels by side of a text such as 'left=128,top=64'."""
  sides = {}
  for part in filter(None, text.split(',')):
    side, _, amount = part.strip().partition('=')
    if side not in ('left', 'top', 'right', 'bottom') or not amount.isdecimal():
      raise errors.UserError(
        f'--expand has {part.strip()!r}; wanted pixels by side, as in '
        '--expand=left=128,top=64,right=0,bottom=0'
      )
    sides[side] = int(amount)
  return sides


def fill_one(job: Job, sides: dict[str, int]) -> None:
  """Fills a photo; what can be wrong is found before the net is loaded."""
  picture, hole = prepare(job, sides)
  lines = fill(job, picture, hole, load())
  for line in lines:
    print(f'{job.photo}: {line}')
  print(f'wrote {job.out}; {hole.mean():.1%} of it was hole')


def fill_folder(jobs: Sequence[Job], sides: dict[str, int]) -> None:
  """Fills photos one by one; exits with 1 if there are some that it cannot."""
  folder = jobs[0].out.parent
  folder.mkdir(parents=True, exist_ok=True)
  todo = [
    job for job in jobs if _OVERWRITE.value or not photo_jobs.is_done(job)
  ]
  inpainter, failures = None, []
  with tqdm.tqdm(
    todo,
    'inpainting',
    unit='photo',
    disable=not todo,
    dynamic_ncols=True,
    # A log file gets a line now and then, not ten a second.
    mininterval=0.2 if sys.stderr.isatty() else 10,
  ) as bar:
    for job in bar:
      try:
        picture, hole = prepare(job, sides)
      except (errors.UserError, MemoryError, OSError) as error:
        failures.append((job.photo, error))
        continue
      # Without a net none can be done: an error here is the end.
      inpainter = inpainter or load()
      try:
        lines = fill(job, picture, hole, inpainter)
      # JAX raises RuntimeErrors where memory does not suffice.
      except (errors.UserError, MemoryError, RuntimeError) as error:
        failures.append((job.photo, error))
        continue
      for line in lines:
        bar.write(f'{job.photo}: {line}')
  print(f'filled {len(todo) - len(failures)} photos, results in {folder}')
  if len(todo) < len(jobs):
    print(
      f'{len(jobs) - len(todo)} were done before; --overwrite does them again'
    )
  if failures:
    print(f'error: {len(failures)} could not be filled:', file=sys.stderr)
    for photo, error in failures:
      print(f'  {describe(photo, error)}', file=sys.stderr)
    sys.exit(1)


def describe(photo: pathlib.Path, error: Exception) -> str:
  """Returns one line on what is wrong with a photo."""
  text = errors.one_line(error)
  return text if str(photo) in text else f'{photo}: {text}'


def prepare(job: Job, sides: dict[str, int]) -> tuple[Picture, np.ndarray]:
  """Returns a photo and its hole, bool [H, W], both expanded.

  Raises:
    errors.UserError: anything about the files that can be known beforehand.
  """
  if job.problem:
    raise errors.UserError(job.problem)
  inputs = [job.photo] + [job.mask] * (job.mask is not None)
  picture_files.check_output(job.out, inputs)
  picture = picture_files.read(job.photo)
  mask = None
  if job.mask is not None:
    mask = mask_files.read(job.mask, *picture.pixels.shape[:2])
    mask = ~mask if _INVERT_MASK.value else mask
  picture, hole = photo_filling.prepare(
    picture, mask, expand=sides, dilate=_DILATE.value
  )
  encoders.check_size(*hole.shape, picture_files.kind_of(job.out))
  return picture, hole


def load() -> Any:
  """Returns the Inpainter of the flags."""
  # JAX takes a second to import: a wrong name need not wait for it.
  from inpaint_jax import inference

  source = _MODEL.value or _WORKDIR.value or inference.DEFAULT_MODEL
  return inference.load(source, backend=_BACKEND.value)


def fill(
  job: Job, picture: Picture, hole: np.ndarray, inpainter: Any
) -> list[str]:
  """Fills a photo and writes it; returns lines on what became of it."""
  options = {'feather': _FEATHER, 'texture': _TEXTURE, 'seed': _SEED}
  result = photo_filling.fill_picture(
    inpainter,
    picture,
    hole,
    **{k: v.value for k, v in options.items() if v.value is not None},
  )
  return [*picture.notes, *picture_files.write(job.out, result)]


def run() -> None:
  command_line.run(main)
