"""Released nets: by name, path, address; and what is refused."""

import functools
import http.server
import json
import pathlib
import subprocess
import sys
import threading

import jax
import numpy as np
import PIL.Image
import pytest
import safetensors.numpy

from inpaint_jax.release import downloads, released_file, zoo
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors

NAME = 'tiny-landscapes'


@pytest.fixture(scope='module')
def net(trained):
  return trained_model.load_run(trained)


@pytest.fixture(scope='module')
def folder(net, tmp_path_factory):
  """A folder of released files with one in it."""
  folder = tmp_path_factory.mktemp('zoo')
  released_file.write(folder / f'{NAME}.safetensors', net, {'name': NAME})
  zoo.write_checksums(folder)
  return folder


@pytest.fixture
def file(folder, tmp_path):
  """A copy of the released file alone, without checksums."""
  path = tmp_path / 'copy.safetensors'
  path.write_bytes((folder / f'{NAME}.safetensors').read_bytes())
  return path


@pytest.fixture
def packaged(folder, monkeypatch):
  """The folder in the place of the package's own."""
  monkeypatch.setattr(zoo, 'FOLDER', folder)
  return folder


def _assert_is(found, net):
  """Asserts that a released net is that of a run, to half precision."""
  wanted = jax.tree.map(
    lambda x: np.asarray(x).astype(np.float16).astype(np.float32),
    net.variables['params'],
  )
  assert jax.tree.structure(found.variables) == jax.tree.structure(
    net.variables
  )
  jax.tree.map(np.testing.assert_array_equal, found.variables['params'], wanted)
  assert {x.dtype for x in jax.tree.leaves(found.variables)} == {
    np.dtype(np.float32)
  }
  assert (found.step, found.info) == (net.step, net.info)
  assert found.config.model == net.config.model
  assert found.model == net.model


# The models that come with the package.


def test_the_models_that_readme_names_come_along():
  names = ['encoder-decoder-landscapes', 'unet-landscapes']
  assert zoo.list_models() == names


@pytest.mark.parametrize('name', zoo.list_models())
def test_a_model_of_the_package_is_whole_and_has_its_card(name):
  net = zoo.load(name)
  assert net.workdir is None
  card = (zoo.FOLDER / f'{name}.md').read_text()
  assert zoo.read_checksums(zoo.FOLDER)[f'{name}.safetensors'] in card
  grid = zoo.FOLDER / f'{name}.jpg'
  assert grid.stat().st_size <= 200_000
  with PIL.Image.open(grid) as image:
    image.load()


def test_the_models_of_the_package_are_small():
  files = [path for path in zoo.FOLDER.iterdir() if path.is_file()]
  assert sum(path.stat().st_size for path in files) < 12_000_000
  stems = {path.stem for path in files if path.name != zoo.CHECKSUMS}
  assert stems == set(zoo.list_models())


# Sources.


def test_a_name(packaged, net):
  assert zoo.list_models() == [NAME]
  found = zoo.load(NAME)
  _assert_is(found, net)
  assert found.workdir is None


def test_a_path(folder, file, net):
  _assert_is(zoo.load(folder / f'{NAME}.safetensors'), net)
  _assert_is(zoo.load(str(file)), net)


def test_a_workdir(trained, net):
  found = zoo.load(trained)
  assert found.workdir == trained
  jax.tree.map(np.testing.assert_array_equal, found.variables, net.variables)


def test_variables_go_where_they_are_told(packaged):
  mesh = jax.make_mesh((1,), ('batch',))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  found = zoo.load(NAME, sharding)
  assert {x.sharding for x in jax.tree.leaves(found.variables)} == {sharding}


@pytest.mark.parametrize('source', ['nothing', 'a/nothing', ''])
def test_an_unknown_name_lists_the_choices(packaged, source):
  with pytest.raises(errors.UserError, match=f'no such folder.*{NAME}') as e:
    zoo.load(source)
  assert '\n' not in str(e.value)


def test_a_folder_that_holds_no_run(packaged, tmp_path):
  with pytest.raises(errors.UserError, match=f'holds no run.*{NAME}'):
    zoo.load(tmp_path)


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(errors.UserError, match='does not exist'):
    zoo.load(tmp_path / 'x.safetensors')


# The file.


def test_the_file_of_a_net_is_always_the_same(net, tmp_path):
  paths = [tmp_path / f'{i}.safetensors' for i in range(4)]
  for path in paths:
    released_file.write(path, net, {'name': NAME, 'license': 'MIT'})
  assert len({downloads.sha256(path) for path in paths}) == 1


