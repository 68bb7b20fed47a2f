"""Writes a trained model as one file: see inpaint_jax/commands/release.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.release()
