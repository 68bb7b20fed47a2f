"""Names of masks, and spellings of names."""

import pytest

from inpaint_jax.photos import file_names


@pytest.mark.parametrize(
  ('mask', 'photos'),
  [
    ('a_mask', ['a']),
    ('a b-Mask_02', ['a b']),
    ('a (mask)', ['a']),
    ('a [mask 1]', ['a']),
    ('mask_a', ['a']),
    ('mask of a_mask', ['mask of a', 'of a_mask']),
    ('masked', []),
    ('a_masked', []),
    ('unmask', []),
    ('mask', []),
    ('_mask', []),
    ('mask_', []),
  ],
)
def test_the_photo_of_a_mask(mask, photos):
  assert file_names.list_photos(mask) == photos


def test_only_beside_its_photo_a_mask_is_one():
  names = ['A', 'a_MASK', 'venetian mask', 'e\u0301_mask', '\xe9']
  assert file_names.find_masks(names) == {'a_MASK', 'e\u0301_mask'}


def test_spellings_of_one_name_have_one_key():
  keys = {file_names.key(name) for name in ('\xc9', 'e\u0301', 'E\u0301')}
  assert keys == {'\xe9'}
  assert file_names.composed('E\u0301') == '\xc9'
