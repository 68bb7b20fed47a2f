"""What is measured, and in which modes: JAX, ONNX Runtime, PyTorch.

Modules of a mode are imported as it is asked for, so that a process that
measures the memory of one holds nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import importlib
import pathlib
import types
from typing import Any, NamedTuple

import ml_collections
import numpy as np

KINDS = ('inference', 'training')


@dataclasses.dataclass(frozen=True)
class Case:
  """A net at work on so many pictures of a size.

  Attributes:
    kind: 'inference', from masked pictures to whole ones, or 'training', one
      step from uint8 pictures to new parameters.
    config: a run's fields, see configs/default.py.
    size: side of the pictures in pixels.
    batch: number of pictures.
  """

  kind: str
  config: ml_collections.ConfigDict
  size: int
  batch: int

  def __str__(self) -> str:
    pictures = 'picture' if self.batch == 1 else 'pictures'
    return f'{self.kind}, {self.batch} {pictures} of {self.size}x{self.size}'


class Work(NamedTuple):
  """A case in a mode, ready to be called.

  Attributes:
    call: does the work once and waits for it. Inference returns the pictures,
      float32 [B, H, W, 3]; training the loss before the update.
    count_flops: returns the floating-point operations of a call, None if XLA
      does not tell: what it counts in the compiled program of inference, three
      times that for a step.
  """

  call: Callable[[], Any]
  count_flops: Callable[[], float | None] = lambda: None


def example(case: Case) -> tuple[np.ndarray, np.ndarray]:
  """Returns smooth random pictures with noise, and a square hole in each.

  As export.example, which needs JAX.

  Returns:
    uint8 [B, S, S, 3] and float32 [B, S, S, 1] in {0, 1}.
  """
  random = np.random.default_rng(0)
  B, S = case.batch, case.size
  coarse = random.random((B, S // 8, S // 8, 3), np.float32)
  image = 0.8 * coarse.repeat(8, axis=1).repeat(8, axis=2)
  image += 0.2 * random.random(image.shape, np.float32)
  mask = np.zeros((B, S, S, 1), np.float32)
  mask[:, S // 4 : S // 2, S // 3 : S * 3 // 4] = 1
  return np.rint(image * 255).astype(np.uint8), mask


def masked_example(case: Case) -> tuple[np.ndarray, np.ndarray]:
  """Returns `example` as a net sees it: float32 in [0, 1], holes black."""
  image, mask = example(case)
  return image.astype(np.float32) / 255 * (1 - mask), mask


def create(
  case: Case, mode: str, onnx_path: pathlib.Path | None = None, **start: Any
) -> Work:
  """Returns a case in a mode.

  Args:
    case: what to do.
    mode: such as 'JAX float32', 'PyTorch float32, eager' (of torch_cases.MODES)
      or, in inference, 'ONNX Runtime'.
    onnx_path: the net's exported file, for ONNX Runtime.
    **start: the weights and masks of PyTorch, see torch_cases.
  """
  library, _, rest = mode.partition(' ')
  if library == 'ONNX':
    from inpaint_jax.release import onnx_runtime

    fill = onnx_runtime.OnnxFill(onnx_path)
    return Work(functools.partial(fill, *masked_example(case)))
  return module(mode).CREATE[case.kind](case, rest, **start)


def module(mode: str) -> types.ModuleType | None:
  """Returns jax_cases or torch_cases, None for ONNX Runtime."""
  name = {'JAX': 'jax_cases', 'PyTorch': 'torch_cases'}.get(mode.split()[0])
  return name and importlib.import_module(f'inpaint_jax.speed.{name}')
