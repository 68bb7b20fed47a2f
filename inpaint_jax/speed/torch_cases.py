"""The same work in PyTorch, in each mode that PyTorch's guides advise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from inpaint_jax.speed import cases, torch_nets

Variables = Mapping[str, Any]

_DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'

# 'compiled' is by torch.compile, which needs a C++ compiler; 'channels last' is
# the memory format of images and kernels; 'bfloat16' is by autocast, where
# parameters stay float32, as ours do.
MODES = (
  'float32, eager',
  'float32, channels last',
  'float32, compiled',
  'float32, compiled, channels last',
  'bfloat16, channels last',
  'bfloat16, compiled, channels last',
)


def prepare(num_threads: int) -> None:
  """Sets threads and precision, and resets torch.compile.

  torch.compile silently gives up on a model that it has compiled too often.
  """
  torch.set_num_threads(num_threads)
  if torch.cuda.is_available():
    # TF32, which XLA uses for float32 unless told otherwise.
    torch.set_float32_matmul_precision('high')
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
  torch.compiler.reset()


def create_inference(
  case: cases.Case, mode: str, variables: Variables
) -> cases.Call:
  """Returns a call that fills holes, from and to NumPy."""
  net = _create_net(case, mode, variables, train=False)
  image, mask = cases.masked_example(case)

  def fill() -> np.ndarray:
    with torch.no_grad(), _autocast(mode):
      filled = net(_to_input(_put(image), _put(mask), mode))
      filled = filled.float().clamp(0, 1).permute(0, 2, 3, 1)
    return filled.cpu().numpy()

  return fill


def create_training(
  case: cases.Case, mode: str, variables: Variables, masks: np.ndarray
) -> cases.Call:
  """Returns a call that makes a step of Adam on the mean squared error.

  Args:
    masks: [B, S, S, 1], the same in each step, while ours draws new ones.
  """
  net = _create_net(case, mode, variables, train=True)
  optimizer = torch.optim.Adam(
    net.parameters(), lr=case.config.optimizer.learning_rate, fused=True
  )
  image, _ = cases.example(case)

  def step() -> float:
    known, hole = _put(image).float() / 255, _put(masks)
    with _autocast(mode):
      output = net(_to_input(known * (1 - hole), hole, mode))
    target = known.permute(0, 3, 1, 2)
    loss = torch.nn.functional.mse_loss(output.float(), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    _wait()
    return loss.item()

  return step


CREATE = {'inference': create_inference, 'training': create_training}


def create_product(size: int, dtype: str) -> cases.Call:
  """Returns a call that multiplies two square matrices."""
  a = torch.randn(size, size, device=_DEVICE).to(getattr(torch, dtype))

  def product() -> None:
    torch.mm(a, a)
    _wait()

  return product


def _wait() -> None:
  # On a GPU, PyTorch returns before it has computed.
  if _DEVICE == 'cuda':
    torch.cuda.synchronize()


def _create_net(
  case: cases.Case, mode: str, variables: Variables, *, train: bool
) -> torch.nn.Module:
  model = case.config.model
  net: Any = torch_nets.NETS[model.name](tuple(model.features))
  torch_nets.set_variables(net, variables)
  net = net.to(_DEVICE, memory_format=_memory_format(mode)).train(train)
  if 'compiled' in mode:
    # Frozen weights are laid out only once for the kernels of the CPU.
    options = {'freezing': True} if _DEVICE == 'cpu' and not train else {}
    # Compiles each size separately, as XLA does.
    net = torch.compile(net, dynamic=False, options=options)
  return net


def _memory_format(mode: str) -> torch.memory_format:
  last, first = torch.channels_last, torch.contiguous_format
  return last if 'channels last' in mode else first


def _put(array: np.ndarray) -> torch.Tensor:
  return torch.from_numpy(array).to(_DEVICE)


def _to_input(
  masked: torch.Tensor, mask: torch.Tensor, mode: str
) -> torch.Tensor:
  """Returns [B, 6, H, W], from [B, H, W, 3] and [B, H, W, 1]."""
  x = torch.cat([mask, mask, mask, masked], -1).permute(0, 3, 1, 2)
  return x.contiguous(memory_format=_memory_format(mode))


def _autocast(mode: str) -> torch.autocast:
  return torch.autocast(_DEVICE, torch.bfloat16, enabled='bfloat16' in mode)
