"""What an installed package holds, and its commands."""

import compileall
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.commands import start

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())


def test_every_folder_is_packaged():
  folders = {
    '.'.join(path.parent.relative_to(ROOT).parts)
    for path in (ROOT / 'inpaint_jax').rglob('__init__.py')
  }
  packages = PROJECT['tool']['setuptools']['packages']
  assert set(packages) == folders | {'inpaint_jax.configs'}


def test_every_command_has_an_entry_point():
  entries = PROJECT['project']['scripts'].values()
  files = (ROOT / 'inpaint_jax/commands').glob('[a-z]*.py')
  names = {path.stem for path in files} - {'start'}
  assert sorted(entries) == sorted(
    f'inpaint_jax.commands.start:{name}' for name in names
  )
  for name in names:
    assert getattr(start, name).args == (name,)


def test_compiled_package_has_the_default_config(tmp_path):
  package = tmp_path / 'inpaint_jax'
  shutil.copytree(ROOT / 'inpaint_jax/system', package / 'system')
  shutil.copytree(ROOT / 'configs', package / 'configs')
  shutil.copy(ROOT / 'inpaint_jax/__init__.py', package)
  compileall.compile_dir(package, quiet=1, legacy=True)
  for path in package.rglob('*.py'):
    path.unlink()
  code = (
    'from inpaint_jax.system import config_files as files; '
    'print(files.__file__, files.default().loss)'
  )
  result = subprocess.run(
    [sys.executable, '-c', code],
    cwd=tmp_path,
    env={**os.environ, 'PYTHONPATH': str(tmp_path)},
    capture_output=True,
    text=True,
    check=False,
  )
  found = package / 'system/config_files.pyc'
  assert result.stdout == f'{found} mse\n', result.stderr


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """The wheel, unpacked by pip into a folder far from the checkout."""
  folder = tmp_path_factory.mktemp('installed')
  # A copy: files of an earlier build would get into the wheel.
  source = folder / 'source'
  for name in ('inpaint_jax', 'configs'):
    shutil.copytree(ROOT / name, source / name)
  for name in ('pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(ROOT / name, source)
  pip = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
  build = ['wheel', '--no-deps', '--no-build-isolation', '-w', folder]
  subprocess.run([*pip, *build, source], check=True)
  wheel = next(folder.glob('*.whl'))
  target = folder / 'site'
  subprocess.run(
    [*pip, 'install', '--no-deps', '--target', target, wheel], check=True
  )
  return target


def _run(installed, folder, name, *flags):
  """Runs an installed command in a folder without a checkout around it."""
  return subprocess.run(
    [sys.executable, installed / 'bin' / name, *flags],
    cwd=folder,
    env={**os.environ, 'PYTHONPATH': str(installed)},
    capture_output=True,
    text=True,
    check=False,
  )


@pytest.mark.slow
def test_installed_package_fills_a_photo_from_any_folder(installed, tmp_path):
  rows = np.linspace(0, 255, 64).astype(np.uint8)
  photo = np.broadcast_to(rows[:, None, None], (64, 64, 3))
  mask = np.zeros((64, 64), np.uint8)
  mask[24:40, 24:40] = 255
  Image.fromarray(photo).save(tmp_path / 'photo.png')
  Image.fromarray(mask).save(tmp_path / 'mask.png')
  result = _run(
    installed, tmp_path, 'inpaint-jax', 'photo.png', 'mask.png', 'out.png'
  )
  assert result.returncode == 0, result.stderr
  with Image.open(tmp_path / 'out.png') as filled:
    error = np.asarray(filled).astype(int) - photo
  assert not error[:20].any()
  assert np.abs(error).mean() < 8


@pytest.mark.slow
def test_installed_package_has_the_configs(installed, tmp_path):
  result = _run(
    installed,
    tmp_path,
    'inpaint-jax-train',
    '--config=configs/smoke.py',
    '--config.loss=none',
    '--workdir=runs/x',
  )
  assert "--config.loss='none' is unknown" in result.stderr


@pytest.mark.slow
def test_type_checkers_read_the_installed_package(installed):
  assert (installed / 'inpaint_jax/py.typed').exists()
