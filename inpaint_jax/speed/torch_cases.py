"""The same work in PyTorch, in each mode that it is advised to be run in."""

from collections.abc import Callable, Mapping
import contextlib
from typing import Any, NamedTuple

import numpy as np
import torch

from inpaint_jax.speed import cases, torch_nets


class Mode(NamedTuple):
  """How PyTorch does it.

  Attributes:
    channels_last: memory format of pictures and kernels.
    compiled: by torch.compile, which wants a C++ compiler.
    dtype: bfloat16 is autocast's: parameters stay float32, as ours do.
  """

  channels_last: bool = False
  compiled: bool = False
  dtype: torch.dtype = torch.float32


MODES = {
  'float32, eager': Mode(),
  'float32, channels last': Mode(channels_last=True),
  'float32, compiled': Mode(compiled=True),
  'float32, compiled, channels last': Mode(channels_last=True, compiled=True),
  'bfloat16, channels last': Mode(channels_last=True, dtype=torch.bfloat16),
  'bfloat16, compiled, channels last': Mode(
    channels_last=True, compiled=True, dtype=torch.bfloat16
  ),
}


def prepare(num_threads: int) -> None:
  """Sets threads and precision, and forgets what was compiled.

  torch.compile gives up, without a word, on a net that it has compiled too
  often.
  """
  torch.set_num_threads(num_threads)
  if torch.cuda.is_available():
    # TF32, which XLA takes for float32 unless told otherwise.
    torch.set_float32_matmul_precision('high')
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
  torch._dynamo.reset()


def create_inference(
  case: cases.Case, name: str, variables: Mapping[str, Any] | None = None
) -> cases.Work:
  """Returns a call that fills holes, from and to NumPy.

  Args:
    case: what to do.
    name: of MODES.
    variables: of our net; weights that PyTorch draws, unless given.
  """
  mode = MODES[name]
  # Frozen weights are laid out once for the kernels of the CPU.
  options = {'freezing': True} if _device() == 'cpu' else {}
  net = _create_net(case, mode, variables, train=False, options=options)
  image, mask = cases.masked_example(case)

  def fill() -> np.ndarray:
    with torch.no_grad(), _autocast(mode):
      picture = net(_to_input(_put(image), _put(mask), mode))
      picture = picture.float().clamp(0, 1).permute(0, 2, 3, 1)
    return picture.cpu().numpy()

  return cases.Work(fill)


def create_training(
  case: cases.Case,
  name: str,
  variables: Mapping[str, Any] | None = None,
  masks: np.ndarray | None = None,
) -> cases.Work:
  """Returns a step: mean squared error of the whole picture, Adam.

  Args:
    case: what to do.
    name: of MODES.
    variables: of our net; weights that PyTorch draws, unless given.
    masks: [B, S, S, 1], which stay the same from step to step; ours draws new
      ones in each.
  """
  mode = MODES[name]
  net = _create_net(case, mode, variables, train=True)
  optimizer = torch.optim.Adam(
    net.parameters(), lr=case.config.optimizer.learning_rate, fused=True
  )
  image, mask = cases.example(case)
  mask = mask if masks is None else masks

  def step() -> float:
    known, hole = _put(image).float() / 255, _put(mask)
    with _autocast(mode):
      picture = net(_to_input(known * (1 - hole), hole, mode))
    target = known.permute(0, 3, 1, 2)
    loss = torch.nn.functional.mse_loss(picture.float(), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    # PyTorch runs ahead on a GPU.
    if _device() == 'cuda':
      torch.cuda.synchronize()
    return loss.item()

  return cases.Work(step)


CREATE = {'inference': create_inference, 'training': create_training}


def create_product(size: int, dtype: str) -> Callable[[], Any]:
  """Returns a call that multiplies two square matrices."""
  a = torch.randn(size, size, device=_device()).to(getattr(torch, dtype))

  def product() -> None:
    torch.mm(a, a)
    if _device() == 'cuda':
      torch.cuda.synchronize()

  return product


def peak_bytes() -> int | None:
  """Returns the most memory that tensors had on a GPU, None on a CPU."""
  return torch.cuda.max_memory_allocated() if _device() == 'cuda' else None


def _device() -> str:
  return 'cuda' if torch.cuda.is_available() else 'cpu'


def _create_net(
  case: cases.Case,
  mode: Mode,
  variables: Mapping[str, Any] | None,
  *,
  train: bool,
  options: Mapping[str, Any] | None = None,
) -> torch.nn.Module:
  model = case.config.model
  net = torch_nets.NETS[model.name](tuple(model.features))
  if variables is not None:
    torch_nets.set_variables(net, variables)
  net = net.to(_device(), memory_format=_memory_format(mode)).train(train)
  if mode.compiled:
    # Each size is compiled for itself, as XLA does it.
    net = torch.compile(net, dynamic=False, options=dict(options or {}))
  return net


def _memory_format(mode: Mode) -> torch.memory_format:
  last, first = torch.channels_last, torch.contiguous_format
  return last if mode.channels_last else first


def _put(array: np.ndarray) -> torch.Tensor:
  return torch.from_numpy(array).to(_device())


def _to_input(
  masked: torch.Tensor, mask: torch.Tensor, mode: Mode
) -> torch.Tensor:
  """Returns [B, 6, H, W] of [B, H, W, 3] and [B, H, W, 1]."""
  x = torch.cat([mask, mask, mask, masked], -1).permute(0, 3, 1, 2)
  return x.contiguous(memory_format=_memory_format(mode))


def _autocast(mode: Mode) -> contextlib.AbstractContextManager[Any]:
  if mode.dtype == torch.float32:
    return contextlib.nullcontext()
  return torch.autocast(_device(), mode.dtype)
