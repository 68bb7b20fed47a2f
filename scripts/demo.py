"""Serves the web page: see inpaint_jax/commands/demo.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.demo()
