"""Folders for downloaded, built and compiled files."""

import pathlib
import sys

import pytest

from inpaint_jax.system import cache


@pytest.mark.skipif(sys.platform != 'linux', reason='folders of Linux')
def test_the_variable_wins_then_the_users_cache(monkeypatch, tmp_path):
  monkeypatch.setenv('A_FOLDER', str(tmp_path / 'named'))
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
  assert cache.folder('A_FOLDER', 'x') == tmp_path / 'named'
  monkeypatch.delenv('A_FOLDER')
  assert cache.folder('A_FOLDER', 'x') == tmp_path / 'xdg/inpaint_jax/x'
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert cache.folder('A_FOLDER', 'x') == tmp_path / '.cache/inpaint_jax/x'


def test_compiled_programs_are_kept_where_one_can_write(monkeypatch, tmp_path):
  monkeypatch.delenv('JAX_COMPILATION_CACHE_DIR')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  folder = pathlib.Path(cache.compilation()['JAX_COMPILATION_CACHE_DIR'])
  assert folder.parent == tmp_path / 'inpaint_jax/compiled'
  assert folder.is_dir()
  # A file is where the folder should be.
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
  (tmp_path / 'file').write_text('')
  assert cache.compilation() == {}
