"""The whole comparison: cases, fillings, scores, report."""

from collections.abc import Sequence
import pathlib

from inpaint_jax.comparison import cases, fills, methods, report, scores
from inpaint_jax.system import errors


def compare(
  photos: pathlib.Path,
  out: pathlib.Path,
  kinds: Sequence[str],
  wanted: Sequence[str],
  *,
  model: str,
  num_photos: int,
  num_crops: int,
  seed: int,
  workers: int,
  again: bool,
  quick: bool,
) -> None:
  """Fills with the wanted methods, scores and writes the report.

  Fillings of other methods that are in the folder are scored as well. The
  arguments are the flags of commands/compare.py; a wrong one is a UserError.
  """
  for kind in kinds:
    errors.choose(dict.fromkeys(cases.KINDS), kind, 'kinds')
  names = methods.installed(wanted)
  scorer = scores.Scorer(quick=quick)
  for kind in kinds:
    count = num_crops if kind == 'crops' else num_photos
    created = cases.create(kind, cases.choose_photos(photos, count), seed)
    folder = out / kind
    for case in created:
      cases.save(folder, case)
    for name in names:
      fills.fill_all(
        name, created, folder, model=model, again=again, workers=workers
      )
    report.write(folder, kind, created, _score(scorer, created, folder))
    report.join_tables(out)


def _score(
  scorer: scores.Scorer, created: Sequence[cases.Case], folder: pathlib.Path
) -> report.Scores:
  """Scores the methods that have filled all cases."""
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
  return rows
