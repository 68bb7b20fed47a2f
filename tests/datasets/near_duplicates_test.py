"""Copies of a photo are found, other photos are not."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from inpaint_jax.datasets import landscape, near_duplicates


def recompressed(image: Image.Image, quality: int) -> Image.Image:
  buffer = io.BytesIO()
  image.save(buffer, 'JPEG', quality=quality)
  return Image.open(io.BytesIO(buffer.getvalue()))


def test_copies_are_found_and_different_photos_are_not():
  originals = [
    Image.fromarray(landscape.render(i, 128)).crop((0, 0, 128, 100))
    for i in range(8)
  ]
  copies = [
    originals[0].resize((64, 50), Image.Resampling.LANCZOS),
    recompressed(originals[1], 40),
    ImageEnhance.Brightness(originals[2]).enhance(0.8),
    ImageOps.mirror(originals[3]),
    ImageOps.mirror(recompressed(originals[4].resize((96, 75)), 80)),
  ]
  hashes = [near_duplicates.perceptual_hash(p) for p in originals + copies]
  groups = near_duplicates.find_groups(np.stack(hashes))
  assert len(set(groups[:8])) == 8
  assert groups[8:].tolist() == groups[:5].tolist()


def test_groups_are_transitive_and_blocks_do_not_matter(monkeypatch):
  rng = np.random.default_rng(0)
  hashes = rng.integers(2**63, size=(700, 4), dtype=np.uint64)
  step = np.uint64(2**30 - 1)  # 30 bits.
  hashes[699] = hashes[3] ^ np.array([step, 0, 0, 0], np.uint64)
  hashes[400] = hashes[699] ^ np.array([0, step, 0, 0], np.uint64)
  monkeypatch.setattr(near_duplicates, 'MAX_DISTANCE', 32)
  groups = near_duplicates.find_groups(hashes)
  assert groups[3] == groups[400] == groups[699]
  assert len(set(groups)) == 698
  monkeypatch.setattr(near_duplicates, '_ROWS', 97)
  np.testing.assert_array_equal(near_duplicates.find_groups(hashes), groups)
