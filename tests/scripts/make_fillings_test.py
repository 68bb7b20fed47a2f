"""make_fillings.py: it fills holes in photos, for a training."""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.datasets import landscape

SCRIPT = pathlib.Path(__file__).parents[2] / 'scripts' / 'make_fillings.py'


def _make(folder, out, num_train):
  command = [sys.executable, str(SCRIPT), f'--photos={folder}', f'--out={out}']
  command += [f'--num_train={num_train}', '--num_val=1', '--workers=1']
  return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_fillings_differ_from_photos_in_holes_alone(tmp_path):
  photos, out = tmp_path / 'photos', tmp_path / 'out'
  photos.mkdir()
  for index in range(12):
    Image.fromarray(landscape.render(index, 400)).save(photos / f'{index}.png')
  assert _make(photos, out, 2).returncode == 0
  first = {path: path.read_bytes() for path in out.rglob('*.npy')}
  assert sorted(x.relative_to(out).as_posix() for x in first) == [
    'train/000000.npy',
    'train/000001.npy',
    'val/000000.npy',
  ]
  for path in first:
    filling = np.load(path)
    assert filling.shape == (384, 384, 7)
    truth, filled, bits = np.split(filling, [3, 6], axis=-1)
    hole, seams = (bits[..., 0] & 1).astype(bool), bits[..., 0] >> 1
    assert 0 < hole.mean() < 1
    np.testing.assert_array_equal(truth[~hole], filled[~hole])
    assert (truth != filled).any()
    assert seams[hole].any()
    assert not seams[~hole].any()
  # A command that was stopped goes on; what is there stays.
  (out / 'train' / '000000.npy').unlink()
  assert _make(photos, out, 3).returncode == 0
  assert (out / 'train' / '000002.npy').exists()
  assert first == {path: path.read_bytes() for path in first}


def test_a_folder_that_is_none_is_named(tmp_path):
  done = _make(tmp_path / 'none', tmp_path / 'out', 2)
  assert done.returncode == 1
  assert f'photos={tmp_path / "none"} does not exist' in done.stderr


def test_photos_that_cannot_be_used_are_named(tmp_path):
  Image.new('RGB', (200, 200)).save(tmp_path / 'small.png')
  (tmp_path / 'broken.jpg').write_bytes(b'nothing')
  done = _make(tmp_path, tmp_path / 'out', 2)
  assert done.returncode == 1
  assert 'broken.jpg is left out' in done.stdout
  assert 'small.png is left out' in done.stdout
  assert 'has no photo of over 384 pixels a side for val' in done.stderr
  assert len(done.stderr.splitlines()) == 1
