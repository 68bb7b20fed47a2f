"""Fills holes from Python: `inference.load(guide)` returns an `Inpainter`.

from inpaint_jax import inference
inpainter = inference.load()
result = inpainter(image, mask)
"""

from typing import Any, TYPE_CHECKING

from inpaint_jax.inpainting.inpainter import (
  DEFAULT_GUIDE,
  Filling,
  Inpainter,
  load,
)

if TYPE_CHECKING:
  from inpaint_jax.inpainting.backends import create_fill, Fill
  from inpaint_jax.release.zoo import list_models

__all__ = [
  'DEFAULT_GUIDE',
  'Fill',
  'Filling',
  'Inpainter',
  'create_fill',
  'list_models',
  'load',
]


def __getattr__(name: str) -> Any:
  """Imports names that need JAX, which takes seconds, when they are used."""
  if name in ('Fill', 'create_fill'):
    from inpaint_jax.inpainting import backends

    return getattr(backends, name)
  if name == 'list_models':
    from inpaint_jax.release import zoo

    return zoo.list_models
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
