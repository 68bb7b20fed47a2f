"""Files from the web, kept in the user's cache folder.

An address is fetched once. Its file carries its own SHA-256 in its name, so
that damage to the cache is noticed, and the address is fetched again.
"""

from collections.abc import Callable, Iterator
import hashlib
import http.client
import os
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import tqdm

from inpaint_jax import __version__
from inpaint_jax.system import cache, errors

MAX_BYTES = 500_000_000
# Seconds without a byte after which a server is given up.
TIMEOUT = 30.0

_LOOPBACK = ('127.0.0.1', '::1', 'localhost')
_HUB = 'https://huggingface.co'
_CHUNK = 1 << 16


def is_address(source: str) -> bool:
  """Returns whether `source` has the form of an address, as a://b."""
  return re.match(r'[A-Za-z][A-Za-z0-9+.-]*://', source) is not None


def cache_dir() -> pathlib.Path:
  """Returns the folder of downloaded models.

  It is $INPAINT_JAX_MODELS or, without it, inpaint_jax/models in the user's
  cache folder.
  """
  return cache.folder('INPAINT_JAX_MODELS', 'models')


def fetch(
  address: str, check: Callable[[pathlib.Path], object]
) -> pathlib.Path:
  """Returns the file of an address, downloaded unless it is in the cache.

  Args:
    address: https://..., or hf://OWNER/REPO[@REVISION]/PATH for a file on the
      Hugging Face Hub. http:// is for this machine alone. If it ends in
      #sha256=DIGEST the file must have that digest.
    check: is called with the downloaded file before it enters the cache, and
      raises if it is not what was wanted.

  Raises:
    errors.UserError: the address is not allowed, cannot be reached, answers
      with an error, or gives a file that is too large, of another digest or
      incomplete; the cache cannot be written; or what `check` raises.
  """
  url, wanted = _parse(address)
  folder = cache_dir()
  key = hashlib.sha256(url.encode()).hexdigest()[:16]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f'{key}.*'):
      digest = path.name.split('.')[1]
      if sha256(path) == digest and wanted in ('', digest):
        return path
      path.unlink(missing_ok=True)
    temporary = folder / f'.{key}.{os.getpid()}.part'
    try:
      with temporary.open('wb') as file:
        for chunk in _chunks(url):
          file.write(chunk)
      digest = sha256(temporary)
      if wanted not in ('', digest):
        raise errors.UserError(
          f'{address} gave a file of another SHA-256, {digest}, which was not '
          'kept; correct the address if that is the file you want'
        )
      check(temporary)
      path = folder / f'{key}.{digest}.{_file_name(url)}'
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
  except OSError as error:
    raise errors.UserError(
      f'the folder of downloaded models, {folder}, cannot be used '
      f'({error.strerror or error}); set INPAINT_JAX_MODELS to one with room'
    ) from error
  print(f'downloaded {url}\n  to {path}\n  SHA-256 {digest}', file=sys.stderr)
  return path


def sha256(path: pathlib.Path) -> str:
  """Returns the SHA-256 of a file, in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _parse(address: str) -> tuple[str, str]:
  """Returns the URL that an address stands for, and its SHA-256 or ''."""
  if not address.isprintable() or ' ' in address:
    raise errors.UserError(
      f'the address {address!r} has blanks in it; write them as %20'
    )
  url, _, fragment = address.partition('#')
  digest = fragment.removeprefix('sha256=').lower()
  if fragment and not re.fullmatch(r'[0-9a-f]{64}', digest):
    raise errors.UserError(
      f'{address} ends in #{fragment}; wanted #sha256= and 64 hexadecimal '
      'digits, or nothing'
    )
  if url.lower().startswith('hf://'):
    return _hub_url(url), digest
  _check_allowed(url)
  return url, digest


def _hub_url(address: str) -> str:
  """Returns where the Hugging Face Hub has the file of an hf:// address."""
  match = re.fullmatch(r'hf://([^/@]+/[^/@]+)(@[^/]+)?/(.+)', address, re.I)
  if match is None:
    raise errors.UserError(
      f'{address} names no file; wanted hf://OWNER/REPO/PATH or '
      'hf://OWNER/REPO@REVISION/PATH'
    )
  repo, revision, path = match.groups()
  revision = urllib.parse.quote((revision or '@main')[1:], safe='%')
  # The variable is that of the hub's own tools, for mirrors.
  hub = os.environ.get('HF_ENDPOINT') or _HUB
  url = f'{hub.rstrip("/")}/{repo}/resolve/{revision}/{path}'
  _check_allowed(url)
  return url


