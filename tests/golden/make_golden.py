"""Makes the golden values of this folder with PyTorch, which no test needs.

  python tests/golden/make_golden.py    (needs torch, see the extra [speed])

The command and the version of PyTorch are written into each file. The tests
import this module too, for its NumPy part: weights and inputs of the nets are
drawn from named NumPy streams on both sides, so that they need not be stored.
"""

import os
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND = 'python tests/golden/make_golden.py'
# Batch, height and width of the nets' inputs.
SIZES = {'square': (1, 32, 32), 'wide': (1, 40, 24)}
TRAIN_SIZE = (2, 16, 16)


def stream(name: str) -> np.random.RandomState:
  """Returns a legacy stream, which NumPy has promised never to change."""
  return np.random.RandomState(zlib.crc32(name.encode()))


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """Draws one parameter, such as 'unet/encoder1_conv1/kernel', in HWIO.

  Kernels are drawn so that signals neither vanish nor blow up.
  """
  low, high = {
    'bias': (-0.2, 0.2),
    'scale': (0.5, 1.5),
    'mean': (-0.3, 0.3),
    'var': (0.5, 1.5),
    'kernel': (-1.0, 1.0),
  }[name.split('/')[-1]]
  values = stream(name).uniform(low, high, shape)
  if name.endswith('kernel'):
    values *= np.sqrt(6 / np.prod(shape[:-1]))
  return values.astype(np.float32)


