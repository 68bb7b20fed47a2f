"""Where things are kept between runs."""

import pathlib

from inpaint_jax import cache


def test_the_variable_wins_then_the_users_cache(monkeypatch, tmp_path):
  monkeypatch.setenv('A_FOLDER', str(tmp_path / 'named'))
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
  assert cache.folder('A_FOLDER', 'x') == tmp_path / 'named'
  monkeypatch.delenv('A_FOLDER')
  assert cache.folder('A_FOLDER', 'x') == tmp_path / 'xdg/inpaint_jax/x'
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setattr(pathlib.Path, 'home', lambda: tmp_path)
  assert cache.folder('A_FOLDER', 'x') == tmp_path / '.cache/inpaint_jax/x'
