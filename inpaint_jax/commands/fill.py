"""Fills the holes of photos with copies of other parts of the photos.

  inpaint-jax photo.jpg mask.png out.png
  inpaint-jax photo.png out.png
  inpaint-jax --expand=left=128,right=128 photo.jpg out.jpg
  inpaint-jax --variants=3 photo.jpg mask.png out.png
  inpaint-jax photos/ masks/ results/

`python -m inpaint_jax` and, in a checkout, `python scripts/inpaint.py` do the
same.

The mask is white where the hole is, and has the size or the aspect of the
photo. Without a mask, the hole is the transparent part of the photo, or what
--expand adds. The name of the result gives its type: .png, .tif, .webp or .jpg.
In a folder of photos, the mask of the photo NAME is called NAME or NAME_mask,
or one mask serves all. Photos with a newer result are skipped; files that are
passed by, and photos that cannot be filled, are named at the end.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import functools
import os
import pathlib
import sys
from typing import Any
import warnings

from absl import flags
import numpy as np
import tqdm

from inpaint_jax.inpainting import explanation, photo_filling
from inpaint_jax.inpainting.photo_filling import Prepared
from inpaint_jax.photos import photo_jobs, picture_files
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors, terminal, user_paths

_GUIDE = flags.DEFINE_string(
  'guide',
  None,
  'What guesses at the large shapes before pixels are copied: none (a smooth '
  'surface; so unless given), a name of --list-models, the folder of '
  'a training run, the path or address of a released file, or an .onnx file of '
  'inpaint-jax-export.',
)
flags.DEFINE_alias('model', 'guide')
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The same as --guide, for the folder of a training run.'
)
_LIST_MODELS = flags.DEFINE_bool(
  'list_models', False, 'Print the names of the models that come along.'
)
flags.DEFINE_alias('list-models', 'list_models')
_BACKEND = flags.DEFINE_enum(
  'backend', 'auto', ['auto', 'jax', 'onnx'], 'What runs a model that guides.'
)
_SOURCE = flags.DEFINE_string(
  'source', None, 'A mask file: only pixels where it is white are copied.'
)
_AVOID = flags.DEFINE_string(
  'avoid', None, 'A mask file: no pixel where it is white is copied.'
)
_SEED = flags.DEFINE_integer(
  'seed', 0, 'Any whole number; another one gives another result.'
)
_VARIANTS = flags.DEFINE_integer(
  'variants',
  1,
  'How many results to write, each with the next seed: out_1.png, out_2.png '
  'and so on for out.png.',
  lower_bound=1,
)
_EXPLAIN = flags.DEFINE_string(
  'explain',
  None,
  'A picture to write beside the result, of where each part was copied from.',
)
_INVERT_MASK = flags.DEFINE_bool(
  'invert_mask', False, 'The mask is black where the hole is.'
)
flags.DEFINE_alias('invert-mask', 'invert_mask')
_DILATE = flags.DEFINE_integer(
  'dilate', 0, 'Pixels by which the hole is made larger.', lower_bound=0
)
_EXPAND = flags.DEFINE_multi_string(
  'expand',
  [],
  'Pixels to add around the photo, such as left=128,top=64,right=0,bottom=0.',
)
_FEATHER = flags.DEFINE_integer(
  'feather',
  0,
  'Pixels around the hole that are filled anew and blended into what is known; '
  '0 leaves every known pixel as it is.',
  lower_bound=0,
)
_TEXTURE = flags.DEFINE_bool(
  'texture',
  True,
  'Whether pixels are copied; if not, the hole gets the smooth guess.',
)
_REFINE = flags.DEFINE_bool(
  'refine',
  True,
  'Whether a small net corrects the tones of what is copied and mends its '
  'seams.',
)
_WRAP = flags.DEFINE_bool(
  'wrap',
  False,
  'The photo is a panorama of 360 degrees: its left and right border meet.',
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite',
  False,
  'Fill photos of a folder again that have a newer result; replace the result '
  'of a photo without a mask, or with one that is not black and white.',
)


def main(argv: Sequence[str]) -> None:
  """Runs the command; `argv` is its name, followed by file names."""
  if _LIST_MODELS.value:
    from inpaint_jax import inference

    print('\n'.join(inference.list_models()))
    return
  if len(argv) not in (3, 4):
    raise errors.UserError(
      f'found {len(argv) - 1} file names, wanted photo, mask and result, or '
      'photo and result, as in: inpaint-jax photo.jpg mask.png out.png'
    )
  if '' in argv:
    raise errors.UserError('a file name is empty; name photo, mask and result')
  if _GUIDE.value and _WORKDIR.value:
    raise errors.UserError('found --guide and --workdir; give one of them')
  if not _TEXTURE.value:
    check_without_copies()
  photo, *masks, out = map(user_paths.local, argv[1:])
  mask = masks[0] if masks else None
  if _INVERT_MASK.value and mask is None:
    raise errors.UserError('found --invert_mask without a mask; name a mask')
  expand = parse_expand(','.join(_EXPAND.value))
  # Here, so that it is said once for a folder.
  photo_filling.check_sides(expand, _WRAP.value)
  try:
    prepare = functools.partial(
      photo_filling.prepare_job,
      source=local_file('source', _SOURCE.value),
      avoid=local_file('avoid', _AVOID.value),
      invert_mask=_INVERT_MASK.value,
      expand=expand,
      dilate=_DILATE.value,
      wrap=_WRAP.value,
    )
    check_inputs(photo, mask)
    with warnings.catch_warnings(action='ignore'):  # Of Pillow.
      if not photo.is_dir():
        fill_one(Job(photo, mask, out), prepare)
      elif _EXPLAIN.value:
        raise errors.UserError(
          f'found --explain={_EXPLAIN.value} and the folder {photo}; it is for '
          'one photo'
        )
      else:
        fill_folder(*photo_jobs.list_jobs(photo, mask, out), prepare)
  except OSError as error:
    # Such as a folder that cannot be read, or a name that is not possible.
    raise errors.UserError(errors.of_system(error)) from error
  except MemoryError as error:
    raise errors.UserError(
      f'{photo} does not fit into memory; make it smaller'
    ) from error


def check_inputs(photo: pathlib.Path, mask: pathlib.Path | None) -> None:
  """Raises a UserError if photo or mask is missing, or they do not match."""
  if not photo.exists():
    raise errors.UserError(
      f'the photo {photo} does not exist; name a photo, or a folder of photos'
    )
  if mask and not mask.exists():
    raise errors.UserError(
      f'the mask {mask} does not exist; name a mask file, or for a folder of '
      'photos a folder of masks'
    )
  if mask and mask.is_dir() and not photo.is_dir():
    raise errors.UserError(
      f'the mask {mask} is a folder, and the photo {photo} is a file; name a '
      'mask file'
    )


def check_without_copies() -> None:
  """Raises a UserError for flags without effect if nothing is copied."""
  given = {
    'source': _SOURCE.value,
    'avoid': _AVOID.value,
    'explain': _EXPLAIN.value,
    'variants': _VARIANTS.value > 1,
    'refine': _REFINE.present and _REFINE.value,
  }
  for name in filter(given.get, given):
    raise errors.UserError(
      f'found --{name} and --notexture, which copies nothing, so that --{name} '
      'has no effect; give one of them'
    )


def local_file(name: str, path: str | None) -> pathlib.Path | None:
  """Returns the file that a flag names; raises a UserError if it is none."""
  if path is None:
    return None
  file = user_paths.local(path, name)
  if not file.is_file():
    what = 'is a folder' if file.is_dir() else 'does not exist'
    raise errors.UserError(f'{name}={path} {what}; name a mask file')
  return file


def number_paths(path: pathlib.Path) -> list[pathlib.Path]:
  """Returns the files of all variants, NAME_1, NAME_2; or NAME for only one."""
  count = _VARIANTS.value
  if count == 1:
    return [path]
  numbers = range(1, count + 1)
  return [path.with_stem(f'{path.stem}_{number}') for number in numbers]


def parse_expand(text: str) -> dict[str, int]:
  """Returns the pixels for each side in a text such as 'left=128,top=64'."""
  sides = {}
  for part in filter(None, text.split(',')):
    side, _, amount = part.strip().partition('=')
    if side not in ('left', 'top', 'right', 'bottom') or not amount.isdecimal():
      raise errors.UserError(
        f'--expand has {part.strip()!r}; wanted pixels by side, as in '
        '--expand=left=128,top=64,right=0,bottom=0'
      )
    if side in sides:
      raise errors.UserError(f'--expand has {side} twice; give it once')
    sides[side] = int(amount)
  return sides


def fill_one(job: Job, prepare: Callable[..., Prepared]) -> None:
  """Fills a photo; errors in its files are raised before a model is loaded."""
  picture = None
  if _EXPLAIN.value:
    picture = user_paths.local(_EXPLAIN.value, 'explain')
  for path in filter(None, (job.out, picture)):
    if path.is_dir():
      raise errors.UserError(f'the result {path} is a folder; name a file')
  outs = number_paths(job.out)
  explained = number_paths(picture) if picture else []
  # By any name or link.
  if {*map(os.path.realpath, explained)} & {*map(os.path.realpath, outs)}:
    raise errors.UserError(
      f'--explain={_EXPLAIN.value} is the result; give it another name'
    )
  prepared = prepare(job, outs=[*outs, *explained])
  if job.mask is None or prepared.doubtful:
    # If the name of the result was forgotten, the last one is a mask or photo.
    check_absent(job, [*outs, *explained])
  for line in fill(prepared, outs, explained, load(), str(job.out)):
    print(f'{job.photo}: {line}')
  names = ', '.join(map(str, [*outs, *explained]))
  share = prepared.hole.mean()
  hint = ''
  if job.mask and share > 0.9:
    change = 'leave out' if _INVERT_MASK.value else 'see'
    hint = f'; if the hole and the rest are swapped, {change} --invert-mask'
  print(f'wrote {names}; {share:.1%} of it was hole{hint}')


def check_absent(job: Job, outs: Sequence[pathlib.Path]) -> None:
  """Raises a UserError if a result exists, unless it may be replaced."""
  existing = [out for out in outs if out.exists()]
  if existing and not _OVERWRITE.value:
    found = f'the mask {job.mask} is not black and white'
    raise errors.UserError(
      f'the result {existing[0]} exists, and '
      f'{found if job.mask else "no mask was given"}; name another result, or '
      'replace it with --overwrite'
    )


def fill_folder(
  jobs: Sequence[Job],
  passed_by: Sequence[str],
  prepare: Callable[..., Prepared],
) -> None:
  """Fills photos one by one; exits with 1 if some cannot be filled."""
  check_variants(jobs)
  folder = jobs[0].out.parent
  folder.mkdir(parents=True, exist_ok=True)
  todo = [
    job
    for job in jobs
    if _OVERWRITE.value or not photo_jobs.is_done(job, number_paths(job.out))
  ]
  # Without its model no photo can be filled, so an error here ends the command.
  inpainter = load() if todo else None
  failures = []
  with tqdm.tqdm(
    todo,
    'inpainting',
    unit='photo',
    disable=not todo,
    dynamic_ncols=True,
    mininterval=terminal.bar_interval(),
  ) as bar:
    for job in bar:
      try:
        outs = number_paths(job.out)
        prepared = prepare(job, outs=outs)
        for line in fill(prepared, outs, [], inpainter, job.photo.name):
          bar.write(f'{job.photo}: {line}')
      # JAX raises a RuntimeError if it runs out of memory.
      except (errors.UserError, MemoryError, OSError, RuntimeError) as error:
        text = errors.one_line(error)
        named = str(job.photo) in text
        failures.append(text if named else f'{job.photo}: {text}')
  count = len(todo) - len(failures)
  print(f'filled {count} photo{"s" * (count != 1)}, results in {folder}')
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


def check_variants(jobs: Sequence[Job]) -> None:
  """Raises a UserError if a variant would overwrite another photo's result."""
  photos = {job.out: job.photo for job in jobs}
  for job in jobs:
    for out in set(number_paths(job.out)) - {job.out}:
      if out in photos:
        raise errors.UserError(
          f'--variants={_VARIANTS.value} of {job.photo} would have the result '
          f'{out}, as {photos[out]} has; rename one of these photos'
        )


