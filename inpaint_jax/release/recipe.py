"""The commands that train a model again, as its card shows them."""

import pathlib
import shlex

import ml_collections

from inpaint_jax.release import downloads
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import config_files, user_paths


def training_commands(
  config: ml_collections.ConfigDict, name: str
) -> list[str]:
  """Returns the commands of a training and of those it started from, in order.

  Args:
    name: the model's name; the runs are runs/NAME-start1, ..., runs/NAME.
  """
  chain, seen = [config], set()
  while True:
    source = chain[0].init_from
    if not source or source in seen or downloads.is_address(source):
      break
    folder = user_paths.local(source, 'init_from')
    if not (folder / 'config.json').exists():
      break
    seen.add(source)
    chain.insert(0, workdirs.load_config(folder))
  start = (
    source if downloads.is_address(source) else pathlib.PurePath(source).name
  )
  commands = []
  for i, one in enumerate(chain, 1):
    workdir = f'runs/{name}' + (f'-start{i}' if i < len(chain) else '')
    commands.append(_training_command(one, workdir, start))
    start = workdir
  return commands


def _training_command(
  config: ml_collections.ConfigDict, workdir: str, init_from: str
) -> str:
  """Returns the command that trains with a config, over several lines."""
  preset = 'landscapes' if config.data.dataset == 'photo_crops' else ''
  # Not the model's own config file: a user's model may lack one, or presets.
  base = workdirs.flatten(config_files.default(preset))
  fields = workdirs.flatten(config)
  fields['init_from'] = init_from
  for field in workdirs.FREE_FIELDS:
    value = fields.pop(field, None)
    if field == 'data.source' and value:
      fields[field] = 'DIR'
  if fields.pop('masks.digest', ''):
    fields['masks.source'] = 'MASKS'
  file = 'configs/default.py' + (preset and f':{preset}')
  if fields.keys() - base.keys():
    # Only the user's own config file has them all.
    file, base = 'CONFIG', {}
  words = [f'python main.py --config={file} --workdir={workdir}']
  words += [
    shlex.quote(f'--config.{field}={value}')
    for field, value in sorted(fields.items())
    if field not in base or base[field] != value
  ]
  return ' \\\n  '.join(words)
