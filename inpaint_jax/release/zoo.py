"""Trained models by name, path or address.

  from inpaint_jax.release import zoo
  model = zoo.load('unet-landscapes')

Some models come with the package, in zoo_files/: for each, its file (see
released_file.py), its model card and a grid of samples.

Imports neither training nor datasets.
"""

import functools
import os
import pathlib

import jax

from inpaint_jax.release import downloads, released_file
from inpaint_jax.release.released_file import SUFFIX
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors, user_paths

# The folder of the models that come with the package.
FOLDER = pathlib.Path(__file__).parent / 'zoo_files'


def list_models() -> list[str]:
  """Returns the names of the models that come with the package."""
  names = released_file.read_checksums(FOLDER)
  # It may have checksums of other files.
  return sorted(
    name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)
  )


def load(
  source: str | os.PathLike[str],
  sharding: jax.sharding.Sharding | None = None,
  also: str = '',
) -> trained_model.TrainedModel:
  """Returns a trained model.

  Args:
    source: a name of `list_models()`, the folder of a training run, the path of
      a released file, or the address of one: https://..., or
      hf://OWNER/REPO[@REVISION]/PATH for the Hugging Face Hub, with
      #sha256=DIGEST at the end to check it. Downloads are kept in the user's
      cache folder. For a folder that has the name of a model, write ./NAME.
    sharding: where the variables go; None = the first device.
    also: what else the caller takes, for the end of errors.

  Returns:
    The model; its `workdir` is None unless `source` is the folder of a run.

  Raises:
    errors.UserError: there is no such model, it cannot be downloaded, its file
      is damaged or of another kind, or the run has no checkpoint.
  """
  source = os.fspath(source)
  if downloads.is_address(source):
    check = functools.partial(released_file.read, shown=source)
    path = downloads.fetch(source, check)
    return released_file.read(path, sharding, shown=source)
  known = list_models()
  if source in known:
    return released_file.read(FOLDER / f'{source}{SUFFIX}', sharding)
  path = user_paths.local(source)
  if path.suffix == SUFFIX and not path.is_dir():
    return released_file.read(path, sharding)
  if source and (path / 'config.json').exists():
    return trained_model.load_run(path, sharding)
  is_folder = source and path.is_dir()
  missing = 'config.json is missing' if is_folder else 'no such folder'
  found = f'holds no run ({missing}) and is no model'
  if path.is_file():
    found = 'is a file of a type that is no model'
  raise errors.UserError(
    f'{source!r} {found}; choose one of the models '
    f'({", ".join(known) or "none comes with this copy"}), or name the workdir '
    f'of a training run, a {SUFFIX} file or its https:// address{also}'
  )
