"""Image inpainting in JAX and Flax: models, losses, masks and training."""

__version__ = '0.1.0'
