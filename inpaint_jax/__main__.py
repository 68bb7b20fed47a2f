"""`python -m inpaint_jax` fills the holes of photos, as inpaint-jax does."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.fill()
