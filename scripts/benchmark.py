"""Runs the study: see inpaint_jax/commands/study.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.study()
