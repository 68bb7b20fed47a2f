"""The command of the benchmark: its flags, and a report as JSON."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'speed.py'


def _speed(cwd, *flags):
  return subprocess.run(
    [sys.executable, SCRIPT, *map(str, flags)],
    cwd=cwd,
    capture_output=True,
    text=True,
    check=False,
  )


@pytest.mark.slow
def test_a_report_is_written(tmp_path):
  result = _speed(
    tmp_path,
    '--what=datasets',
    '--json=speed.json',
    '--config=configs/encoder_decoder.py',
    '--config.model.features=4,8,16',
  )
  assert result.returncode == 0, result.stderr
  found = json.loads((tmp_path / 'speed.json').read_text())
  assert found['about']['model'] == 'encoder_decoder'
  assert found['about']['features'] == '4,8,16'
  # A section that cannot be measured is named, and does not stop others.
  (line,) = found['left_out']
  assert line.startswith("datasets: --config.data.source=''")
  assert f'left out: {line}\n' in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    (['stray'], 1, "'stray' is no flag"),
    (['--what=inferense'], 1, "--what='inferense' is unknown; choose one of"),
    (['--sizes=60'], 1, '--sizes=60: wanted positive multiples of 8, as'),
    (['--batches=0'], 1, 'as --batches=1,8'),
    (['--batches='], 1, 'wanted positive whole numbers'),
    (['--json=nowhere/x.json'], 1, '--json=nowhere/x.json cannot be written'),
    (['--seconds=-1'], 2, 'seconds'),
    (['--config.model.nme=vgg'], 2, 'model.nme is no field'),
  ],
)
def test_a_wrong_flag_is_one_line(tmp_path, flags, code, message):
  result = _speed(tmp_path, *flags)
  assert result.returncode == code
  assert 'Traceback' not in result.stderr
  assert result.stderr.count('\n') == 1
  assert message in result.stderr
