"""Pictures as arrays and as files."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from inpaint_jax.system import atomic_files


def to_float(image: jax.Array) -> jax.Array:
  """Returns uint8 pictures as float32 in [0, 1]."""
  return image.astype(jnp.float32) / 255


def to_uint8(image: np.ndarray) -> np.ndarray:
  """Returns float pictures, clipped to [0, 1], as uint8."""
  return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def write(path: pathlib.Path, image: np.ndarray) -> None:
  """Writes uint8 [H, W, 3] to a PNG file, whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with atomic_files.replacing(path) as temporary:
    PIL.Image.fromarray(image).save(temporary, format='PNG')


def grid(
  rows: dict[str, np.ndarray], *, cell: int = 128, gap: int = 4
) -> np.ndarray:
  """Lays pictures out in rows, each under its name.

  Args:
    rows: from a name to float or uint8 pictures [N, S, S, 3], the same N and S
      in all.
    cell: least side of a picture in the grid; smaller ones are magnified by a
      whole number.
    gap: pixels between pictures.

  Returns:
    uint8 [H, W, 3].
  """
  count, size = next(iter(rows.values())).shape[:2]
  scale = max(1, -(-cell // size))
  side, header = size * scale, 18
  width = count * (side + gap) + gap
  canvas = PIL.Image.new(
    'RGB', (width, len(rows) * (side + gap + header) + gap), 'white'
  )
  draw = PIL.ImageDraw.Draw(canvas)
  font = PIL.ImageFont.load_default(size=13)
  for i, (name, pictures) in enumerate(rows.items()):
    top = i * (side + gap + header)
    draw.text((gap, top + 1), name, fill='black', font=font)
    for j, picture in enumerate(pictures):
      if picture.dtype != np.uint8:
        picture = to_uint8(picture)
      tile = PIL.Image.fromarray(picture).resize(
        (side, side), PIL.Image.Resampling.BICUBIC
      )
      canvas.paste(tile, (gap + j * (side + gap), top + header))
  return np.asarray(canvas)
