"""Exports a model as ONNX or StableHLO: see inpaint_jax/commands/export.py."""

from inpaint_jax.commands import export

if __name__ == '__main__':
  export.run()
