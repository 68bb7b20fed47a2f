"""Trains or evaluates a model: see inpaint_jax/commands/train.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.train()
