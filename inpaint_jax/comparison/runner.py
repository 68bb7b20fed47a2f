"""The whole comparison: cases, fillings, scores, report."""

from collections.abc import Sequence
import dataclasses
import pathlib

from inpaint_jax.comparison import cases, fills, methods, report, scores
from inpaint_jax.system import atomic_files, errors


@dataclasses.dataclass(frozen=True)
class Settings:
  """What is compared, and where results go."""

  photos: pathlib.Path
  out: pathlib.Path
  kinds: Sequence[str]
  methods: Sequence[str]
  model: str
  num_photos: int = 20
  num_crops: int = 60
  seed: int = 0
  workers: int = 1
  again: bool = False
  quick: bool = False


def compare(settings: Settings) -> dict[str, report.Scores]:
  """Fills with all methods, scores and writes the report.

  Fillings of other methods that are in the folder are scored as well.

  Raises:
    errors.UserError: a name is unknown, or there are no photos.
  """
  for kind in settings.kinds:
    errors.choose(dict.fromkeys(cases.KINDS), kind, 'kinds')
  names = methods.installed(settings.methods)
  scorer = scores.Scorer(quick=settings.quick)
  scored: dict[str, report.Scores] = {}
  for kind in settings.kinds:
    created = _fill(kind, names, settings)
    folder = settings.out / kind
    shown = [
      name
      for name in methods.known()
      if all(fills.is_filled(x.path(folder, name), x) for x in created)
    ]
    rows: dict[str, list[scores.Scored]] = {name: [] for name in shown}
    for case in created:
      paths = {name: case.path(folder, name) for name in shown}
      for name, one in scorer.score(case, paths).items():
        rows[name].append(one)
    scored[kind] = rows
    table = report.table(kind, rows)
    print(f'\n{table}', flush=True)
    atomic_files.write(folder / 'table.md', f'{table}\n'.encode())
    report.write_csv(folder / 'scores.csv', rows)
    report.write_page(folder, kind, created, shown)
    report.join_tables(settings.out)
  return scored


def _fill(
  kind: str, names: Sequence[str], settings: Settings
) -> list[cases.Case]:
  """Makes the cases of a kind and fills them; returns them."""
  is_crops = kind == 'crops'
  count = settings.num_crops if is_crops else settings.num_photos
  photos = cases.choose_photos(settings.photos, count)
  created = cases.create(kind, photos, settings.seed)
  folder = settings.out / kind
  for case in created:
    cases.save(folder, case)
  for name in names:
    fills.fill_all(
      name,
      created,
      folder,
      model=settings.model,
      again=settings.again,
      workers=settings.workers,
    )
  return created
