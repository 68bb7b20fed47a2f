"""Compares ways to fill holes: see inpaint_jax/commands/compare.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.compare()
