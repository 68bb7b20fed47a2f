"""Draws grids of labelled images, and writes images as PNG files."""

from collections.abc import Mapping
import pathlib

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from inpaint_jax.system import atomic_files
from inpaint_jax.training import images


def draw_grid(rows: Mapping[str, np.ndarray], *, cell: int = 128) -> np.ndarray:
  """Lays images out in rows, each row under its name, as uint8 [H, W, 3].

  Args:
    rows: name -> float or uint8 images [N, S, S, 3], with the same N and S in
      all rows.
    cell: least side of an image in the grid, in pixels; smaller images are
      magnified by a whole number.
  """
  count, size = next(iter(rows.values())).shape[:2]
  scale = max(1, -(-cell // size))
  side, header, gap = size * scale, 18, 4
  width = count * (side + gap) + gap
  canvas = PIL.Image.new(
    'RGB', (width, len(rows) * (side + gap + header) + gap), 'white'
  )
  draw = PIL.ImageDraw.Draw(canvas)
  font = PIL.ImageFont.load_default(size=13)
  for i, (name, row) in enumerate(rows.items()):
    top = i * (side + gap + header)
    draw.text((gap, top + 1), name, fill='black', font=font)
    for j, image in enumerate(row):
      if image.dtype != np.uint8:
        image = images.to_uint8(image)
      tile = PIL.Image.fromarray(image).resize(
        (side, side), PIL.Image.Resampling.BICUBIC
      )
      canvas.paste(tile, (gap + j * (side + gap), top + header))
  return np.asarray(canvas)


def write_png(path: pathlib.Path, image: np.ndarray) -> None:
  """Writes uint8 [H, W, 3] to a PNG file, completely or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with atomic_files.replacing(path) as temporary:
    PIL.Image.fromarray(image).save(temporary, format='PNG')
