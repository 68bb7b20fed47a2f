"""Fills holes from Python: `inference.load(source)` gives an `Inpainter`."""

from inpaint_jax.inpainting.inpainter import create_fill, Fill, Inpainter, load

__all__ = ['Fill', 'Inpainter', 'create_fill', 'load']
