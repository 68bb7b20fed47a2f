r"""Releases a trained model: one file that anyone can use, and its model card.

  python main.py --mode=evaluate --workdir=runs/x
  python scripts/release.py --workdir=runs/x --name=unet-landscapes \
    --data='What it was trained on.' --license='MIT'

writes NAME.safetensors, NAME.md and NAME.jpg, the samples of the checkpoint's
epoch if the run drew any, and updates SHA256SUMS, all in the folder of the
models that come with the package, or in --output=DIR.

Outside a checkout the command is inpaint-jax-release.
"""

from __future__ import annotations

import importlib
import io
import pathlib
import re
import shlex
from typing import Any, TYPE_CHECKING

from absl import flags
import ml_collections
import numpy as np
import PIL.Image

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import command_line, errors, json_files, user_paths

if TYPE_CHECKING:
  from inpaint_jax.release import model_card
  from inpaint_jax.runs.trained_model import TrainedModel

# Largest size of the grid of samples.
MAX_JPEG_BYTES = 200_000

_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Folder of the training run.',
  # Tests import several scripts into one process.
  allow_override=True,
)
_NAME = flags.DEFINE_string('name', None, 'Of the model: unet-landscapes.')
_OUTPUT = flags.DEFINE_string(
  'output', '', "Folder to write to; '' = that of the package's models."
)
_DATA = flags.DEFINE_string(
  'data', '', 'What the model was trained on, for the card: Markdown.'
)
_LICENSE = flags.DEFINE_string(
  'license', '', 'Terms under which others may use the file: Markdown.'
)
_NOTES = flags.DEFINE_string(
  'notes', '', 'More on the training, such as machine and time.'
)


def main(argv: list[str]) -> None:
  """Releases the run of the flags."""
  command_line.check_flags(argv)
  for name in ('workdir', 'name', 'data', 'license'):
    if not flags.FLAGS[name].value:
      raise errors.UserError(f'no --{name}: {flags.FLAGS[name].help}')
  release(
    str(_WORKDIR.value),
    str(_NAME.value),
    output=_OUTPUT.value,
    data=_DATA.value,
    license=_LICENSE.value,
    notes=_NOTES.value,
  )


def release(
  workdir: str,
  name: str,
  *,
  output: str = '',
  data: str,
  license: str,
  notes: str = '',
) -> None:
  """Writes the files of a released model.

  Args:
    workdir: the folder of the run.
    name: of the model.
    output: folder to write to; '' = that of the package's models.
    data: what the model was trained on.
    license: of the file.
    notes: more on the training.

  Raises:
    errors.UserError: the run cannot be released, or the folder cannot be
      written to.
  """
  if not re.fullmatch(r'[a-z0-9]+(-[a-z0-9]+)*', name):
    raise errors.UserError(
      f'--name={name} must consist of small letters and digits, with single - '
      'in between, as unet-landscapes'
    )
  # JAX takes a second to import: wrong flags need not wait for it.
  from inpaint_jax.release import downloads, model_card, released_file, zoo
  from inpaint_jax.runs import trained_model

  model = trained_model.load_run(workdir)
  report = read_report(model)
  grid = grid_as_jpeg(model)
  commands = training_commands(model.config, name)

  folder = user_paths.local(output, 'output') if output else zoo.FOLDER
  path = folder / f'{name}{released_file.SUFFIX}'
  try:
    folder.mkdir(parents=True, exist_ok=True)
    about = {'name': name, 'license': license, 'data': data}
    released_file.write(path, model, {**about, 'test': report['metrics']})
    released_file.write_checksums(folder)
    # The difference is that of the file that was written.
    released = zoo.load(path)
    facts = model_card.Facts(
      name=name,
      source=name if folder.samefile(zoo.FOLDER) else path.name,
      model=model,
      report=report,
      commands=commands,
      data=data,
      license=license,
      notes=notes,
      size=path.stat().st_size,
      digest=downloads.sha256(path),
      difference=measure_difference(model, released),
      has_samples=grid is not None,
    )
    image = folder / f'{name}.jpg'
    if grid is None:
      print('no samples of this epoch: the card has no image')
      image.unlink(missing_ok=True)
    else:
      image.write_bytes(grid)
    card = model_card.render(facts)
    (folder / f'{name}.md').write_text(card, encoding='utf-8')
  except OSError as error:
    raise errors.UserError(
      f'--output={folder} cannot be written to ({error.strerror or error})'
    ) from error
  print(f'{path}  {facts.size / 1e6:.2f} MB  SHA-256 {facts.digest}')
  print(f'{path.with_suffix(".md")}, its model card')