def test_the_file_is_half_precision_and_names_no_path(folder, trained):
  path = folder / f'{NAME}.safetensors'
  tensors = safetensors.numpy.load_file(path)
  assert {x.dtype for x in tensors.values()} == {np.dtype(np.float16)}
  fields = _fields(path)
  assert fields['name'] == NAME
  assert fields['config']['data']['data_dir'] == ''
  assert str(trained.parent).encode() not in path.read_bytes()


def test_paths_in_a_config_are_left_out(net, tmp_path):
  config = net.config.copy_and_resolve_references()
  config.data.source = '/home/someone/photos'
  for given, kept in (
    ('/home/someone/run', 'run'),
    ('unet-landscapes', 'unet-landscapes'),
    ('https://a.example/b.safetensors', 'https://a.example/b.safetensors'),
  ):
    config.init_from = given
    path = tmp_path / 'x.safetensors'
    released_file.write(path, net._replace(config=config), {})
    assert _fields(path)['config']['init_from'] == kept
    assert b'someone' not in path.read_bytes()


def test_running_statistics_stay_float32(net, tmp_path):
  """A variance of 1e-9 would be 0 in half precision."""
  variables = {**net.variables, 'batch_stats': {'var': np.float32([1e-9])}}
  path = tmp_path / 'x.safetensors'
  released_file.write(path, net._replace(variables=variables), {})
  tensors = safetensors.numpy.load_file(path)
  assert tensors['batch_stats/var'] == np.float32(1e-9)


def test_a_value_beyond_half_precision_is_refused(net, tmp_path):
  params = jax.tree.map(lambda x: x + 7e4, net.variables['params'])
  large = net._replace(variables={**net.variables, 'params': params})
  path = tmp_path / 'x.safetensors'
  with pytest.raises(errors.UserError, match='half precision ends at 65504'):
    released_file.write(path, large, {})
  assert not list(tmp_path.iterdir())


def _fields(path):
  with safetensors.safe_open(path, framework='numpy') as file:
    return json.loads(file.metadata()['inpaint_jax'])


def _rewrite(path, change):
  """Writes a released file anew, its tensors and fields changed."""
  tensors, fields = safetensors.numpy.load_file(path), _fields(path)
  change(tensors, fields)
  path.write_bytes(
    safetensors.numpy.save(tensors, {'inpaint_jax': json.dumps(fields)})
  )


def _drop(tensors, fields):
  del tensors['params/decoder1_conv1/bias']


def _add(tensors, fields):
  tensors['params/other'] = np.zeros(3, np.float16)


def _reshape(tensors, fields):
  name = 'params/decoder1_conv1/bias'
  tensors[name] = tensors[name][:-1]


def _retype(tensors, fields):
  name = 'params/decoder1_conv1/bias'
  tensors[name] = tensors[name].astype(np.int16)


def _set(name, value, tensors, fields):
  *sections, last = name.split('.')
  node = functools.reduce(dict.__getitem__, sections, fields)
  if value is None:
    del node[last]
  else:
    node[last] = value


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (_drop, 'not those of the net: params/decoder1_conv1/bias'),
    (_add, 'not those of the net: params/other'),
    (_reshape, r'decoder1_conv1/bias is float16 \[7\], wanted .* \[8\]'),
    (_retype, r'decoder1_conv1/bias is int16 \[8\], wanted float16'),
    (functools.partial(_set, 'config.model.name', 'vit'), "'vit' is unknown"),
    (functools.partial(_set, 'config.loss', 'none'), "'none' is unknown"),
    (functools.partial(_set, 'config.model.features', 7), 'cannot be used'),
    (functools.partial(_set, 'config.model', None), 'cannot be used'),
    (functools.partial(_set, 'config.data.image_size', 0), 'image_size is 0'),
    (functools.partial(_set, 'config.data.image_size', 33), 'cannot be used'),
    (functools.partial(_set, 'config', []), 'cannot be used'),
    (functools.partial(_set, 'step', 'x'), 'cannot be used'),
    (functools.partial(_set, 'format', 2), 'has format 2'),
    (functools.partial(_set, 'format', None), "'format' is missing"),
  ],
)
def test_a_file_that_does_not_fit_is_one_line(file, change, message):
  _rewrite(file, change)
  with pytest.raises(errors.UserError, match=message) as e:
    zoo.load(file)
  assert '\n' not in str(e.value)


@pytest.mark.parametrize('size', [0, 5, 100, 20_000])
def test_a_file_that_was_cut_is_refused(file, size):
  file.write_bytes(file.read_bytes()[:size])
  with pytest.raises(errors.UserError, match='is no released model'):
    zoo.load(file)


def test_a_file_of_something_else_is_refused(tmp_path):
  path = tmp_path / 'x.safetensors'
  path.write_bytes(safetensors.numpy.save({'a': np.zeros(2)}, {'b': 'c'}))
  with pytest.raises(errors.UserError, match="'inpaint_jax' is missing in"):
    zoo.load(path)
  path.write_text('hello, this is a page that says: not found')
  with pytest.raises(errors.UserError, match='is no released model'):
    zoo.load(path)


