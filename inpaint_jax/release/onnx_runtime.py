"""Runs exported models with ONNX Runtime, on the CPU and without JAX.

  fill = onnx_runtime.OnnxFill('unet.onnx')
  result = fill(image, mask)

Imports neither JAX nor anything that needs it.
"""

from collections.abc import Sequence
import os

import numpy as np

from inpaint_jax.system import errors, machine, user_paths

# ONNX Runtime counts and reports its uses, unless this is set before its first
# import.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')


class OnnxFill:
  """Fills holes with an exported model; threads may share one."""

  def __init__(self, path: str | os.PathLike[str]):
    """Reads a file, to run it on all the cores that this process may use.

    Raises:
      errors.UserError: ONNX Runtime is not installed, or the file is missing,
        damaged or of another kind.
    """
    errors.check_installed('onnxruntime', 'the onnx backend', 'onnx')
    import onnxruntime

    path = user_paths.local(path, 'model')
    if not path.is_file():
      raise errors.UserError(
        f'{path} does not exist; write it with inpaint-jax-export'
      )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.num_cores()
    options.log_severity_level = 3  # Errors only: no warning helps a user.
    unread = f'{path} cannot be read as an ONNX file'
    # Its exceptions have no other common base class.
    with errors.error_as(unread, kind=Exception):
      self._session = onnxruntime.InferenceSession(
        path, options, providers=['CPUExecutionProvider']
      )
    ends = [*self._session.get_inputs(), *self._session.get_outputs()]
    names = [x.name for x in ends]
    if names != ['image', 'mask', 'filled', 'output']:
      raise errors.UserError(
        f'{path} is an ONNX file of another kind; name one that '
        'inpaint-jax-export wrote'
      )

  def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the model's image, float32 [B, H, W, 3] in [0, 1].

    Args:
      image: float32 [B, H, W, 3] in [0, 1], H and W multiples of 8.
      mask: float32 [B, H, W, 1] in {0, 1}, 1 = hole.
    """
    return self.run(image, mask, ['output'])[0]

  def run(
    self,
    image: np.ndarray,
    mask: np.ndarray,
    outputs: Sequence[str] = ('filled', 'output'),
  ) -> list[np.ndarray]:
    """Returns outputs, by default the composite and the model's image."""
    inputs = {'image': image, 'mask': mask}
    feed = {name: np.asarray(x, np.float32) for name, x in inputs.items()}
    return self._session.run(outputs, feed)
