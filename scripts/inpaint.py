"""Fills the holes of photos: see inpaint_jax/commands/fill.py."""

from inpaint_jax.commands import fill

if __name__ == '__main__':
  fill.run()
