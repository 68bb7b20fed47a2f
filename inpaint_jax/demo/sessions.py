"""What there is of a visitor, and how it is forgotten.

A browser is known by a cookie and each of its pages by a hash. A page has a
folder with the photo and its results. What Gradio's editor uploads on its own,
copies of the photo after each stroke, says only which browser it came from.
"""

import collections
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import threading

import numpy as np

from inpaint_jax.system import errors

# Of a browser; an editor sends three files a stroke and needs the last three.
MAX_UPLOADS = 64
# How Gradio names the folder of an upload.
_UPLOADS = re.compile('[0-9a-f]{64}')


@dataclasses.dataclass
class Session:
  """The photo on one page.

  Attributes:
    folder: where its files lie; the name cannot be guessed.
    photo: the photo's file, as it was uploaded.
    name: what the visitor calls it.
    size: (height, width) of the photo, upright.
    mask: the file of the mask that was loaded, None where none was.
    shown: bool [h, w], the same as it was put into the editor.
  """

  folder: pathlib.Path
  photo: pathlib.Path | None = None
  name: str = ''
  size: tuple[int, int] = (0, 0)
  mask: pathlib.Path | None = None
  shown: np.ndarray | None = None

  def fresh_folder(self, kind: str) -> pathlib.Path:
    """Returns an empty folder in place of the last one of its kind.

    Its name is new each time: a browser takes what has the same address for the
    same picture.
    """
    for old in self.folder.glob(f'{kind}_*'):
      shutil.rmtree(old, ignore_errors=True)
    folder = self.folder / f'{kind}_{secrets.token_hex(4)}'
    folder.mkdir()
    return folder


class Sessions:
  """All that is kept of those who have the page open. Threads may share it."""

  def __init__(self, root: pathlib.Path):
    """Makes a folder for sessions.

    Args:
      root: where Gradio puts uploads, first as a file, then in a folder.
    """
    self._root = root.resolve()
    self._folder = root / 'sessions'
    self._folder.mkdir()
    self._lock = threading.Lock()
    self._sessions: dict[str, Session] = {}
    self._pages: collections.Counter[str] = collections.Counter()
    # By browser, the oldest first.
    self._uploads: dict[str, dict[pathlib.Path, None]] = {}

  def open_page(self, browser: str) -> None:
    """Notes that a browser has opened the page, once more maybe."""
    with self._lock:
      self._pages[browser] += 1

  def close_page(self, browser: str, page: str) -> None:
    """Deletes what there is of a page, and of a browser with its last page."""
    self.end(page)
    with self._lock:
      self._pages[browser] -= 1
      if self._pages[browser] <= 0:
        del self._pages[browser]
        self._drop(browser, 0)

  def has_page(self, browser: str) -> bool:
    """Returns whether a browser has the page open."""
    with self._lock:
      return browser in self._pages

  def add_uploads(self, browser: str, paths: list[pathlib.Path]) -> None:
    """Notes where uploads of a browser lie; deletes those long past."""
    with self._lock:
      uploads = self._uploads.setdefault(browser, {})
      for path in paths:
        # Now the newest, if it was there before.
        uploads.pop(path, None)
        uploads[path] = None
      kept = MAX_UPLOADS if browser in self._pages else 0
      self._drop(browser, kept)

  def upload(self, file: object) -> pathlib.Path:
    """Returns the path of an uploaded file, as a browser names it.

    Args:
      file: {'path': ...}; a request may name anything.

    Raises:
      errors.UserError: it is no upload, or gone.
    """
    name = file.get('path') if isinstance(file, dict) else None
    path = pathlib.Path(os.path.realpath(name if isinstance(name, str) else ''))
    folder = path.parent
    is_upload = folder.parent == self._root and _UPLOADS.fullmatch(folder.name)
    if not is_upload or not path.is_file():
      raise errors.UserError('the file got lost on the way; load it again')
    return path

  def holds(self, path: str) -> bool:
    """Returns whether a file is one of the page's, links followed."""
    return pathlib.Path(os.path.realpath(path)).is_relative_to(self._root)

  def drop_strays(self) -> None:
    """Deletes what is left of uploads that broke off; for when none goes on."""
    for path in self._root.iterdir():
      if path.is_file():
        path.unlink(missing_ok=True)

  @contextlib.contextmanager
  def starting(self, page: str) -> Iterator[Session]:
    """Yields a session with an empty folder.

    If all goes well within the context it is the page's, in place of the last
    one; if not it is deleted, and the last one stays.
    """
    session = Session(self._folder / secrets.token_hex(16))
    session.folder.mkdir()
    try:
      yield session
    except BaseException:
      shutil.rmtree(session.folder, ignore_errors=True)
      raise
    self.end(page)
    with self._lock:
      self._sessions[page] = session

  def get(self, page: str) -> Session | None:
    """Returns the session of a page, None if it has none."""
    with self._lock:
      return self._sessions.get(page)

  def end(self, page: str) -> None:
    """Deletes the session of a page, if it has one."""
    with self._lock:
      session = self._sessions.pop(page, None)
    if session:
      shutil.rmtree(session.folder, ignore_errors=True)

  def _drop(self, browser: str, kept: int) -> None:
    """Deletes all but the newest uploads of a browser."""
    uploads = self._uploads.get(browser, {})
    for path in list(uploads)[: max(0, len(uploads) - kept)]:
      del uploads[path]
      # Equal uploads are one file, whoever sent them.
      if not any(path in other for other in self._uploads.values()):
        shutil.rmtree(path.parent, ignore_errors=True)
    if not uploads:
      self._uploads.pop(browser, None)
