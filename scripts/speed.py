"""Measures speed and memory: see inpaint_jax/commands/speed.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.speed()