def test_a_flipped_bit_is_noticed(packaged, tmp_path, monkeypatch):
  """One that is no error of the format: the last bit of a parameter."""
  for path in packaged.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path)
  zoo.load(NAME)
  path = tmp_path / f'{NAME}.safetensors'
  data = bytearray(path.read_bytes())
  data[-2] ^= 1
  path.write_bytes(data)
  for source in (NAME, path):
    with pytest.raises(errors.UserError, match='is damaged, or was swapped'):
      zoo.load(source)
  (tmp_path / zoo.CHECKSUMS).write_text('hello\n')
  with pytest.raises(errors.UserError, match='SHA256SUMS is no list of'):
    zoo.load(NAME)


def test_checksums_are_those_of_sha256sum(folder):
  subprocess.run(
    ['sha256sum', '--check', '--strict', zoo.CHECKSUMS],
    cwd=folder,
    check=True,
    capture_output=True,
  )


def test_the_zoo_imports_neither_training_nor_datasets():
  code = (
    'import sys; from inpaint_jax.release import zoo; zoo.list_models(); '
    "print([x for x in ('tensorflow_datasets', 'grain', 'tensorboardX', "
    "'requests', 'inpaint_jax.training.train') if x in sys.modules])"
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert result.stdout == '[]\n'


# Addresses.


class _Server(http.server.ThreadingHTTPServer):
  """A server of this machine whose answers a test chooses."""

  def __init__(self):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.answers, self.asked = {}, []
    self.release = threading.Event()

  def address(self, path):
    return f'http://127.0.0.1:{self.server_port}{path}'


class _Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.server.asked.append(self.path)
    answer = self.server.answers.get(self.path, (404, {}, b'nothing here'))
    if answer == 'silence':
      self.server.release.wait(20)
      return
    status, headers, body = answer
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name, value)
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, *args):
    pass


