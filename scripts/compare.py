"""Compares ways to fill holes: see inpaint_jax/commands/compare.py."""

from inpaint_jax.commands import compare

if __name__ == '__main__':
  compare.run()
