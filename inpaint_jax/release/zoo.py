"""Released nets by name, path or address.

  from inpaint_jax.release import zoo
  net = zoo.load('unet-landscapes')

Some come with the package, in zoo_files/: of each its file (see
released_file.py), its model card and a grid of samples. SHA256SUMS has the
checksums of the files, in the form of the `sha256sum` command.

Imports neither training nor datasets.
"""

import functools
import os
import pathlib
import re

import jax

from inpaint_jax.release import downloads, released_file
from inpaint_jax.release.released_file import SUFFIX
from inpaint_jax.runs import trained_model
from inpaint_jax.system import atomic_files, errors

# Where the models lie that come with the package.
FOLDER = pathlib.Path(__file__).parent / 'zoo_files'
CHECKSUMS = 'SHA256SUMS'


def list_models() -> list[str]:
  """Returns the names of the models that come with the package."""
  return sorted(name.removesuffix(SUFFIX) for name in read_checksums(FOLDER))


def load(
  source: str | os.PathLike[str],
  sharding: jax.sharding.Sharding | None = None,
) -> trained_model.TrainedModel:
  """Returns a trained net.

  Args:
    source: a name of `list_models()`, the folder of a training run, the path of
      a released file, or the address of one: https://..., or
      hf://OWNER/REPO[@REVISION]/PATH for the Hugging Face Hub, with
      #sha256=DIGEST at the end to check it. What an address gives is kept in
      the user's cache folder. A folder that has the name of a model is
      ./NAME.
    sharding: where the variables go; the first device unless named.

  Returns:
    The net; its `workdir` is None unless `source` is one.

  Raises:
    errors.UserError: there is no such net, it cannot be downloaded, its file is
      damaged or of another kind, or the run has no checkpoint.
  """
  source = os.fspath(source)
  if downloads.is_address(source):
    check = functools.partial(released_file.read, shown=source)
    return released_file.read(
      downloads.fetch(source, check), sharding, shown=source
    )
  if source in list_models():
    return _read_checked(FOLDER / f'{source}{SUFFIX}', sharding)
  path = pathlib.Path(source).expanduser()
  if path.suffix == SUFFIX and not path.is_dir():
    return _read_checked(path, sharding)
  if not source or not (path / 'config.json').exists():
    raise errors.UserError(_nothing_there(source, path))
  return trained_model.load_run(path, sharding)


def _nothing_there(source: str, path: pathlib.Path) -> str:
  known = ', '.join(list_models()) or 'none comes with this copy'
  is_folder = source and path.is_dir()
  found = 'config.json is missing' if is_folder else 'no such folder'
  return (
    f'{source!r} holds no run ({found}) and is no model; choose one of the '
    f'models ({known}), or name the workdir of a training run, a {SUFFIX} '
    'file or its https:// address'
  )


def read_checksums(folder: pathlib.Path) -> dict[str, str]:
  """Returns {file name: SHA-256} of a folder of released files."""
  path = folder / CHECKSUMS
  if not path.exists():
    return {}
  lines = path.read_text().splitlines()
  found = [re.fullmatch(r'([0-9a-f]{64}) [ *](.+)', line) for line in lines]
  if not all(found):
    raise errors.UserError(
      f'{path} is no list of SHA-256 checksums; get a fresh copy of its folder'
    )
  return {match[2]: match[1] for match in found}


def _read_checked(
  path: pathlib.Path, sharding: jax.sharding.Sharding | None
) -> trained_model.TrainedModel:
  """Reads a released file, checked if there are checksums beside it."""
  if not path.is_file():
    raise errors.UserError(
      f'{path} does not exist; name a released file, as scripts/release.py '
      'writes them'
    )
  wanted = read_checksums(path.parent).get(path.name)
  if wanted and downloads.sha256(path) != wanted:
    raise errors.UserError(
      f'{path} is damaged, or was swapped: its SHA-256 is not the one in '
      f'{CHECKSUMS}; get a fresh copy of both'
    )
  return released_file.read(path, sharding)


def write_checksums(folder: pathlib.Path) -> None:
  """Writes the checksums of all released files in a folder."""
  lines = [
    f'{downloads.sha256(path)}  {path.name}\n'
    for path in sorted(folder.glob(f'*{SUFFIX}'))
  ]
  atomic_files.write(folder / CHECKSUMS, ''.join(lines).encode())
