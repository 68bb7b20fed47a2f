"""The files of a released model: NAME.safetensors, NAME.md and NAME.jpg."""

import io
import re
import shlex
from typing import Any

import PIL.Image

from inpaint_jax.release import model_card, recipe, released_file, zoo
from inpaint_jax.runs import trained_model
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import errors, json_files, user_paths

# Largest file size of the grid of samples.
MAX_JPEG_BYTES = 200_000


def publish(
  workdir: str,
  name: str,
  *,
  output: str = '',
  data: str,
  license: str,
  notes: str = '',
) -> None:
  """Writes the files of a released model.

  Raises:
    errors.UserError: the run cannot be released, or the folder cannot be
      written to.
  """
  if not re.fullmatch(r'[a-z0-9]+(-[a-z0-9]+)*', name):
    raise errors.UserError(
      f'name={name} must consist of small letters and digits, with single - '
      'in between, as unet-landscapes'
    )
  if name == 'none':
    raise errors.UserError('name=none means no model; choose another name')
  model = trained_model.load_run(workdir)
  report = read_report(model)
  grid = grid_as_jpeg(model)
  commands = recipe.training_commands(model.config, name)

  folder = user_paths.local(output, 'output') if output else zoo.FOLDER
  path = folder / f'{name}{released_file.SUFFIX}'
  with errors.error_as(f'output={folder} cannot be written to'):
    folder.mkdir(parents=True, exist_ok=True)
    about = {'name': name, 'license': license, 'data': data}
    released_file.write(path, model, {**about, 'test': report['metrics']})
    released_file.write_checksums(folder)
    image = path.with_suffix('.jpg')
    if grid is None:
      print('no samples of this epoch: the card has no image')
      image.unlink(missing_ok=True)
    else:
      image.write_bytes(grid)
    source = name if folder.samefile(zoo.FOLDER) else path.name
    card = model_card.render(
      path,
      source,
      model,
      report,
      commands,
      data=data,
      license=license,
      notes=notes,
    )
    path.with_suffix('.md').write_text(card, encoding='utf-8')
  print(f'{path} and {path.with_suffix(".md").name}, its model card')


def read_report(model: TrainedModel) -> dict[str, Any]:
  """Returns the test report of the run's best checkpoint."""
  assert model.workdir is not None
  path = model.workdir / 'test_metrics.json'
  workdir = shlex.quote(f'--workdir={model.workdir}')
  command = f'inpaint-jax-train --mode=evaluate {workdir}'
  if not path.exists():
    raise errors.UserError(
      f'workdir={model.workdir} was not evaluated; run first: {command}'
    )
  report = json_files.read(path)
  # Equal steps are not enough: an earlier training here may have had the same.
  if report.get('checksum') != model.checksum:
    raise errors.UserError(
      f'{path} was measured on another checkpoint than the present best one, '
      f'of step {model.step}; run first: {command}'
    )
  return report


def grid_as_jpeg(model: TrainedModel) -> bytes | None:
  """Returns the samples of the checkpoint's epoch as a small JPEG.

  None if there are none.
  """
  assert model.workdir is not None
  epoch = model.info['epoch']
  path = model.workdir / 'samples' / f'epoch_{epoch:03d}.png'
  # With num_samples=0, a file there is of an earlier training in this folder.
  if not model.config.num_samples or not path.exists():
    return None
  with PIL.Image.open(path) as png:
    image = png.convert('RGB')
  while True:
    file = io.BytesIO()
    image.save(file, format='JPEG', quality=85, optimize=True)
    if file.tell() <= MAX_JPEG_BYTES:
      return file.getvalue()
    image = image.resize(
      (image.width * 3 // 4, image.height * 3 // 4), PIL.Image.Resampling.BOX
    )
