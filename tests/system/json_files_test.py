"""JSON files that are written completely or not at all."""

import pytest

from inpaint_jax.system import errors, json_files


def test_infinity_and_nan_become_null(tmp_path):
  path = tmp_path / 'a.json'
  json_files.write(path, {'a': [1.5, float('inf')], 'b': float('nan')})
  assert json_files.read(path) == {'a': [1.5, None], 'b': None}
  assert path.read_text().endswith('}\n')


@pytest.mark.parametrize('content', [None, '{"a": 1', '\udc80'])
def test_a_missing_or_damaged_file_is_one_line(tmp_path, content):
  path = tmp_path / 'a.json'
  if content is not None:
    path.write_bytes(content.encode(errors='surrogateescape'))
  with pytest.raises(errors.UserError, match=r'a\.json cannot be read') as info:
    json_files.read(path)
  assert '\n' not in str(info.value)
