"""Runs the study: see inpaint_jax/commands/study.py."""

from inpaint_jax.commands import study

if __name__ == '__main__':
  study.run()
