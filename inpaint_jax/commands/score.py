r"""Scores fillings made by any program, where the true photos are known.

  pip install 'inpaint_jax[metrics]'
  inpaint-jax-score --photos=TRUE --masks=MASKS --filled=A,B --csv=scores.csv

TRUE has the true photos, MASKS a mask for each of them, white where the hole
was, called NAME or NAME_mask for the photo NAME. A and B are the results of two
programs, called like the photos. Prints a table with a line for each of A and
B: error in the hole, LPIPS by AlexNet and VGG16, texture, seam, PSNR, and how
often the fillings are found among true photos. docs/evaluating.md explains
them. Known pixels are taken from the photos. --csv writes the scores of each
photo to a file.
"""

from collections.abc import Sequence
import pathlib

from absl import flags
from tqdm import tqdm

from inpaint_jax.system import atomic_files, command_line, errors, user_paths

_PHOTOS = flags.DEFINE_string('photos', '', 'Folder of the true photos.')
_MASKS = flags.DEFINE_string('masks', '', 'Folder of their masks.')
_FILLED = flags.DEFINE_list('filled', [], 'Folders of results.')
_CSV = flags.DEFINE_string('csv', '', 'File for the scores of each photo.')
_QUICK = flags.DEFINE_bool(
  'quick', False, 'Leave out LPIPS by VGG16 and how often holes are found.'
)


def main(argv: Sequence[str]) -> None:
  """Prints the table, and writes the scores of each photo."""
  command_line.check_flags(argv, photos='DIR', masks='DIR', filled='DIR')
  photos = user_paths.local(_PHOTOS.value, 'photos')
  masks = user_paths.local(_MASKS.value, 'masks')
  filled = [user_paths.local(x, 'filled') for x in _FILLED.value]
  csv = user_paths.local(_CSV.value, 'csv') if _CSV.value else None
  if csv:
    _check_csv(csv)
  from inpaint_jax.comparison import folders, report, scores

  found = folders.read(photos, masks, filled)
  scorer = scores.Scorer(quick=_QUICK.value)
  names: list[str] = []
  scored: dict[str, list[scores.Scored]] = {str(x): [] for x in filled}
  for case, fillings in tqdm(found, 'scoring', unit=' photos', disable=None):
    names.append(case.name)
    for folder, one in scorer.compute(case, fillings).items():
      scored[folder].append(one)
  print(f'\n{report.table("Scores", scored)}')
  if csv:
    report.write_csv(csv, names, scored)


def _check_csv(path: pathlib.Path) -> None:
  """Raises a UserError unless scores can be written to `path`."""
  from inpaint_jax.photos import reading

  if path.suffix.lower() in reading.extensions():
    raise errors.UserError(
      f'csv={path} has the ending of an image; name a file such as scores.csv'
    )
  with errors.error_as(f'csv={path} cannot be written'):
    path.parent.mkdir(parents=True, exist_ok=True)
  atomic_files.check_writable(path, f'csv={path}')
