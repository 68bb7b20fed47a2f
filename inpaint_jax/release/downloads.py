"""Downloads files and keeps them in $INPAINT_JAX_MODELS.

Without this variable they are in inpaint_jax/models in the user's cache folder.
An address is downloaded once. The name of its file contains the SHA-256, so
that a damaged file is noticed and downloaded again.
"""

from collections.abc import Callable
import hashlib
import http.client
import os
import pathlib
import re
import secrets
import sys
from typing import Any, IO
import urllib.error
import urllib.parse
import urllib.request

import tqdm

from inpaint_jax import __version__
from inpaint_jax.system import cache, errors

MAX_BYTES = 500_000_000
# Seconds to wait for the next byte of a server.
TIMEOUT = 30.0

# URLs of http servers on this machine.
_LOOPBACK = re.compile(
  r'http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?([/?].*)?', re.I
)


def is_address(source: str) -> bool:
  """Returns whether `source` has the form of an address, a://b.

  file:// is a path, see user_paths.local.
  """
  return re.match(r'(?!file:)[A-Za-z][A-Za-z0-9+.-]*://', source) is not None


def fetch(
  address: str, check: Callable[[pathlib.Path], object]
) -> pathlib.Path:
  """Returns the file of an address; downloads it unless it is in the cache.

  Args:
    address: https://..., or hf://OWNER/REPO[@REVISION]/PATH for a file on the
      Hugging Face Hub. http:// is allowed for this machine only. If it ends in
      #sha256=DIGEST the file must have that digest.
    check: called with the downloaded file before it enters the cache; raises if
      the file is not what was wanted.

  Raises:
    errors.UserError: the address is not allowed or cannot be reached, or the
      server answers with an error; the file is too large, incomplete or has
      another digest; the cache cannot be written; or what `check` raises.
  """
  url, expected = parse_address(address)
  folder = cache.folder('INPAINT_JAX_MODELS', 'models')
  key = hashlib.sha256(url.encode()).hexdigest()[:16]
  name = pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
  name = re.sub(r'[^A-Za-z0-9_.-]', '_', name)[-80:] or 'model'
  temporary = folder / f'.{key}.{secrets.token_hex(8)}.part'
  with errors.error_as(
    f'the folder of downloaded models, {folder}, cannot be used',
    '; set INPAINT_JAX_MODELS to one with free space',
  ):
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f'{key}.*'):
      digest = path.name.split('.')[1]
      if sha256(path) == digest and expected in ('', digest):
        return path
      path.unlink(missing_ok=True)
    try:
      with temporary.open('wb') as file:
        _download(url, name, file)
      digest = sha256(temporary)
      if expected not in ('', digest):
        raise errors.UserError(
          f'{address} gave a file of another SHA-256, {digest}, which was not '
          'kept; correct the address if that is the file you want'
        )
      check(temporary)
      path = folder / f'{key}.{digest}.{name}'
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
  print(f'downloaded {url}\n  to {path}\n  SHA-256 {digest}', file=sys.stderr)
  return path


def sha256(path: pathlib.Path) -> str:
  """Returns the SHA-256 of a file, in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def parse_address(address: str) -> tuple[str, str]:
  """Returns the URL of an address, and its SHA-256 or ''; see fetch."""
  if not address.isprintable() or ' ' in address:
    raise errors.UserError(
      f'the address {address!r} contains spaces; write them as %20'
    )
  url, _, fragment = address.partition('#')
  digest = fragment.removeprefix('sha256=').lower()
  if fragment and not re.fullmatch(r'[0-9a-f]{64}', digest):
    raise errors.UserError(
      f'{address} ends in #{fragment}; wanted #sha256= and 64 hexadecimal '
      'digits, or nothing'
    )
  if url.lower().startswith('hf://'):
    match = re.fullmatch(r'hf://([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)', url, re.I)
    if match is None:
      raise errors.UserError(
        f'{url} names no file; wanted hf://OWNER/REPO/PATH or '
        'hf://OWNER/REPO@REVISION/PATH'
      )
    repo, revision, path = match.groups()
    revision = urllib.parse.quote(revision or 'main', safe='%')
    # The hub's own tools read the same variable, for mirrors.
    hub = os.environ.get('HF_ENDPOINT') or 'https://huggingface.co'
    url = f'{hub.rstrip("/")}/{repo}/resolve/{revision}/{path}'
  check_allowed(url)
  return url, digest


def check_allowed(url: str, origin: str = '') -> None:
  """Raises a UserError unless a URL is https, or http on this machine.

  Args:
    origin: the URL that redirects to it, if one does. A redirect from https to
      this machine is refused: it would let a stranger send requests here.
  """
  is_local = _LOOPBACK.fullmatch(url) and not _is_https(origin)
  if is_local or _is_https(url):
    with errors.error_as(f'{url} is no address', kind=ValueError):
      urllib.parse.urlsplit(url)
    return
  by = f' (to which {origin} redirects)' if origin else ''
  raise errors.UserError(
    f'{url}{by} cannot be downloaded from; wanted an address with https:// or '
    'hf://'
  )


def _is_https(url: str) -> bool:
  return url.lower().startswith('https:')


class _CheckRedirects(urllib.request.HTTPRedirectHandler):
  """Follows redirects to allowed addresses only."""

  def redirect_request(
    self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
  ) -> urllib.request.Request | None:
    check_allowed(newurl, req.full_url)
    return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, name: str, file: IO[bytes]) -> None:
  """Downloads a URL to an open file, with a progress bar.

  Raises:
    errors.UserError: there is no network, the server answers with an error or
      stops sending, or the file is too large or ends early.
  """
  handlers: list[urllib.request.BaseHandler] = [_CheckRedirects()]
  if _LOOPBACK.fullmatch(url):
    # No proxy can reach the servers of this machine.
    handlers.append(urllib.request.ProxyHandler({}))
  opener = urllib.request.build_opener(*handlers)
  opener.addheaders = [('User-Agent', f'inpaint_jax/{__version__}')]
  try:
    with opener.open(url, timeout=TIMEOUT) as response:
      total = response.length
      title = f'downloading {name}'
      with tqdm.tqdm(
        None, title, total, disable=None, unit='B', unit_scale=True
      ) as bar:
        # `length` is the number of bytes to come, None if it is unknown.
        while file.tell() + (response.length or 0) <= MAX_BYTES:
          count = file.write(response.read(1 << 16))
          bar.update(count)
          if not count and response.length:
            raise errors.UserError(
              f'{url} ended after {file.tell()} of {total} bytes; try again'
            )
          if not count:
            return
      raise errors.UserError(
        f'{url} is larger than {MAX_BYTES / 1e6:g} MB, more than a model of '
        'this package has; check the address'
      )
  except errors.UserError:
    raise
  except urllib.error.HTTPError as error:
    raise errors.UserError(
      f'{url} answered {error.code} {error.reason}; check the address'
    ) from error
  except (OSError, http.client.HTTPException, ValueError) as error:
    reason = getattr(error, 'reason', None) or error
    reason = getattr(reason, 'strerror', None) or reason
    raise errors.UserError(
      f'{url} cannot be downloaded ({errors.one_line(reason)}); check '
      'the network and the address, or use a model that is on this machine'
    ) from error