def _check_allowed(url: str, before: str = '') -> None:
  """Raises a UserError unless it is https, or http on this machine.

  Args:
    url: where to go.
    before: the URL that redirects there, if one does. From https no redirect
      leads to http, which would let a stranger ask this machine.
  """
  if _scheme(url) == 'https':
    return
  if _is_loopback(url) and _scheme(before) != 'https':
    return
  by = f' (to which {before} redirects)' if before else ''
  raise errors.UserError(
    f'{url}{by} is no address to download a model from; wanted https:// or '
    'hf://'
  )


def _is_loopback(url: str) -> bool:
  try:
    parts = urllib.parse.urlsplit(url)
  except ValueError:
    return False
  return parts.scheme == 'http' and parts.hostname in _LOOPBACK


def _scheme(url: str) -> str:
  return url.partition(':')[0].lower()


class _Redirects(urllib.request.HTTPRedirectHandler):
  """Follows redirects to allowed addresses."""

  def redirect_request(self, request, file, code, message, headers, url):
    _check_allowed(url, request.full_url)
    return super().redirect_request(request, file, code, message, headers, url)


def _chunks(url: str) -> Iterator[bytes]:
  """Yields what an address gives, with a progress bar.

  Raises:
    errors.UserError: there is no network, the server answers with an error or
      falls silent, or the file is too large or ends early.
  """
  handlers = [_Redirects]
  if _is_loopback(url):
    # No proxy can reach this machine's own servers.
    handlers.append(urllib.request.ProxyHandler({}))
  request = urllib.request.Request(
    url, headers={'User-Agent': f'inpaint_jax/{__version__}'}
  )
  try:
    opener = urllib.request.build_opener(*handlers)
    with opener.open(request, timeout=TIMEOUT) as response:
      yield from _limited(response, url)
  except urllib.error.HTTPError as error:
    raise errors.UserError(
      f'{url} answered {error.code} {error.reason}; check the address'
    ) from error
  except (OSError, http.client.HTTPException, ValueError) as error:
    if isinstance(error, errors.UserError):
      raise
    reason = getattr(error, 'reason', None) or error
    reason = getattr(reason, 'strerror', None) or reason
    raise errors.UserError(
      f'{url} cannot be downloaded ({errors.one_line(reason)}); check '
      'the network and the address, or use a model that is on this machine'
    ) from error


def _limited(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
  """Yields the body of an answer; raises if it is too long or too short."""
  length = response.headers.get('Content-Length', '')
  total = int(length) if length.isdecimal() else None
  count = 0
  with tqdm.tqdm(
    desc=f'downloading {_file_name(url)}',
    total=total,
    unit='B',
    unit_scale=True,
    disable=None,
  ) as bar:
    while True:
      if max(count, total or 0) > MAX_BYTES:
        raise errors.UserError(
          f'{url} is larger than {MAX_BYTES / 1e6:g} MB, more than a model of '
          'this package has; check the address'
        )
      chunk = response.read(_CHUNK)
      if not chunk:
        break
      count += len(chunk)
      bar.update(len(chunk))
      yield chunk
  if total is not None and count != total:
    raise errors.UserError(
      f'{url} ended after {count} of {total} bytes; try again'
    )


def _file_name(url: str) -> str:
  """Returns the last part of a URL's path, fit for any file system."""
  name = pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
  return re.sub(r'[^A-Za-z0-9_.-]', '_', name)[-80:] or 'model'
