"""Exports a model as ONNX or StableHLO: see inpaint_jax/commands/export.py."""

from inpaint_jax.commands import start

if __name__ == '__main__':
  start.export()
