"""Scores fillings: see inpaint_jax/commands/score.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.score()
