"""Builds a dataset of photos: see inpaint_jax/commands/prepare_data.py."""

from inpaint_jax.commands import prepare_data

if __name__ == '__main__':
  prepare_data.run()