def read_report(model: TrainedModel) -> dict[str, Any]:
  """Returns the test report of the run's best checkpoint."""
  assert model.workdir is not None
  path = model.workdir / 'test_metrics.json'
  workdir = shlex.quote(f'--workdir={model.workdir}')
  command = f'python main.py --mode=evaluate {workdir}'
  if not path.exists():
    raise errors.UserError(
      f'--workdir={model.workdir} was not evaluated; run first: {command}'
    )
  report = json_files.read(path)
  # The step alone would not do: it may be that of an earlier training here.
  if report.get('checksum') != model.checksum:
    raise errors.UserError(
      f'{path} is not of the checkpoint that is now the best one, that of step '
      f'{model.step}; run first: {command}'
    )
  return report


def grid_as_jpeg(model: TrainedModel) -> bytes | None:
  """Returns the samples of the checkpoint's epoch as a small JPEG.

  None if there are none.
  """
  assert model.workdir is not None
  epoch = model.info['epoch']
  path = model.workdir / 'samples' / f'epoch_{epoch:03d}.png'
  # With num_samples=0 they are those of an earlier training in this folder.
  if not model.config.num_samples or not path.exists():
    return None
  with PIL.Image.open(path) as png:
    image = png.convert('RGB')
  while True:
    for quality in (90, 80, 70):
      file = io.BytesIO()
      image.save(file, format='JPEG', quality=quality, optimize=True)
      if file.tell() <= MAX_JPEG_BYTES:
        return file.getvalue()
    image = image.resize(
      (image.width * 3 // 4, image.height * 3 // 4), PIL.Image.Resampling.BOX
    )


def training_commands(
  config: ml_collections.ConfigDict, name: str
) -> list[str]:
  """Returns the commands of a training, and before it those it started from.

  Args:
    config: of the last run.
    name: of the model; the runs are runs/NAME-start1, ..., runs/NAME.
  """
  from inpaint_jax.release import downloads

  configs, seen = [config], set()
  while True:
    source = configs[0].init_from
    if not source or source in seen or downloads.is_address(source):
      break
    folder = user_paths.local(source, 'init_from')
    if not (folder / 'config.json').exists():
      break
    seen.add(source)
    configs.insert(0, workdirs.load_config(folder))
  start = (
    source if downloads.is_address(source) else pathlib.PurePath(source).name
  )
  commands = []
  for i, one in enumerate(configs, 1):
    workdir = f'runs/{name}' + (f'-start{i}' if i < len(configs) else '')
    commands.append(_training_command(one, workdir, start))
    start = workdir
  return commands


def _training_command(
  config: ml_collections.ConfigDict, workdir: str, init_from: str
) -> str:
  """Returns the command that trains with a config, over several lines.

  Args:
    config: the fields; paths of this machine are left out.
    workdir: the value of --workdir.
    init_from: the value of --config.init_from.
  """
  command_line.import_configs()
  module = importlib.import_module(f'configs.{config.model.name}')
  preset = 'landscapes' if config.data.dataset == 'photo_crops' else ''
  base = _flatten(module.get_config(preset))
  fields = _flatten(config)
  fields['init_from'] = init_from
  for field in workdirs.FREE_FIELDS:
    value = fields.pop(field, None)
    if field == 'data.source' and value:
      fields[field] = 'DIR'
  file = f'configs/{config.model.name}.py' + (preset and f':{preset}')
  words = ['main.py', f'--config={file}', f'--workdir={workdir}']
  words += [
    f'--config.{field}={value}'
    for field, value in sorted(fields.items())
    if field not in base or base[field] != value
  ]
  lines = ['python']
  for word in map(shlex.quote, words):
    if len(lines[-1]) + 1 + len(word) + 2 > 78:
      lines.append(f'  {word}')
    else:
      lines[-1] += f' {word}'
  return ' \\\n'.join(lines)


def _flatten(config: ml_collections.ConfigDict) -> dict[str, Any]:
  from flax import traverse_util

  return traverse_util.flatten_dict(config.to_dict(), sep='.')


def measure_difference(
  model: TrainedModel, other: TrainedModel, num_images: int = 16
) -> model_card.Difference:
  """Compares what two models fill in, on drawn landscapes.

  Args:
    model, other: two models of one architecture.
    num_images: how many.

  Returns:
    The differences over the pixels of the holes.
  """
  import jax.numpy as jnp

  from inpaint_jax import inference, masks
  from inpaint_jax.datasets import landscape
  from inpaint_jax.release import model_card

  size = model.config.data.image_size
  image = np.stack([landscape.render(i, size) for i in range(num_images)])
  sampler = masks.create_sampler(model.config.masks)
  mask = np.asarray(
    masks.evaluation_masks(
      sampler, model.config.eval_seed, jnp.arange(num_images), size, size
    )
  )
  masked = image.astype(np.float32) / 255 * (1 - mask)
  one, two = (
    np.asarray(inference.create_fill(x)(masked, mask)) for x in (model, other)
  )
  moved = 255 * np.abs(one - two)[mask[..., 0] > 0]
  return model_card.Difference(
    float(moved.max()), float(moved.mean()), num_images
  )


def run() -> None:
  """Starts the command line."""
  command_line.run(main)
