"""Fills the holes of photos: see inpaint_jax/commands/fill.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.fill()
