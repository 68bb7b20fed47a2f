r"""Compares the engine with other programs that fill holes, on your photos.

  pip install 'inpaint_jax[metrics,peers]'
  inpaint-jax-compare --photos=DIR --out=comparison

fills holes of several kinds in photos with each method, and writes report.md
and, for each kind, the scores in KIND/scores.csv and a page to look at,
KIND/index.html. The kinds:

things   one to three smooth blobs, each of 1 to 5% of the photo
wires    a few lines of 2 to 6 px across the whole width
borders  6 to 14% missing on one to four sides
text     a watermark in letters
specks   discs of 1 to 7 px
crops    crops of 256x256 with the masks that models are trained with

Fillings and their scores are kept, so that adding a method runs only that one;
--methods=engine --again repeats one method. The report also shows what was kept
of other methods. A method that is not installed is left out, with a line that
says so.

--speed measures how long the methods take instead, warm, in one process: photos
of 1150x768, a large thing in 12 megapixels, 40 small ones in 24, one in 96,
specks, rows and a scratch; --works chooses some by words of their names. The
machine should have nothing else to do.
"""

from collections.abc import Sequence
import pathlib

from absl import flags

from inpaint_jax.system import atomic_files, command_line, errors, user_paths

_PHOTOS = flags.DEFINE_string('photos', '', 'Folder of photos.')
_OUT = flags.DEFINE_string('out', '', 'Folder for all that is made.')
_KINDS = flags.DEFINE_list(
  'kinds', 'things,wires,borders,text,crops', 'Kinds of holes.'
)
_METHODS = flags.DEFINE_list(
  'methods',
  'mean,telea,pypatchmatch,engine',
  'Methods: those, resynthesizer, gmic, shiftmap, and variants of the engine.',
)
_MODEL = flags.DEFINE_string(
  'model', '', 'Model of the engine, as for inpaint-jax; "" = its default.'
)
_NUM_PHOTOS = flags.DEFINE_integer(
  'num_photos', 20, 'Photos, evenly spaced over the folder.', 1
)
_NUM_CROPS = flags.DEFINE_integer(
  'num_crops', 60, 'Photos to take a crop from, in the same way.', 1
)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the holes and crops.', 0)
_AGAIN = flags.DEFINE_bool('again', False, 'Fill again what is there.')
_QUICK = flags.DEFINE_bool(
  'quick', False, 'Leave out LPIPS by VGG16 and how often holes are found.'
)
_SPEED = flags.DEFINE_bool('speed', False, 'Measure the time of works instead.')
_WORKS = flags.DEFINE_list(
  'works', [], 'With --speed: words in the names of works; all unless given.'
)


def main(argv: Sequence[str]) -> None:
  """Compares the methods, or measures their time with --speed."""
  command_line.check_flags(argv, photos='DIR', out='DIR')
  folder = user_paths.local(_PHOTOS.value, 'photos')
  out = user_paths.local(_OUT.value, 'out')
  if _SPEED.value:
    _measure(folder, out)
  else:
    _compare(folder, out)


def _compare(folder: pathlib.Path, out: pathlib.Path) -> None:
  """Fills with the methods, and scores all fillings that are there."""
  from inpaint_jax.comparison import cases, fills, methods, report, scores

  for kind in _KINDS.value:
    errors.check_name(cases.KINDS, kind, 'kinds')
  names = methods.installed(_METHODS.value)
  scorer = scores.Scorer(quick=_QUICK.value)
  for kind in _KINDS.value:
    count = (_NUM_CROPS if kind == 'crops' else _NUM_PHOTOS).value
    photos = cases.choose_photos(folder, count)
    created = cases.create(kind, photos, _SEED.value)
    for case in created:
      cases.save(out / kind, case)
    for name in names:
      fills.fill_all(
        name, created, out / kind, model=_MODEL.value, again=_AGAIN.value
      )
    report.write(
      out / kind, kind, created, scorer.score_all(created, out / kind)
    )
    report.join_tables(out)
  print(f'\n{out / "report.md"}, and pages to look at: {out}/KIND/index.html')


def _measure(folder: pathlib.Path, out: pathlib.Path) -> None:
  """Measures how long the methods take, and writes OUT/speed.md."""
  from inpaint_jax.comparison import cases, methods, works

  names = [
    name
    for name in works.WORKS
    if not _WORKS.value or any(word in name for word in _WORKS.value)
  ]
  if not names:
    raise errors.UserError(
      f'works={",".join(_WORKS.value)} is in no name of a work; those are: '
      + '; '.join(works.WORKS)
    )
  functions = {
    name: methods.create(name, _MODEL.value)
    for name in methods.installed(_METHODS.value)
  }
  photos = cases.choose_photos(folder, _NUM_PHOTOS.value)
  text = works.table(works.measure(functions, photos, names, seed=_SEED.value))
  print(f'\n{text}')
  out.mkdir(parents=True, exist_ok=True)
  atomic_files.write(out / 'speed.md', f'{text}\n'.encode())
