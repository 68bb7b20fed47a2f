"""The models in PyTorch, with the same layers as in models/.

tests/golden/make_golden.py computes golden values with them, too. The input is
[B, 6, H, W], three copies of the mask before the masked image; the output is
the image [B, 3, H, W], after the tanh that in JAX belongs to the loss.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Features = tuple[int, int, int]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
  return nn.Conv2d(inputs, outputs, 3, padding=1)


class EncoderDecoder(nn.Module):
  """The model of models/encoder_decoder.py."""

  def __init__(self, features: Features = (64, 128, 256)):
    super().__init__()
    a, b, c = features
    plan = [
      ('encoder1', 6, a, nn.MaxPool2d(2)),
      ('encoder2', a, b, nn.MaxPool2d(2)),
      ('encoder3', b, c, nn.Identity()),
      ('decoder1', c, b, nn.UpsamplingNearest2d(scale_factor=2)),
      ('decoder2', b, a, nn.UpsamplingNearest2d(scale_factor=2)),
    ]
    self.last = []
    for name, inputs, outputs, resize in plan:
      self.add_module(f'{name}_conv', _conv(inputs, outputs))
      self.add_module(f'{name}_norm', nn.BatchNorm2d(outputs))
      self.last.append((name, resize))
    self.decoder3_conv = _conv(a, 3)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    for name, resize in self.last:
      x = getattr(self, f'{name}_norm')(getattr(self, f'{name}_conv')(x))
      x = resize(torch.relu(x))
    return torch.tanh(self.decoder3_conv(x))


class UNet(nn.Module):
  """The model of models/unet.py."""

  def __init__(self, features: Features = (64, 128, 256)):
    super().__init__()
    a, b, c = features
    self.encoder1_conv1, self.encoder1_conv2 = _conv(6, a), _conv(a, a)
    self.encoder2_conv1, self.encoder2_conv2 = _conv(a, b), _conv(b, b)
    self.encoder3_conv1, self.encoder3_conv2 = _conv(b, c), _conv(c, c)
    self.bottleneck_conv = _conv(c, c)
    self.decoder1_conv1, self.decoder1_conv2 = _conv(2 * c, b), _conv(b, b)
    self.decoder2_conv1, self.decoder2_conv2 = _conv(2 * b, a), _conv(a, a)
    self.decoder3_conv = _conv(2 * a, 3)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    relu, pool = torch.relu, nn.functional.max_pool2d

    def decode(x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
      x = nn.functional.interpolate(
        x, scale_factor=2, mode='bilinear', align_corners=False
      )
      return relu(torch.cat([x, skip], 1))

    e1 = self.encoder1_conv2(relu(self.encoder1_conv1(x)))
    e2 = self.encoder2_conv2(relu(self.encoder2_conv1(relu(pool(e1, 2)))))
    e3 = self.encoder3_conv2(relu(self.encoder3_conv1(relu(pool(e2, 2)))))
    x = self.bottleneck_conv(relu(pool(e3, 2)))
    x = self.decoder1_conv2(relu(self.decoder1_conv1(decode(x, e3))))
    x = self.decoder2_conv2(relu(self.decoder2_conv1(decode(x, e2))))
    return torch.tanh(self.decoder3_conv(decode(x, e1)))


NETS = {'encoder_decoder': EncoderDecoder, 'unet': UNet}


def set_variables(net: nn.Module, variables: Mapping[str, Any]) -> None:
  """Copies the variables of a JAX model to the same model in PyTorch.

  Args:
    variables: {'params': ..., 'batch_stats': ...} of the JAX model.
  """
  names = {
    'kernel': 'weight',
    'scale': 'weight',
    'mean': 'running_mean',
    'var': 'running_var',
  }
  state = net.state_dict()
  layers = [*variables['params'].items(), *variables['batch_stats'].items()]
  for layer, fields in layers:
    for field, value in fields.items():
      value = np.array(value)
      if field == 'kernel':
        value = value.transpose(3, 2, 0, 1).copy()
      state[f'{layer}.{names.get(field, field)}'] = torch.from_numpy(value)
  net.load_state_dict(state)
