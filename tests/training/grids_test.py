"""Grids of images, and PNG files."""

import numpy as np
import PIL.Image

from inpaint_jax.training import grids


def test_write_png_makes_folders_and_leaves_no_other_file(tmp_path):
  image = np.random.RandomState(0).randint(0, 256, (5, 7, 3), np.uint8)
  path = tmp_path / 'a' / 'b.png'
  grids.write_png(path, image)
  np.testing.assert_array_equal(np.asarray(PIL.Image.open(path)), image)
  assert list(path.parent.iterdir()) == [path]


def test_the_grid_shows_every_image_in_its_place():
  """There is a row per name and a column per image, each in its colour."""
  rows = {
    name: np.full((3, 32, 32, 3), i / 4) + np.arange(3).reshape(3, 1, 1, 1) / 20
    for i, name in enumerate(['original', 'masked'])
  }
  grid = grids.draw_grid(rows, cell=64)
  assert grid.shape == (2 * (64 + 4 + 18) + 4, 3 * 68 + 4, 3)
  for i, row in enumerate(rows.values()):
    for j, image in enumerate(row):
      centre = grid[i * 86 + 18 + 32, 4 + j * 68 + 32]
      np.testing.assert_allclose(centre, image[0, 0] * 255, atol=1)
      edge = grid[i * 86 + 18 + 32, 4 + j * 68 - 1 : 4 + j * 68 + 1]
      np.testing.assert_allclose(edge, [[255] * 3, centre], atol=1)
