"""Digests of files."""

import hashlib
import json

from inpaint_jax.datasets import file_digests


def _hex(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()


def test_only_what_changed_is_read_again(tmp_path):
  memory = tmp_path / 'data' / 'digests.json'
  (tmp_path / 'a').write_bytes(b'1')
  (tmp_path / 'b').write_bytes(b'2')
  (tmp_path / 'broken').symlink_to(tmp_path / 'nothing')
  paths = ['a', 'b', 'broken']
  wanted = [_hex(b'1'), _hex(b'2'), '']
  assert file_digests.read(str(tmp_path), paths, memory) == wanted

  # A digest that is remembered is used without reading the file.
  known = json.loads(memory.read_text())
  known['a'][0] = 'remembered'
  memory.write_text(json.dumps(known))
  (tmp_path / 'b').write_bytes(b'3')
  wanted = ['remembered', _hex(b'3'), '']
  assert file_digests.read(str(tmp_path), paths, memory) == wanted


def test_a_damaged_or_unwritable_memory_is_no_error(tmp_path):
  (tmp_path / 'a').write_bytes(b'1')
  (tmp_path / 'damaged').write_text('{')
  for memory in (tmp_path / 'damaged', tmp_path / 'a' / 'below'):
    assert file_digests.read(str(tmp_path), ['a'], memory) == [_hex(b'1')]
