"""Paths as users write them."""

import os
import pathlib

import platformdirs
import pytest

from inpaint_jax.system import cache, errors, user_paths


@pytest.mark.parametrize(
  ('text', 'path'),
  [
    ('runs/a', 'runs/a'),
    ('/a b/c%20d', '/a b/c%20d'),
    ('file:///a%20b/\u00e9', '/a b/\u00e9'),
    ('file://localhost/a', '/a'),
    ('FILE:///a', '/a'),
    (pathlib.Path('file:///a'), '/a'),
    ('C:/a', 'C:/a'),
    ('a:b', 'a:b'),
    ('runs/a:/b', 'runs/a:/b'),
    ('~/a', '/home/me/a'),
  ],
)
def test_paths_and_file_addresses(monkeypatch, text, path):
  monkeypatch.setenv('HOME', '/home/me')
  assert user_paths.local(text, 'workdir') == pathlib.Path(path)


@pytest.mark.parametrize(
  'text',
  [
    'gs://bucket/a',
    's3://bucket/a',
    'hdfs:///a',
    'https://host/a',
    'file://host/a',
    pathlib.Path('gs://bucket/a'),
  ],
)
def test_other_addresses_are_refused(text):
  message = f'^workdir={text} is not on this machine; mount or copy it'
  with pytest.raises(errors.UserError, match=message):
    user_paths.local(text, 'workdir')


def test_an_address_that_is_none_is_one_line():
  with pytest.raises(errors.UserError, match=r'^file://\[a/b is no address: '):
    user_paths.local('file://[a/b')


def test_names_that_are_not_utf8():
  user_paths.check_utf8(pathlib.Path('\u00e9'), 'workdir')
  with pytest.raises(errors.UserError, match=r'^workdir=.* is not UTF-8; name'):
    user_paths.check_utf8(pathlib.Path(os.fsdecode(b'\xff')), 'workdir')


def test_no_home_folder():
  with pytest.raises(errors.UserError, match='there is no home folder here'):
    user_paths.local('~nobody-of-this-name/a', 'workdir')


def test_no_home_folder_to_keep_files_in(monkeypatch):
  def fail(*_, **__):
    raise RuntimeError('could not determine the home directory')

  monkeypatch.delenv('INPAINT_JAX_DATA', raising=False)
  monkeypatch.delenv('JAX_COMPILATION_CACHE_DIR', raising=False)
  monkeypatch.setattr(platformdirs, 'user_cache_path', fail)
  with pytest.raises(errors.UserError, match='set HOME or INPAINT_JAX_DATA'):
    cache.folder('INPAINT_JAX_DATA', 'x')
  # Commands then do not keep compiled programs.
  assert cache.compilation() == {}


def test_environment_variables_name_paths(monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_DATA', 'file:///a/b')
  assert cache.folder('INPAINT_JAX_DATA', 'x') == pathlib.Path('/a/b')
  monkeypatch.setenv('INPAINT_JAX_DATA', 'a/b')
  assert cache.folder('INPAINT_JAX_DATA', 'x') == pathlib.Path('a/b').absolute()
  monkeypatch.setenv('INPAINT_JAX_DATA', 's3://a/b')
  with pytest.raises(errors.UserError, match='INPAINT_JAX_DATA=s3://a/b is'):
    cache.folder('INPAINT_JAX_DATA', 'x')
