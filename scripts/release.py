"""Writes a trained model as one file: see inpaint_jax/commands/release.py."""

from inpaint_jax.commands import release

if __name__ == '__main__':
  release.run()
