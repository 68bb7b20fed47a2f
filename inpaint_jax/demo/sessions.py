"""Keeps track of the open pages, and deletes their files.

A page is known by Gradio's session hash and has a folder with its photo.
Gradio's editor uploads copies of the photo at any time; all that is known of
them is the browser that sent them, by its cookie.
"""

from collections.abc import Iterator, Sequence
import contextlib
import pathlib
import secrets
import shutil
import threading

from inpaint_jax.demo.photo import Photo
from inpaint_jax.system import errors

# Uploads kept for a browser: an editor sends three files at a time, and needs
# the last three.
MAX_UPLOADS = 64


class Sessions:
  """The files of all visitors; threads may share one."""

  def __init__(self, root: pathlib.Path):
    """Makes a folder for photos in `root`, which Gradio serves."""
    self._folder = root / 'sessions'
    self._folder.mkdir()
    self._lock = threading.Lock()
    # The photo and the browser of each page, and the browser that last sent
    # each upload, the oldest upload first.
    self._photos: dict[str, Photo] = {}
    self._browsers: dict[str, str] = {}
    self._uploads: dict[pathlib.Path, str] = {}

  def open_page(self, page: str, browser: str) -> None:
    """Notes that a browser has opened a page."""
    with self._lock:
      self._browsers[page] = browser

  def close_page(self, page: str) -> None:
    """Deletes a page's files; with a browser's last page, its uploads, too."""
    with self._lock:
      browser = self._browsers.pop(page, '')
      if browser not in self._browsers.values():
        self._drop_uploads(browser, 0)
      self._drop_photo(page)

  def has_page(self, browser: str) -> bool:
    """Returns whether a browser has a page open."""
    with self._lock:
      return browser in self._browsers.values()

  def add_uploads(self, browser: str, paths: Sequence[str]) -> None:
    """Notes uploads of a browser, and deletes its oldest ones."""
    with self._lock:
      for path in map(pathlib.Path, paths):
        # It becomes the newest, even if it was there before.
        self._uploads.pop(path, None)
        self._uploads[path] = browser
      is_open = browser in self._browsers.values()
      self._drop_uploads(browser, MAX_UPLOADS if is_open else 0)

  def find_upload(self, file: object) -> pathlib.Path:
    """Returns the path of an uploaded file.

    Args:
      file: {'path': ...} from a request, which may name any path.

    Raises:
      errors.UserError: the file is not an upload, or was deleted.
    """
    name = file.get('path') if isinstance(file, dict) else None
    path = pathlib.Path(str(name))
    if path not in self._uploads or not path.is_file():
      raise errors.UserError('the file did not arrive; load it again')
    return path

  @contextlib.contextmanager
  def new_photo(self, page: str | None) -> Iterator[Photo]:
    """Yields a photo with an empty folder, for the context to load.

    If the context ends without an error, the photo replaces the page's last
    one; otherwise it is deleted, and the last one stays.

    Raises:
      errors.UserError: the page was closed meanwhile.
    """
    photo = Photo(self._folder / secrets.token_hex(16))
    photo.folder.mkdir()
    try:
      yield photo
      with self._lock:
        if page is None or page not in self._browsers:
          raise errors.UserError('the page was closed during this')
        self._drop_photo(page)
        self._photos[page] = photo
    except BaseException:
      shutil.rmtree(photo.folder, ignore_errors=True)
      raise

  @contextlib.contextmanager
  def use_photo(self, page: str | None) -> Iterator[Photo]:
    """Yields the photo of a page.

    Raises:
      errors.UserError: the page has none, or it was closed meanwhile.
    """
    photo = self._photos.get(page or '')
    if photo is None:
      raise errors.UserError('no photo is open; load one, or pick an example')
    try:
      yield photo
    except Exception:
      # Its files are gone, and errors about these would name their folder.
      if not photo.folder.exists():
        raise errors.UserError('the photo was closed during this') from None
      raise

  def _drop_photo(self, page: str) -> None:
    if page in self._photos:
      shutil.rmtree(self._photos.pop(page).folder, ignore_errors=True)

  def _drop_uploads(self, browser: str, kept: int) -> None:
    """Deletes all but the newest uploads of a browser."""
    paths = [path for path, sent in self._uploads.items() if sent == browser]
    for path in paths[: max(0, len(paths) - kept)]:
      del self._uploads[path]
      shutil.rmtree(path.parent, ignore_errors=True)
