"""Pictures as arrays and as files."""

import jax.numpy as jnp
import numpy as np
import PIL.Image

from inpaint_jax.training import images


def test_uint8_to_float_and_back_is_the_same():
  levels = np.arange(256, dtype=np.uint8)
  floats = np.asarray(images.to_float(jnp.asarray(levels)))
  assert floats.min() == 0
  assert floats.max() == 1
  np.testing.assert_array_equal(images.to_uint8(floats), levels)


def test_to_uint8_clips():
  assert images.to_uint8(np.array([-1.0, 2.0])).tolist() == [0, 255]


def test_write_makes_folders_and_leaves_no_other_file(tmp_path):
  picture = np.random.RandomState(0).randint(0, 256, (5, 7, 3), np.uint8)
  path = tmp_path / 'a' / 'b.png'
  images.write(path, picture)
  np.testing.assert_array_equal(np.asarray(PIL.Image.open(path)), picture)
  assert list(path.parent.iterdir()) == [path]


def test_the_grid_shows_every_picture_in_its_place():
  """A row a name, a column a picture; each cell has its picture's colour."""
  rows = {
    name: np.full((3, 32, 32, 3), i / 4) + np.arange(3).reshape(3, 1, 1, 1) / 20
    for i, name in enumerate(['original', 'masked'])
  }
  grid = images.grid(rows, cell=64, gap=4)
  assert grid.shape == (2 * (64 + 4 + 18) + 4, 3 * 68 + 4, 3)
  for i, pictures in enumerate(rows.values()):
    for j, picture in enumerate(pictures):
      centre = grid[i * 86 + 18 + 32, 4 + j * 68 + 32]
      np.testing.assert_allclose(centre, picture[0, 0] * 255, atol=1)
      edge = grid[i * 86 + 18 + 32, 4 + j * 68 - 1 : 4 + j * 68 + 1]
      np.testing.assert_allclose(edge, [[255] * 3, centre], atol=1)