@pytest.fixture
def server(tmp_path, monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_MODELS', str(tmp_path / 'cache'))
  # A proxy would answer for this machine.
  monkeypatch.setenv('http_proxy', 'http://127.0.0.1:9')
  with _Server() as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()


def _whole(file):
  body = file.read_bytes()
  return 200, {'Content-Length': str(len(body))}, body


def _cached():
  """Returns what is in the cache, temporary files as well."""
  folder = downloads.cache_dir()
  return sorted(folder.iterdir()) if folder.exists() else []


def test_an_address_is_asked_once(server, file, net, capsys):
  server.answers['/a/x.safetensors'] = _whole(file)
  address = server.address('/a/x.safetensors')
  for _ in range(2):
    _assert_is(zoo.load(address), net)
  assert server.asked == ['/a/x.safetensors']
  (cached,) = _cached()
  assert cached.name.endswith('.x.safetensors')
  err = capsys.readouterr().err
  assert err.count(downloads.sha256(file)) == 2  # In the path and by itself.
  assert str(cached) in err


def test_an_address_of_the_hub(server, file, net, monkeypatch):
  monkeypatch.setenv('HF_ENDPOINT', server.address('/'))
  for source, path in (
    ('hf://me/nets/a/x.safetensors', '/me/nets/resolve/main/a/x.safetensors'),
    ('hf://me/nets@v1/x.safetensors', '/me/nets/resolve/v1/x.safetensors'),
    ('hf://me/nets@pr%2F1/x', '/me/nets/resolve/pr%2F1/x'),
  ):
    server.answers[path] = _whole(file)
    _assert_is(zoo.load(source), net)
    assert server.asked[-1] == path
  monkeypatch.delenv('HF_ENDPOINT')
  assert downloads._parse('hf://me/nets/x')[0] == (
    'https://huggingface.co/me/nets/resolve/main/x'
  )


def test_the_digest_of_an_address_is_checked(server, file, net):
  server.answers['/x'] = _whole(file)
  address, digest = server.address('/x'), downloads.sha256(file)
  wrong = f'{address}#sha256={"0" * 64}'
  with pytest.raises(errors.UserError, match=f'another SHA-256, {digest}'):
    zoo.load(wrong)
  assert not _cached()
  _assert_is(zoo.load(f'{address}#sha256={digest.upper()}'), net)
  zoo.load(address)
  assert len(server.asked) == 2
  with pytest.raises(errors.UserError, match='another SHA-256'):
    zoo.load(wrong)


def test_damage_to_the_cache_is_mended(server, file, net):
  server.answers['/x'] = _whole(file)
  zoo.load(server.address('/x'))
  (cached,) = _cached()
  cached.write_bytes(cached.read_bytes()[:-1])
  _assert_is(zoo.load(server.address('/x')), net)
  assert len(server.asked) == 2
  assert len(_cached()) == 1


def test_a_redirect_is_followed(server, file, net):
  server.answers['/x'] = _whole(file)
  server.answers['/old'] = (302, {'Location': '/x'}, b'')
  _assert_is(zoo.load(server.address('/old')), net)


@pytest.mark.parametrize(
  'to', ['http://a.example/x', 'ftp://a.example/x', 'file:///etc/hostname']
)
def test_a_redirect_to_elsewhere_is_refused(server, to):
  server.answers['/x'] = (302, {'Location': to}, b'')
  with pytest.raises(errors.UserError, match=r'redirect|302'):
    zoo.load(server.address('/x'))
  assert not _cached()


def test_no_redirect_leads_from_https_to_this_machine():
  here = 'http://127.0.0.1:8000/x'
  downloads._check_allowed('https://b.example/x', 'https://a.example/x')
  downloads._check_allowed(here, here)
  with pytest.raises(
    errors.UserError, match=r'which https://a\.example/x redirects'
  ):
    downloads._check_allowed(here, 'https://a.example/x')


@pytest.mark.parametrize(
  ('source', 'message'),
  [
    ('http://a.example/x', 'wanted https:// or hf://'),
    ('http://127.0.0.1.a.example/x', 'wanted https:// or hf://'),
    ('http://127.0.0.1@a.example/x', 'wanted https:// or hf://'),
    ('http://[::1/x', 'wanted https:// or hf://'),
    ('ftp://a.example/x', 'wanted https:// or hf://'),
    ('file:///etc/hostname', 'wanted https:// or hf://'),
    ('hf://me/x.safetensors', 'wanted hf://OWNER/REPO/PATH'),
    ('hf://x', 'wanted hf://OWNER/REPO/PATH'),
    ('https://a.example/x y', 'has blanks'),
    ('https://a.example/x\n', 'has blanks'),
    ('https://a.example/x#md5=1', 'wanted #sha256='),
    ('https:///x', 'cannot be downloaded'),
  ],
)
def test_an_address_that_cannot_be(server, source, message):
  with pytest.raises(errors.UserError, match=message) as e:
    zoo.load(source)
  assert '\n' not in str(e.value)


def test_errors_of_a_server(server, file, monkeypatch):
  """None leaves anything in the cache."""
  whole = _whole(file)
  server.answers |= {
    '/page': (200, {}, b'<html>not found</html>'),
    '/short': (200, {'Content-Length': '99999'}, file.read_bytes()),
    '/garbled': (200, {'Content-Length': '99999'}, b''),
    '/silent': 'silence',
    '/large': (200, {'Content-Length': '600000000'}, b''),
    '/endless': (200, {}, whole[2]),
  }
  monkeypatch.setattr(downloads, 'TIMEOUT', 0.2)
  for path, message in (
    ('/none', 'answered 404 Not Found'),
    ('/page', '/page is no released model'),
    ('/short', r'ended after \d+ of 99999 bytes'),
    ('/garbled', 'ended after 0 of 99999 bytes'),
    ('/silent', 'timed out'),
    ('/large', 'larger than 500 MB'),
  ):
    with pytest.raises(errors.UserError, match=message) as e:
      zoo.load(server.address(path))
    assert '\n' not in str(e.value)
  monkeypatch.setattr(downloads, 'MAX_BYTES', 20_000)
  with pytest.raises(errors.UserError, match=r'larger than 0\.02 MB'):
    zoo.load(server.address('/endless'))
  assert not _cached()


def test_no_network(server):
  server.server_close()
  # Which of the two it is depends on the system.
  reason = r'cannot be downloaded .*(refused|reset)'
  with pytest.raises(errors.UserError, match=reason):
    zoo.load(server.address('/x'))
  with pytest.raises(errors.UserError, match='cannot be downloaded'):
    zoo.load('https://nowhere.invalid/x')


def test_a_cache_that_cannot_be_written(server, file, tmp_path):
  server.answers['/x'] = _whole(file)
  (tmp_path / 'cache').write_text('a file is in the way')
  with pytest.raises(errors.UserError, match='set INPAINT_JAX_MODELS'):
    zoo.load(server.address('/x'))


def test_where_the_cache_is(monkeypatch):
  monkeypatch.setenv('INPAINT_JAX_MODELS', '/a')
  assert downloads.cache_dir() == pathlib.Path('/a')
  monkeypatch.delenv('INPAINT_JAX_MODELS')
  monkeypatch.setenv('XDG_CACHE_HOME', '/b')
  assert downloads.cache_dir() == pathlib.Path('/b/inpaint_jax/models')
  monkeypatch.setenv('XDG_CACHE_HOME', '')
  assert downloads.cache_dir() == (
    pathlib.Path.home() / '.cache/inpaint_jax/models'
  )
