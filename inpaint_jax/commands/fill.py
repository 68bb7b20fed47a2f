"""Fills the holes of photos with a trained model.

  inpaint-jax photo.jpg mask.png out.png
  inpaint-jax photo.png out.png
  inpaint-jax --expand=left=128,right=128 photo.jpg out.jpg
  inpaint-jax photos/ masks/ results/

In a checkout, `python scripts/inpaint.py` does the same.

The mask is white where the hole is, and has the size or the aspect of the
photo. Without a mask, the hole is what is transparent in the photo, or what
--expand adds. The name of the result gives its type: .png, .tif, .webp or .jpg.
For a folder of photos, each mask has the name of its photo, or NAME_mask beside
NAME, or one mask serves all. Photos with a newer result are skipped; files that
are passed by, and photos that cannot be filled, are named at the end.
"""

from collections.abc import Callable, Sequence
import functools
import sys
from typing import Any

from absl import flags
import numpy as np
import tqdm

from inpaint_jax.inpainting import photo_filling
from inpaint_jax.photos import photo_jobs, picture_files, reading
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import command_line, errors, user_paths

Prepare = Callable[[Job], tuple[Picture, np.ndarray]]

_MODEL = flags.DEFINE_string(
  'model',
  None,
  'What fills: a name of --list_models (unet-landscapes unless given), the '
  'folder of a training run, the path or address of a released file, or an '
  '.onnx file of inpaint-jax-export.',
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The same as --model, for the folder of a training run.'
)
_LIST_MODELS = flags.DEFINE_bool(
  'list_models', False, 'Print the names of the models that come along.'
)
_BACKEND = flags.DEFINE_enum(
  'backend', 'auto', ['auto', 'jax', 'onnx'], 'What runs the model.'
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
_WRAP = flags.DEFINE_bool(
  'wrap',
  None,
  'The photo is a panorama of 360 degrees: its left and right border meet.',
)
_SEED = flags.DEFINE_integer('seed', None, 'Seed of the texture.')
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Fill photos of a folder again that have a newer result.'
)


def main(argv: Sequence[str]) -> None:
  """Runs the command; `argv` are its name and the names of files."""
  if _LIST_MODELS.value:
    from inpaint_jax import inference

    print('\n'.join(inference.list_models()))
    return
  if len(argv) not in (3, 4):
    raise errors.UserError(
      f'found {len(argv) - 1} file names, wanted photo, mask and result, or '
      'photo and result, as in: inpaint-jax photo.jpg mask.png out.png'
    )
  if _MODEL.value and _WORKDIR.value:
    raise errors.UserError('found --model and --workdir; give one of them')
  photo, *masks, out = map(user_paths.local, argv[1:])
  mask = masks[0] if masks else None
  if _INVERT_MASK.value and mask is None:
    raise errors.UserError('found --invert_mask without a mask; name a mask')
  prepare = functools.partial(
    photo_filling.prepare_job,
    invert_mask=_INVERT_MASK.value,
    expand=parse_expand(_EXPAND.value),
    dilate=_DILATE.value,
    wrap=bool(_WRAP.value),
  )
  try:
    with reading.quiet():
      if photo.is_dir():
        fill_folder(*photo_jobs.list_jobs(photo, mask, out), prepare)
      else:
        fill_one(Job(photo, mask, out), prepare)
  except OSError as error:
    # A folder that cannot be read, or a name that no file system takes.
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


def fill_one(job: Job, prepare: Prepare) -> None:
  """Fills a photo; errors in its files come before the model is loaded."""
  picture, hole = prepare(job)
  for line in fill(job, picture, hole, load()):
    print(f'{job.photo}: {line}')
  print(f'wrote {job.out}; {hole.mean():.1%} of it was hole')


def fill_folder(
  jobs: Sequence[Job], passed_by: Sequence[str], prepare: Prepare
) -> None:
  """Fills photos one by one; exits with 1 if some cannot be filled.

  Args:
    jobs: what to fill.
    passed_by: lines on what else is in the folder.
    prepare: reads the files of a job.
  """
  folder = jobs[0].out.parent
  folder.mkdir(parents=True, exist_ok=True)
  todo = [
    job for job in jobs if _OVERWRITE.value or not photo_jobs.is_done(job)
  ]
  # Without a model no photo can be filled: an error here ends the command.
  inpainter = load() if todo else None
  failures = []
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
        for line in fill(job, *prepare(job), inpainter):
          bar.write(f'{job.photo}: {line}')
      # JAX raises RuntimeErrors if memory does not suffice.
      except (errors.UserError, MemoryError, OSError, RuntimeError) as error:
        text = errors.one_line(error)
        named = str(job.photo) in text
        failures.append(text if named else f'{job.photo}: {text}')
  print(f'filled {len(todo) - len(failures)} photos, results in {folder}')
  for line in passed_by:
    print(line)
  if len(todo) < len(jobs):
    print(
      f'{len(jobs) - len(todo)} were done before; --overwrite does them again'
    )
  if failures:
    print(f'error: {len(failures)} could not be filled:', file=sys.stderr)
    print('\n'.join(f'  {line}' for line in failures), file=sys.stderr)
    sys.exit(1)


def load() -> Any:
  """Returns the Inpainter of the flags."""
  # JAX takes a second to import: a wrong name need not wait for it.
  from inpaint_jax import inference

  source = _MODEL.value or _WORKDIR.value or inference.DEFAULT_GUIDE
  return inference.load(source, backend=_BACKEND.value)


def fill(
  job: Job, picture: Picture, hole: np.ndarray, inpainter: Any
) -> list[str]:
  """Fills a photo and writes it; returns lines on what changed besides."""
  given = {'feather': _FEATHER, 'texture': _TEXTURE, 'seed': _SEED}
  given |= {'wrap': _WRAP}
  options = {k: v.value for k, v in given.items() if v.value is not None}
  result = photo_filling.fill_picture(inpainter, picture, hole, **options)
  return [*picture.notes, *picture_files.write(job.out, result)]


def run() -> None:
  """Starts the command line."""
  command_line.run(main)
