"""A folder of photos."""

import pathlib
import shutil

from datasets import samples
from PIL import Image
import pytest


@pytest.fixture(scope='session')
def photos(tmp_path_factory) -> pathlib.Path:
  """Returns a folder of 22 photos, and of copies and bad files.

  One photo is large and gives 6 crops. 14 photos are in train, the large one
  among them, 3 in val and 5 in test.
  """
  folder = tmp_path_factory.mktemp('photos')
  for i in (*range(19), 25, 27):
    samples.save_scene(folder / f'{i % 3}' / f'é {i}.png', i, 90 + i, 70)
  samples.save_scene(folder / 'large.png', 19, 800, 600)
  for i in (4, 5, 6):
    with Image.open(folder / f'{i % 3}' / f'é {i}.png') as image:
      small = image.resize((64, 50)).point(lambda value: int(0.9 * value))
      small.save(folder / f'copy {i}.jpg', quality=80)
  (folder / 'text.jpg').write_text('no picture')
  (folder / 'notes.txt').write_text('no picture')
  return folder


@pytest.fixture
def source(photos, tmp_path) -> pathlib.Path:
  """Returns a copy of `photos` that a test may change."""
  return pathlib.Path(shutil.copytree(photos, tmp_path / 'my photos'))
