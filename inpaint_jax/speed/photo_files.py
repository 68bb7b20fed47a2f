"""Folders of a given number of photos, to build datasets of."""

import pathlib

import numpy as np
from PIL import Image

from inpaint_jax.datasets import landscape, photo_folder
from inpaint_jax.system import errors

_SIZE = (768, 512)


def find(source: str, count: int, folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the first photos of a folder, or draws some.

  Args:
    source: the folder; '' draws landscapes, as JPEG files of 768x512 pixels
      with the noise that a camera adds.
    count: how many at most.
    folder: where to draw.

  Raises:
    errors.UserError: there is no such folder, or no photo in it.
  """
  if source:
    try:
      listing = photo_folder.list_photos(source)
    except errors.UserError as error:
      text = str(error).replace('data.source', '--source')
      raise errors.UserError(text) from error
    root = pathlib.Path(listing.root).absolute()
    return [root / path for path in listing.paths[:count]]
  folder.mkdir(parents=True)
  paths = [folder / f'{number:06d}.jpg' for number in range(count)]
  for number, path in enumerate(paths):
    # Small ones drawn and enlarged: large ones take ten times as long.
    small = Image.fromarray(landscape.render(number, 64))
    picture = np.asarray(small.resize(_SIZE, Image.Resampling.BICUBIC))
    noise = np.random.default_rng(number).normal(0, 5, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, quality=85)
  return paths


def link(paths: list[pathlib.Path], folder: pathlib.Path) -> None:
  """Makes a folder of links to photos."""
  folder.mkdir(parents=True)
  for number, path in enumerate(paths):
    (folder / f'{number:06d}{path.suffix}').symlink_to(path)
