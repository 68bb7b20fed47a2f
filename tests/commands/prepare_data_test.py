"""scripts/prepare_data.py, as a process."""

import functools
import pathlib

from PIL import Image
import pytest

from inpaint_jax.datasets import landscape


@pytest.fixture
def prepare(programs):
  """Runs the command with some flags."""
  return functools.partial(programs.run, 'scripts/prepare_data.py')


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
  folder = tmp_path / 'my photos'
  folder.mkdir()
  # Four for train, one for val, one for test.
  for i in (0, 2, 3, 4, 1, 11):
    picture = Image.fromarray(landscape.render(i, 64))
    picture.save(folder / f'{i}.png')
  picture.resize((50, 50)).save(folder / 'copy.jpg')
  (folder / 'bad.jpg').write_text('no picture')
  return folder


@pytest.mark.slow
def test_builds_reports_and_reuses(prepare, tmp_path, source):
  flags = (
    f'--source={source}',
    f'--data_dir={tmp_path / "data"}',
    '--image_size=32',
    '--num_train=4',
    '--num_val=1',
    '--num_test=1',
  )
  first = prepare(*flags)
  assert first.returncode == 0, first.stderr
  assert 'bad.jpg: not an image' in first.stdout
  assert 'copy.jpg = 11.png' in first.stdout
  assert 'train: 4 crops from 4 photos' in first.stdout
  assert f"'--config.data.source={source}'" in first.stdout
  building, summary = first.stderr.splitlines()
  assert building.startswith('Building photo_crops/32px-4-1-1-')
  assert summary.startswith(
    'train/val/test: 4/1/1 crops from 6 photos; skipped 1 unreadable, 1 near-'
  )
  assert '--config=configs/unet.py:landscapes' in first.stdout
  second = prepare(*flags)
  assert (second.stdout, second.stderr) == (first.stdout, '')


@pytest.mark.slow
def test_a_wrong_flag_is_one_line_in_terms_of_this_script(prepare, tmp_path):
  for flags, text in (
    ((), "--source=''"),
    ((f'--source={tmp_path / "no"}',), 'does not exist; set --source'),
    (('DIR',), "'DIR' is no flag; flags begin with --"),
  ):
    result = prepare(*flags, f'--data_dir={tmp_path}')
    assert result.returncode == 1
    assert text in result.stderr
    assert result.stderr.count('\n') == 1
    assert '--config' not in result.stderr
