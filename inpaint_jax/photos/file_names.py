"""Names of photos and of their masks, as people and systems spell them.

All are without the ending of the file.
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
  """Returns a name with composed accents; some systems take them apart."""
  return unicodedata.normalize('NFC', name)


def key(name: str) -> str:
  """Returns what is the same for all spellings of a name."""
  return composed(name).casefold()


def list_photos(mask: str) -> list[str]:
  """Returns the photos that a mask's name may stand for, NAME for NAME_mask."""
  matches = [pattern.fullmatch(mask) for pattern in _MASK_NAMES]
  return [match[1] for match in matches if match]


def is_mask(name: str, photos: Set[str]) -> bool:
  """Returns whether a name is that of a mask of one of some photos' keys."""
  return not photos.isdisjoint(map(key, list_photos(name)))


def find_masks(images: Sequence[str], others: Iterable[str] = ()) -> list[bool]:
  """Returns of each image in a folder whether it is the mask of another."""
  photos = set(map(key, [*images, *others]))
  return [is_mask(name, photos) for name in images]
