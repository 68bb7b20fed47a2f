"""Image inpainting in JAX and Flax: nets, losses, masks, training, metrics."""

__version__ = '0.1.0'