def net_inputs(name: str, size: tuple[int, int, int]):
  """Returns masked_image [B, H, W, 3] and mask [B, H, W, 1]."""
  B, H, W = size
  image = stream(name).uniform(0, 1, (B, H, W, 3))
  mask = np.zeros((B, H, W, 1))
  mask[:, H // 4 : H // 2, W // 3 : W // 2 + 3] = 1
  mask[:, -3:, :5] = 1
  return (image * (1 - mask)).astype(np.float32), mask.astype(np.float32)


def net_golden() -> dict[str, np.ndarray]:
  """Returns tanh of both nets' outputs, channels last."""
  import torch
  from torch import nn

  from inpaint_jax.speed import torch_nets

  def fill(net, net_name):
    """Sets every parameter and running statistic from its named stream."""
    for layer_name, layer in net.named_children():
      prefix = f'{net_name}/{layer_name}/'
      if isinstance(layer, nn.Conv2d):
        outputs, inputs = layer.weight.shape[:2]
        kernel = draw(prefix + 'kernel', (3, 3, inputs, outputs))
        layer.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(draw(prefix + 'bias', (outputs,)))
      else:
        shape = tuple(layer.weight.shape)
        layer.weight.data = torch.tensor(draw(prefix + 'scale', shape))
        layer.bias.data = torch.tensor(draw(prefix + 'bias', shape))
        layer.running_mean = torch.tensor(draw(prefix + 'mean', shape))
        layer.running_var = torch.tensor(draw(prefix + 'var', shape))

  def run(net, name, size):
    masked_image, mask = net_inputs(name, size)
    x = np.concatenate([mask, mask, mask, masked_image], -1)
    with torch.no_grad():
      y = net(torch.tensor(x.transpose(0, 3, 1, 2).copy()))
    return y.numpy().transpose(0, 2, 3, 1)

  golden = {}
  for name, create in torch_nets.NETS.items():
    net = create()
    fill(net, name)
    golden[f'{name}/count'] = np.array(sum(p.numel() for p in net.parameters()))
    for size_name, size in SIZES.items():
      golden[f'{name}/{size_name}'] = run(net.eval(), size_name, size)
    if name == 'encoder_decoder':
      golden[f'{name}/train'] = run(net.train(), 'train', TRAIN_SIZE)
      golden[f'{name}/train/mean'] = net.encoder1_norm.running_mean.numpy()
  return golden


def loss_golden() -> dict[str, np.ndarray]:
  """Returns inputs, targets and unreduced losses, one group a case."""
  import torch
  import torch.nn.functional as F

  r = stream('losses')
  # Random values, then edge cases: 0, 1, below and above them, and extremes.
  edges = np.array([0, 1, 0.5, 1e-8, 1e-3, 1 - 2**-24, 1.0000001, 2, 7.5, 300])
  logits = np.array([0, 1, -1, 80, -80, 1e-6, -20, 20, 88, -100])
  real = np.concatenate([r.normal(0, 2, 40), np.repeat(logits, 10)])
  positive = np.concatenate([r.uniform(0, 3, 40), np.tile(edges, 10)])
  rates = np.concatenate([r.uniform(0, 3, 40), np.repeat(edges, 10)])
  unit = np.minimum(positive, 1)
  log_p = -np.abs(real)
  classes = r.normal(0, 3, (12, 4))
  classes[:6] = [
    [80, -80, 0, 0],
    [-80, -80, -80, 80],
    [80, 80, 80, 80],
    [0, 0, 0, 0],
    [1e4, 0, -1e4, 3],
    [88, 89, 90, 0],
  ]
  shares = r.dirichlet([0.5] * 4, 12)
  shares[:3] = np.eye(4)[:3]
  shares[7:9] = [[0.5, 0.5, 0, 0], [0, 0, 0, 0]]
  full = {'full': True}
  plain = {'log_input': False}
  cases = {
    'mse': (F.mse_loss, real, positive, {}),
    'l1': (F.l1_loss, real, positive, {}),
    'poisson_nll': (F.poisson_nll_loss, real, positive, {}),
    'poisson_nll/full': (F.poisson_nll_loss, real, positive, full),
    'poisson_nll/plain': (F.poisson_nll_loss, rates, positive, plain),
    'poisson_nll/plain_full': (
      F.poisson_nll_loss,
      rates,
      positive,
      plain | full | {'eps': 1e-3},
    ),
    'kl_div': (F.kl_div, log_p, unit, {}),
    'kl_div/log_target': (F.kl_div, log_p, log_p[::-1], {'log_target': True}),
    'cross_entropy': (F.cross_entropy, classes, shares, {}),
  }
  golden = {}
  for case, (fn, inputs, targets, options) in cases.items():
    inputs = np.array(inputs, np.float32)
    targets = np.array(targets, np.float32)
    losses = fn(
      torch.tensor(inputs), torch.tensor(targets), reduction='none', **options
    )
    golden[f'{case}/inputs'] = inputs
    golden[f'{case}/targets'] = targets
    golden[f'{case}/losses'] = losses.numpy()
  return golden


def optimizer_golden() -> dict[str, np.ndarray]:
  """Returns gradients, and each case's parameters after each of 20 updates.

  Parameters 0 to 5 have gradients of ordinary size, 6 and 7 tiny ones, 8 zeros,
  9 zeros except for one jump. Updates are large (0.1), so that a wrong eps,
  decay or initial value is seen in the parameters.
  """
  import torch

  r = stream('optimizers')
  grads = r.normal(0, 1, (20, 10))
  grads[:, 6] = 1e-9 * (1 + r.uniform(0, 1, 20))
  grads[:, 7] = 1e-8 * r.normal(0, 1, 20)
  grads[:, 8:] = 0
  grads[10, 9] = 3
  grads = grads.astype(np.float32)
  start = r.normal(0, 1, 10).astype(np.float32)
  optim = torch.optim
  creates = {
    'adam': optim.Adam,
    'sgd': optim.SGD,
    'rmsprop': optim.RMSprop,
    'adagrad': optim.Adagrad,
  }
  golden = {'grads': grads, 'start': start, 'learning_rate': np.array(0.1)}
  for name, create in creates.items():
    cases = {'plain': {}, 'weight_decay': {'weight_decay': 0.01}, 'clip': {}}
    if name in ('sgd', 'rmsprop'):
      cases['momentum'] = {'momentum': 0.9}
    cases['all'] = {k: v for c in cases.values() for k, v in c.items()}
    for case, options in cases.items():
      p = torch.tensor(start, requires_grad=True)
      optimizer = create([p], lr=0.1, **options)
      after = []
      for grad in grads:
        p.grad = torch.tensor(grad)
        if case in ('clip', 'all'):
          torch.nn.utils.clip_grad_norm_([p], 2.2)
        optimizer.step()
        after.append(p.detach().numpy().copy())
      golden[f'{name}/{case}'] = np.stack(after)
  return golden


def objective_inputs() -> dict[str, np.ndarray]:
  """Returns features of two layers, scores and an image, channels last."""
  r = stream('objectives')
  shapes = {'0': (2, 6, 5, 4), '1': (2, 3, 2, 7)}
  inputs = {
    f'{name}{layer}': np.maximum(r.normal(0.3, 1, shape), 0)
    for name in ('maps', 'true_maps')
    for layer, shape in shapes.items()
  }
  inputs |= {f'weights{k}': r.uniform(0, 1, x[-1]) for k, x in shapes.items()}
  # A pixel whose features are all 0.
  inputs['maps0'][0, 0, 0] = 0
  inputs['scores'], inputs['true_scores'] = r.normal(0, 2, (2, 2, 12))
  inputs['holes'] = (r.uniform(0, 1, (2, 12)) < 0.4) * 1.0
  inputs['share'] = np.array([0.25, 0.5])
  inputs['image'] = r.uniform(0, 1, (2, 4, 4, 3))
  inputs['kernel'] = r.normal(0, 1, (3, 5))
  return {name: x.astype(np.float32) for name, x in inputs.items()}


def objective_golden() -> dict[str, np.ndarray]:
  """Returns each objective of objective_inputs(), one number per image."""
  import torch
  import torch.nn.functional as F

  x = {k: torch.tensor(v) for k, v in objective_inputs().items()}
  second = lambda name: x[name].permute(0, 3, 1, 2)  # Channels second.
  pairs = [(second(f'maps{i}'), second(f'true_maps{i}')) for i in range(2)]

  def distance(a, b, weights):
    squares = (F.normalize(a, eps=1e-10) - F.normalize(b, eps=1e-10)) ** 2
    return F.conv2d(squares, weights[None, :, None, None]).mean((1, 2, 3))

  def gram(a):
    flat = a.flatten(2)
    return flat @ flat.transpose(1, 2) / a[0].numel()

  perceptual = sum(
    distance(*pair, x[f'weights{i}']) for i, pair in enumerate(pairs)
  )
  style = sum((gram(a) - gram(b)).abs().mean((1, 2)) for a, b in pairs) / 2
  matching = (
    sum(F.l1_loss(a, b, reduction='none').mean((1, 2, 3)) for a, b in pairs) / 2
  )
  golden = {
    'perceptual': perceptual / x['share'],
    'style': style / x['share'],
    'feature_matching': matching / x['share'],
  }
  scores, true_scores, holes = x['scores'], x['true_scores'], x['holes']
  # 'hinge' is the margin loss, the other kind the cross-entropy of logits.
  cross = lambda s, target: F.binary_cross_entropy_with_logits(
    s, torch.full_like(s, target), reduction='none'
  )
  for kind, real, fake, generator in (
    (
      'hinge',
      lambda s: F.relu(1 - s),
      lambda s: F.relu(1 + s),
      lambda s: -s,
    ),
    (
      'nonsaturating',
      lambda s: cross(s, 1),
      lambda s: cross(s, 0),
      lambda s: cross(s, 1),
    ),
  ):
    golden[f'{kind}/discriminator'] = torch.stack(
      [
        real(torch.cat([true_scores[i], scores[i][holes[i] == 0]])).mean()
        + fake(scores[i][holes[i] > 0]).mean()
        for i in range(2)
      ]
    )
    golden[f'{kind}/adversarial'] = torch.stack(
      [generator(scores)[i][holes[i] > 0].mean() for i in range(2)]
    )
  image = x['image'].requires_grad_()
  judged = torch.tanh(image @ x['kernel']).flatten(1) ** 2
  (gradient,) = torch.autograd.grad(judged.sum(), image)
  golden['r1'] = gradient.pow(2).sum((1, 2, 3)) / 2
  return {name: y.detach().numpy() for name, y in golden.items()}


def main() -> None:
  import torch

  # One thread, one order of summation.
  torch.set_num_threads(1)
  about = {
    'torch_version': np.array(torch.__version__),
    'command': np.array(COMMAND),
  }
  for name, golden in (
    ('models', net_golden()),
    ('losses', loss_golden()),
    ('optimizers', optimizer_golden()),
    ('objectives', objective_golden()),
  ):
    path = os.path.join(HERE, f'{name}.npz')
    np.savez_compressed(path, **about, **golden)
    print(f'{path}: {len(golden)} arrays, {os.path.getsize(path)} bytes')


if __name__ == '__main__':
  main()
