"""Makes a file of a trained net that anyone can use, and its model card.

  python main.py --mode=evaluate --workdir=runs/x
  python scripts/release.py --workdir=runs/x --name=unet-landscapes \
    --data='What it was trained on.' --license='MIT'

writes NAME.safetensors, NAME.md and NAME.jpg, the samples of the checkpoint's
epoch, and brings SHA256SUMS up to date, all in the folder of the models that
come with the package. --output=DIR names another.

Outside a checkout the command is inpaint-jax-release.
"""

import importlib
import io
import pathlib
import re
import shlex

from absl import flags
import ml_collections
import numpy as np
import PIL.Image

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import command_line, errors, json_files

# Of the grid of samples.
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
  'data', '', 'What the net was trained on, for the card: Markdown.'
)
_LICENSE = flags.DEFINE_string(
  'license', '', 'Under what terms others may use the file: Markdown.'
)
_NOTES = flags.DEFINE_string(
  'notes', '', 'What else to say of the training, such as machine and time.'
)


def main(argv: list[str]) -> None:
  """Releases the run of the flags."""
  if len(argv) > 1:
    raise errors.UserError(f'{argv[1]!r} is no flag; flags begin with --')
  for flag in (_WORKDIR, _NAME, _DATA, _LICENSE):
    if not flag.value:
      text = flags.FLAGS[flag.name].help
      raise errors.UserError(f'no --{flag.name}: {text}')
  release(
    _WORKDIR.value,
    _NAME.value,
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
  """Writes the files of a released net.

  Args:
    workdir: the folder of the run.
    name: of the model.
    output: folder to write to; '' = that of the package's models.
    data: what the net was trained on.
    license: of the file.
    notes: what else to say of the training.

  Raises:
    errors.UserError: the run is not one that can be released, or the folder
      cannot be written to.
  """
  if not re.fullmatch(r'[a-z0-9]+(-[a-z0-9]+)*', name):
    raise errors.UserError(
      f'--name={name} must be of small letters and digits, with single - in '
      'between, as unet-landscapes'
    )
  # JAX takes a second to import: wrong flags need not wait for it.
  from inpaint_jax.release import downloads, model_card, released_file, zoo
  from inpaint_jax.runs import trained_model

  net = trained_model.load_run(workdir)
  report = read_report(net)
  grid = grid_as_jpeg(net)
  commands = recipe(net.config, name)

  folder = pathlib.Path(output).expanduser() if output else zoo.FOLDER
  path = folder / f'{name}{released_file.SUFFIX}'
  try:
    folder.mkdir(parents=True, exist_ok=True)
    about = {'name': name, 'license': license, 'data': data}
    released_file.write(path, net, {**about, 'test': report['metrics']})
    zoo.write_checksums(folder)
    # What it tells is seen to be so of the file that was written.
    released = zoo.load(path)
    facts = model_card.Facts(
      name=name,
      source=name if folder.samefile(zoo.FOLDER) else path.name,
      net=net,
      report=report,
      commands=commands,
      data=data,
      license=license,
      notes=notes,
      size=path.stat().st_size,
      digest=downloads.sha256(path),
      difference=measure_difference(net, released),
    )
    (folder / f'{name}.jpg').write_bytes(grid)
    card = model_card.render(facts)
    (folder / f'{name}.md').write_text(card, encoding='utf-8')
  except OSError as error:
    raise errors.UserError(
      f'--output={folder} cannot be written to ({error.strerror or error})'
    ) from error
  print(f'{path}  {facts.size / 1e6:.2f} MB  SHA-256 {facts.digest}')
  print(f'{path.with_suffix(".md")}, its model card')


def read_report(net) -> dict:
  """Returns what the evaluation of the run's best checkpoint found."""
  path = net.workdir / 'test_metrics.json'
  command = f'python main.py --mode=evaluate --workdir={net.workdir}'
  if not path.exists():
    raise errors.UserError(
      f'--workdir={net.workdir} was not evaluated; run first: {command}'
    )
  report = json_files.read(path)
  if report['step'] != net.step:
    raise errors.UserError(
      f'{path} is of the checkpoint of step {report["step"]}, the best one is '
      f'now that of step {net.step}; run first: {command}'
    )
  return report


def grid_as_jpeg(net) -> bytes:
  """Returns the samples of the checkpoint's epoch as a JPEG, small enough."""
  path = net.workdir / 'samples' / f'epoch_{net.info["epoch"]:03d}.png'
  if not path.exists():
    raise errors.UserError(
      f'{path} does not exist, and the card wants samples; train with '
      '--config.num_samples=8'
    )
  with PIL.Image.open(path) as image:
    image = image.convert('RGB')
  while True:
    for quality in (90, 80, 70):
      file = io.BytesIO()
      image.save(file, format='JPEG', quality=quality, optimize=True)
      if file.tell() <= MAX_JPEG_BYTES:
        return file.getvalue()
    image = image.resize(
      (image.width * 3 // 4, image.height * 3 // 4), PIL.Image.Resampling.BOX
    )


def recipe(config: ml_collections.ConfigDict, name: str) -> list[str]:
  """Returns the commands of a training, those that it started from first."""
  configs, seen = [config], set()
  while True:
    source = configs[0].init_from
    folder = pathlib.Path(source).expanduser()
    if not source or source in seen or not (folder / 'config.json').exists():
      break
    seen.add(source)
    configs.insert(0, workdirs.load_config(folder))
  return [
    command(config, workdir, start)
    for config, workdir, start in _links(configs, name)
  ]


def _links(configs, name):
  """Yields each config, its --workdir, and what it starts from."""
  start = configs[0].init_from
  if '://' not in start:
    start = pathlib.PurePath(start).name
  for i, config in enumerate(configs, 1):
    last = i == len(configs)
    workdir = f'runs/{name}' if last else f'runs/{name}-start{i}'
    yield config, workdir, start
    start = workdir


def command(
  config: ml_collections.ConfigDict, workdir: str, init_from: str
) -> str:
  """Returns the command that trains with a config, over several lines.

  Args:
    config: the fields; paths of this machine are left out.
    workdir: what to name as --workdir.
    init_from: what to name as --config.init_from.
  """
  command_line.import_configs()
  module = importlib.import_module(f'configs.{config.model.name}')
  preset = 'landscapes' if config.data.dataset == 'photo_crops' else ''
  base = _flatten(module.get_config(preset))
  fields = _flatten(config)
  fields['init_from'] = init_from
  if fields['data.source']:
    fields['data.source'] = 'DIR'
  for name in workdirs.FREE_FIELDS:
    if name != 'data.source':
      fields.pop(name)
  file = f'configs/{config.model.name}.py' + (preset and f':{preset}')
  words = ['python', 'main.py', f'--config={file}', f'--workdir={workdir}']
  words += [
    f'--config.{name}={value}'
    for name, value in fields.items()
    if name not in base or base[name] != value
  ]
  return _wrap([shlex.quote(word) for word in words])


def _flatten(config: ml_collections.ConfigDict) -> dict:
  from flax import traverse_util

  return traverse_util.flatten_dict(config.to_dict(), sep='.')


def _wrap(words: list[str], width: int = 78) -> str:
  """Returns a command in lines that a shell takes for one."""
  lines = [words[0]]
  for word in words[1:]:
    if len(lines[-1]) + 1 + len(word) + 2 > width:
      lines.append(f'  {word}')
    else:
      lines[-1] += f' {word}'
  return ' \\\n'.join(lines)


def measure_difference(net, released, pictures: int = 16):
  """Compares what two nets fill in, on drawn landscapes.

  Args:
    net: the one.
    released: the other, of the same model.
    pictures: how many.

  Returns:
    model_card.Difference over the pixels of the holes.
  """
  import jax

  from inpaint_jax import masks
  from inpaint_jax.datasets import landscape
  from inpaint_jax.release import model_card
  from inpaint_jax.training import images

  size = net.config.data.image_size
  image = np.stack([landscape.render(i, size) for i in range(pictures)])
  image = images.to_float(image)
  sampler = masks.create_sampler(net.config.masks)
  mask = masks.evaluation_masks(
    sampler, net.config.eval_seed, np.arange(pictures), size, size
  )

  @jax.jit
  def fill(variables, image, mask):
    outputs = net.model.apply(variables, image * (1 - mask), mask, train=False)
    return net.loss.to_image(outputs).clip(0, 1) * 255

  one, other = (
    np.asarray(fill(x.variables, image, mask)) for x in (net, released)
  )
  moved = np.abs(one - other)[np.asarray(mask)[..., 0] > 0]
  return model_card.Difference(
    float(moved.max()), float(moved.mean()), pictures
  )


def run() -> None:
  command_line.run(main)
