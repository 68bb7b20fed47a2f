"""What was found, skipped and used in a folder of photos."""

import dataclasses
import pathlib

from inpaint_jax.photos import unread_files
from inpaint_jax.system import json_files


@dataclasses.dataclass(frozen=True)
class Report:
  """What was found, skipped and used. Paths are relative to the folder.

  Attributes:
    unreadable: (path, reason) of each photo that was skipped.
    near_duplicates: (path, kept path) of each photo dropped as a copy.
    available: number of crops that all distinct photos give.
  """

  photos_found: int
  other_files: dict[str, int]
  unreadable: list[tuple[str, str]]
  near_duplicates: list[tuple[str, str]]
  distinct: int
  photos: dict[str, int]
  crops: dict[str, int]
  wanted: dict[str, int]
  available: int

  def lines(self) -> list[str]:
    """Returns the report as text."""
    lines = [f'photos found: {self.photos_found}']
    if self.other_files:
      kinds = ', '.join(f'{e}: {n}' for e, n in self.other_files.items())
      lines.append(f'other files: {sum(self.other_files.values())} ({kinds})')
      if advice := unread_files.advise(self.other_files):
        lines.append(f'  {advice}')
    lines.append(f'unreadable: {len(self.unreadable)}')
    lines += [f'  {path}: {reason}' for path, reason in self.unreadable]
    lines.append(f'near-duplicates dropped: {len(self.near_duplicates)}')
    lines += [f'  {path} = {kept}' for path, kept in self.near_duplicates]
    lines.append(f'distinct photos: {self.distinct}, crops: {self.available}')
    for split, crops in self.crops.items():
      wanted = self.wanted[split]
      note = '' if crops == wanted else f' (wanted {wanted})'
      photos = self.photos[split]
      lines.append(f'{split}: {crops} crops from {photos} photos{note}')
    if any(self.crops[split] < n for split, n in self.wanted.items()):
      lines.append(
        'fewer crops than wanted: only more photos of a split give it more'
      )
    return lines

  def summary(self) -> str:
    """Returns the report in one line."""
    crops = '/'.join(str(n) for n in self.crops.values())
    advice = unread_files.advise(self.other_files)
    return (
      f'train/val/test: {crops} crops from {sum(self.photos.values())} '
      f'photos; skipped {len(self.unreadable)} unreadable, '
      f'{len(self.near_duplicates)} near-duplicates, all named in report.json '
      'beside the dataset' + (f'; {advice}' if advice else '')
    )

  def write(self, path: pathlib.Path) -> None:
    """Writes the report as JSON."""
    json_files.write(path, dataclasses.asdict(self))


def read(path: pathlib.Path) -> Report:
  """Returns the report that `Report.write` wrote."""
  return Report(**json_files.read(path))