def load() -> Any:
  """Returns the Inpainter that the flags describe."""
  from inpaint_jax import inference

  guide = _GUIDE.value or _WORKDIR.value or inference.DEFAULT_GUIDE
  return inference.load(guide, backend=_BACKEND.value)


def fill(
  prepared: Prepared,
  outs: Sequence[pathlib.Path],
  explained: Sequence[pathlib.Path],
  inpainter: Any,
  name: str,
) -> list[str]:
  """Fills a photo, and writes all variants of the result.

  Args:
    explained: files for pictures of where each part was copied from, as many as
      `outs`, or none.
    name: that of the photo in progress bars.

  Returns:
    Lines on what else was changed in reading, filling and writing.
  """
  picture, hole, limits, _ = prepared
  lines = list(picture.notes)
  options: dict[str, Any] = {
    **limits,
    'feather': _FEATHER.value,
    'texture': _TEXTURE.value,
    'refine': _REFINE.value,
    'wrap': _WRAP.value,
  }
  with progress_bar(name) as show:
    for number, out in enumerate(outs):
      options['seed'] = _SEED.value + number
      options['progress'] = functools.partial(
        lambda number, share: show((number + share) / len(outs)), number
      )
      if explained:
        image, origins = inpainter.explain(picture.image, hole, **options)
      else:
        image = inpainter(picture.image, hole, **options)
      if number == 0:
        lines += describe_feather(picture.pixels, image[..., :3], hole)
      lines += picture_files.write(out, picture.with_image(image))
      if explained:
        drawn = explanation.draw_origins(image[..., :3], origins)
        picture_files.write(explained[number], Picture(drawn))
  # Each variant has the same lines.
  return list(dict.fromkeys(lines))


def describe_feather(
  before: np.ndarray, after: np.ndarray, hole: np.ndarray
) -> list[str]:
  """Returns a line if --feather changed more than a tenth of a photo."""
  if not _FEATHER.value:
    return []
  share = np.mean((before != after).any(axis=2) & ~hole)
  if share <= 0.1:
    return []
  feather = f'--feather={_FEATHER.value}'
  return [f'{feather} blended another {share:.0%} of the photo']


@contextlib.contextmanager
def progress_bar(
  name: str, delay: float = 0.5
) -> Iterator[Callable[[float], None]]:
  """Shows how much of a photo is filled, but only on a terminal."""
  with tqdm.tqdm(
    desc=name,
    total=1.0,
    bar_format='{desc}: {percentage:3.0f}%|{bar}| {elapsed}',
    disable=not sys.stderr.isatty(),
    delay=delay,
    leave=False,
    dynamic_ncols=True,
  ) as bar:
    yield lambda share: bar.update(share - bar.n)
