"""Builds a dataset of photos: see inpaint_jax/commands/prepare_data.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.prepare_data()
