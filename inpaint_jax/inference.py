"""Fills holes from Python: `inference.load(source)` gives an `Inpainter`.

from inpaint_jax import inference
inpainter = inference.load()
result = inpainter(image, mask)
"""

from inpaint_jax.inpainting.fills import create_fill, Fill
from inpaint_jax.inpainting.inpainter import DEFAULT_GUIDE, Inpainter, load
from inpaint_jax.release.zoo import list_models

__all__ = [
  'DEFAULT_GUIDE',
  'Fill',
  'Inpainter',
  'create_fill',
  'list_models',
  'load',
]
