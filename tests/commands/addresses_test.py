"""Addresses instead of paths are refused: no command makes a folder gs:."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
  ('command', 'named'),
  [
    ('train --workdir=gs://a/b', '--workdir=gs://a/b'),
    (
      'train --config=configs/smoke.py --workdir=x --config.data.data_dir=s3://a',
      '--config.data.data_dir=s3://a',
    ),
    ('train --mode=evaluate --workdir=gs://a', '--workdir=gs://a'),
    ('fill gs://a/b.png b.png c.png', 'gs://a/b.png'),
    ('export --output=gs://a/b.onnx', '--output=gs://a/b.onnx'),
    ('export --model=gs://a/b --output=b.stablehlo', 'gs://a/b'),
    ('release --workdir=gs://a --name=x --data=x --license=x', '--workdir=gs:'),
    ('prepare_data --source=gs://a', '--source=gs://a'),
    ('prepare_data --data_dir=gs://a --dataset=synthetic', '--data_dir=gs://a'),
    ('study --workdir=gs://a --list', '--workdir=gs://a'),
    ('speed --json=gs://a', '--json=gs://a'),
  ],
)
def test_an_address_is_one_line_and_no_folder(
  programs, tmp_path, command, named
):
  name, *arguments = command.split()
  code = f'from inpaint_jax.commands import start; start.{name}()'
  env = os.environ | {'PYTHONPATH': str(ROOT)}
  result = programs.run('-c', code, *arguments, cwd=tmp_path, env=env)
  assert result.stderr.startswith(f'error: {named}')
  assert (result.stderr.count('\n'), result.returncode) == (1, 1)
  assert list(tmp_path.iterdir()) == []
