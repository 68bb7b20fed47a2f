"""Builds a dataset from a folder of photos, and reports what was used.

  inpaint-jax-prepare-data --source=DIR --data_dir=DATA

The report names every photo that could not be read and every near-duplicate
that was dropped, and counts the crops of each split. A second start prints the
same report without building. The last line is the command that trains on the
dataset.
"""

import shlex

from absl import flags
import ml_collections

from inpaint_jax.system import command_line

_FLAGS = (
  flags.DEFINE_string('source', '', 'Folder of photos, with its subfolders.'),
  flags.DEFINE_string(
    'data_dir', '', "Folder of built datasets; '' = the user's cache folder."
  ),
  flags.DEFINE_string('split', 'content', 'As in --config.data.split.'),
  flags.DEFINE_integer('image_size', 256, 'Side of the images in pixels.'),
  flags.DEFINE_integer('num_train', 10_000, 'Images to train with.'),
  flags.DEFINE_integer('num_val', 2_000, 'Images to validate with.'),
  flags.DEFINE_integer('num_test', 10_000, 'Images to test with.'),
  flags.DEFINE_string('dataset', 'photo_crops', 'As in --config.data.dataset.'),
)


def main(argv: list[str]) -> None:
  """Builds or opens the dataset that the flags name; prints its report."""
  command_line.check_flags(argv)
  from inpaint_jax import datasets
  from inpaint_jax.datasets import photo_report

  config = ml_collections.ConfigDict({f.name: f.value for f in _FLAGS})
  dataset = datasets.load(config)
  report = dataset.path / 'report.json'
  if report.exists():
    print('\n'.join(photo_report.read(report).lines()))
  else:
    for name, split in dataset.splits.items():
      print(f'{name}: {len(split)} images')
  print(f'dataset: {dataset.name}')
  print(f'lies in: {dataset.path}')
  settings = [
    f'--config.data.{f.name}={f.value}' for f in _FLAGS if f.value != f.default
  ]
  command = ['inpaint-jax-train', '--config=configs/unet.py:landscapes']
  print(
    'train with it:',
    shlex.join([*command, '--workdir=runs/landscapes', *settings]),
  )
