"""The methods that are compared: variants of the engine, models, and peers.

The name of a model of the package means that it fills holes without the engine.

Attributes:
  ENGINE: name to the keyword arguments of the engine.
"""

from collections.abc import Sequence
import functools
from typing import Any

import numpy as np

from inpaint_jax import baselines, inference
from inpaint_jax.comparison import peers
from inpaint_jax.inpainting import backends, guides
from inpaint_jax.release import zoo
from inpaint_jax.system import errors

ENGINE: dict[str, dict[str, Any]] = {
  'engine': {},
  'engine-without-refining': {'refine': False},
  'engine-without-texture': {'texture': False},
}


def create(name: str, model: str) -> baselines.Baseline:
  """Returns a method as a function (image, hole) -> filled image.

  `model` guides the engine, as --guide of inpaint-jax does; '' = the default.
  """
  if name in peers.PEERS:
    return peers.PEERS[name]
  if name in zoo.list_models():
    return _painter(name)
  return functools.partial(_inpainter(model), **ENGINE[name])


def installed(names: Sequence[str]) -> list[str]:
  """Returns the names of methods that can run; prints a line on the others.

  Raises:
    errors.UserError: a name is unknown, or none can run.
  """
  found = []
  for name in names:
    errors.check_name(known(), name, 'methods')
    wanted = peers.missing(name)
    if wanted:
      print(f'{name} is left out: {wanted} adds it')
    else:
      found.append(name)
  if not found:
    raise errors.UserError(
      f'methods={",".join(names)} has no method that can run; name some of: '
      + ', '.join(known())
    )
  return found


def known() -> list[str]:
  """Returns the names of all methods, in the order of tables."""
  return [*peers.PEERS, *zoo.list_models(), *ENGINE]


@functools.cache
def _inpainter(model: str) -> Any:
  inpainter = inference.load(model or inference.DEFAULT_GUIDE)

  def fill(image: np.ndarray, hole: np.ndarray, **options: Any) -> np.ndarray:
    # What the hole hides must not be seen.
    blanked = image.copy()
    blanked[hole] = 0
    return inpainter(blanked, hole, **options)

  return fill


def _painter(name: str) -> baselines.Baseline:
  """Returns a method that fills holes by a model alone, at full resolution."""
  fill = backends.create_fill(zoo.load(name), optimize=True)

  def paint(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    margins = (-side % 8 for side in hole.shape)
    output = guides.paint(fill, guides.to_floats(image), hole, *margins)
    return np.where(hole[..., None], guides.to_bytes(output), image)

  return paint
