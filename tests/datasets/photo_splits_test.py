"""The split of a photo."""

import io

import numpy as np
from PIL import Image, ImageOps

from inpaint_jax.datasets import landscape, photo_splits


def _photos(count: int) -> list[Image.Image]:
  return [
    Image.fromarray(landscape.render(i, 128)).resize((256, 192))
    for i in range(count)
  ]


def test_splits_have_their_shares_and_stay_as_they_are():
  rng = np.random.RandomState(0)
  noise = [
    Image.fromarray(rng.randint(0, 256, (9, 9, 3), np.uint8))
    for _ in range(2000)
  ]
  found = [photo_splits.by_content(photo) for photo in noise]
  for name, share in photo_splits.SHARES.items():
    assert abs(found.count(name) / len(found) - share / 100) < 0.04
  # Released models rely on this: they were trained on some photos only.
  names = [photo_splits.by_content(photo) for photo in _photos(14)]
  assert [i for i, name in enumerate(names) if name == 'val'] == [1, 2, 7]
  assert [i for i, name in enumerate(names) if name == 'test'] == [11, 12, 13]


def test_no_copy_moves_between_training_and_test():
  for photo in _photos(40):
    buffer = io.BytesIO()
    small = photo.resize((128, 96), Image.Resampling.LANCZOS)
    small.save(buffer, 'JPEG', quality=60)
    copies = [Image.open(buffer), ImageOps.mirror(photo), photo.convert('L')]
    found = {photo_splits.by_content(x) for x in (photo, *copies)}
    assert not {'train', 'test'} <= found


def test_flat_images_are_no_trap():
  flat = [Image.new('RGB', (9, 9), (i, i, i)) for i in range(0, 256, 5)]
  assert {photo_splits.by_content(photo) for photo in flat} == {'train'}
