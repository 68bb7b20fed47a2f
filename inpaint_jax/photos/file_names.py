"""Compares the names of photos and masks, as people and systems spell them.

All names are without the file's ending.
"""

from collections.abc import Iterable, Sequence, Set
import re
import unicodedata

# NAME_mask, 'NAME (Mask)', NAME-mask001, mask_NAME and the like.
_MASK_NAMES = (
  re.compile(r'(.+?)[\s._([-]+masks?[\s._-]*\d*[])]?', re.IGNORECASE),
  re.compile(r'masks?[\s._-]+(.+)', re.IGNORECASE),
)


def composed(name: str) -> str:
  """Returns a name with composed accents; some systems decompose them."""
  return unicodedata.normalize('NFC', name)


def key(name: str) -> str:
  """Returns a key that is the same for all spellings of a name."""
  return composed(name).casefold()


def list_photos(mask: str) -> list[str]:
  """Returns names of photos that a mask may belong to: NAME for NAME_mask."""
  matches = [pattern.fullmatch(mask) for pattern in _MASK_NAMES]
  return [match[1] for match in matches if match]


def is_mask(name: str, photos: Set[str]) -> bool:
  """Returns whether a name is that of a mask of any of `photos`, their keys."""
  return not photos.isdisjoint(map(key, list_photos(name)))


def find_masks(images: Sequence[str], others: Iterable[str] = ()) -> set[str]:
  """Returns the images of a folder that are masks of another file in it."""
  photos = set(map(key, [*images, *others]))
  return {name for name in images if is_mask(name, photos)}
