"""Four devices do what one does."""

import json
import os
import pathlib
import shutil

import four_devices
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures('no_lpips', 'tiny')
def test_four_devices_do_what_one_does(programs, data_dir, tmp_path):
  one, four, tested = (tmp_path / name for name in ('one', 'four', 'tested'))
  four_devices.train_all(data_dir, one)
  shutil.copytree(one, tested)
  env = os.environ.copy()
  env['XLA_FLAGS'] += ' --xla_force_host_platform_device_count=4'
  env['PYTHONPATH'] = f'{os.environ["PYTHONPATH"]}{os.pathsep}{ROOT}'
  script = 'tests/four_devices.py'
  result = programs.run(script, data_dir, four, tested, env=env)
  assert result.returncode == 0, result.stderr
  assert 'on 4 cpu device(s)' in result.stdout
  for run in ('plain', 'gan'):
    ours, theirs = (
      np.genfromtxt(x / run / 'metrics.csv', delimiter=',', names=True)
      for x in (four, one)
    )
    for name in ours.dtype.names:
      np.testing.assert_allclose(ours[name], theirs[name], rtol=5e-5)

  # A checkpoint of one device is tested on four, and vice versa.
  wanted = four_devices.test(one)
  report = json.loads((tested / 'plain' / 'test_other.json').read_text())
  assert report['metrics']['tiny'] == pytest.approx(wanted, rel=1e-3)
  assert four_devices.test(four) == pytest.approx(wanted, rel=1e-3)
  (line,) = (x for x in result.stdout.splitlines() if x.startswith('study: '))
  assert float(line.split()[1]) == pytest.approx(wanted['hole_psnr'], rel=1e-3)
